//! New orders: accepted or rejected whole, then parked, or matched and rested or cancelled.

use crate::book::{Book, Step};
use crate::command::NewOrder;
use crate::event::{Event, EventKind};
use crate::matching::{Stop, Taker};
use crate::orders::{Extra, Order, flag};
use crate::parked::Parked;
use crate::terms::{SLICES_MAX, Terms};
use crate::types::{
    Link, Lots, OrderId, OrderType, Phase, Place, Reason, Ticks, TimeInForce, TriggerKind, TriggerSource,
};

impl Book {
    pub(crate) fn enter(&mut self, new: &NewOrder, terms: &Terms, step: &mut Step<'_>) {
        let mut order = self.arriving(new);
        match self.refusal(new, &order, terms, step) {
            None => {
                order.flags |= self.watched(&order, terms);
                self.accept(new, order, terms, step);
            }
            Some(reason) => {
                let rejected = Event::about(&order, EventKind::Rejected, reason);
                self.emit(step, Event { quantity: new.quantity, leaves: Lots::ZERO, ..rejected });
                if reason != Reason::DuplicateOrder {
                    self.report_end(&order, terms.partner);
                }
            }
        }
    }

    const fn arriving(&self, new: &NewOrder) -> Order {
        let post_only = if new.post_only { flag::POST_ONLY } else { 0 };
        let day = if matches!(new.tif, TimeInForce::Day) { flag::DAY } else { 0 };
        Order {
            order_id: new.order_id,
            account: new.account,
            stp_group: new.stp_group,
            side: new.side,
            stp: new.stp,
            price: new.price,
            leaves: new.quantity,
            executed: Lots::ZERO,
            priority: self.next_seq(),
            flags: post_only | day,
        }
    }

    fn watched(&self, order: &Order, terms: &Terms) -> u8 {
        let watched = terms.partner.is_some() || self.parked.has_children(order.order_id);
        if watched { flag::WATCHED } else { 0 }
    }

    /// Why a new order may not enter, if so.
    fn refusal(&self, new: &NewOrder, order: &Order, terms: &Terms, step: &Step<'_>) -> Option<Reason> {
        if self.is_open(new.order_id) {
            return Some(Reason::DuplicateOrder);
        }
        if !valid(new, terms) || !self.fits(order, Lots::ZERO, new.quantity) {
            return Some(Reason::Invalid);
        }
        if let Some(reason) = self.state.phase.refusal() {
            return Some(reason);
        }
        let immediate = !new.tif.rests() || new.order_type == OrderType::Market;
        let needs_matching = immediate || new.post_only || terms.min_quantity > Lots::ZERO;
        if self.state.phase.collects() && needs_matching && !terms.parks() {
            return Some(Reason::WrongPhase);
        }
        if terms.expires.0 != 0 && terms.expires <= step.time {
            return Some(Reason::Expired);
        }
        if terms.partner.is_some() && !self.may_pair(new.order_id, terms.partner) {
            return Some(Reason::Linked);
        }
        if new.reduce_only && terms.position_limit.is_zero() {
            return Some(Reason::ReduceOnly);
        }
        if terms.parks() || self.state.phase.collects() {
            return None;
        }
        let cut = if new.reduce_only { order.leaves.min(terms.position_limit) } else { order.leaves };
        self.refusal_to_go_live(&Order { leaves: cut, ..*order }, new.order_type, new.tif, terms)
    }

    /// Whether the partner names this order too, or is still to come: the first leg has the lower id.
    fn may_pair(&self, order_id: OrderId, partner: OrderId) -> bool {
        self.partner_of(partner).map_or(partner > order_id, |named| named == order_id)
    }

    /// Why an order may not meet the market as it is now, if so.
    pub(crate) fn refusal_to_go_live(
        &self,
        order: &Order,
        order_type: OrderType,
        tif: TimeInForce,
        terms: &Terms,
    ) -> Option<Reason> {
        if order.is(flag::POST_ONLY) && self.would_take(order, order.price) {
            return Some(Reason::WouldTake);
        }
        let limit = limit_of(order_type, order.price);
        if tif == TimeInForce::Fok && !self.can_fill(order, limit, order.leaves) {
            return Some(Reason::FokUnfillable);
        }
        let least = terms.min_quantity;
        let short = least > Lots::ZERO && !self.can_fill(order, limit, least);
        short.then_some(Reason::MinQuantity)
    }

    fn accept(&mut self, new: &NewOrder, mut order: Order, terms: &Terms, step: &mut Step<'_>) {
        if terms.link == Link::Attached {
            order.leaves = Lots::ZERO;
        }
        let flags = match (terms.parent.is_some(), terms.trigger) {
            (true, _) => Event::WAITING,
            (false, TriggerKind::None) => 0,
            (false, _) => Event::ARMED,
        };
        let accepted = Event::about(&order, EventKind::Accepted, Reason::None);
        self.emit(step, Event { quantity: new.quantity, priority: order.priority, flags, ..accepted });
        if new.reduce_only && order.leaves > terms.position_limit {
            let cut = order.leaves - terms.position_limit;
            order.leaves -= cut;
            order.executed += cut;
            let reduced = Event::about(&order, EventKind::Reduced, Reason::ReduceOnly);
            self.emit(step, Event { quantity: cut, ..reduced });
            self.report_reduction(&order);
        }
        if flags == 0 {
            return self.go_live(order, new.order_type, new.tif, terms, step);
        }
        let place = if flags == Event::ARMED { Place::Armed } else { Place::Waiting };
        self.park(Parked {
            order,
            order_type: new.order_type,
            tif: new.tif,
            terms: Terms { position_limit: Lots::ZERO, ..*terms },
            place,
            queued: false,
        });
        if place == Place::Armed {
            self.agenda.armed.push(order.order_id);
        }
    }

    /// An order meets the market: it takes what it may, and what is left rests or is cancelled.
    pub(crate) fn go_live(
        &mut self,
        mut order: Order,
        order_type: OrderType,
        tif: TimeInForce,
        terms: &Terms,
        step: &mut Step<'_>,
    ) {
        order.flags |= self.watched(&order, terms);
        let budget = (terms.budget > 0).then_some(terms.budget);
        if budget.is_some() {
            order.leaves = Lots(i64::MAX);
        }
        let mut taker =
            Taker { order, limit: limit_of(order_type, order.price), budget, partner: terms.partner };
        let rests = order_type == OrderType::Limit && tif.rests();
        let outcome =
            if self.state.phase == Phase::Open { self.take(&mut taker, step) } else { Stop::PriceLimit };
        let reason = match outcome {
            Stop::Done => return,
            _ if rests => return self.rest_live(taker.order, &terms.of_resting(), step),
            Stop::AmountSpent => Reason::AmountSpent,
            _ if order_type == OrderType::Limit => Reason::IocRemainder,
            Stop::NoLiquidity => Reason::NoLiquidity,
            Stop::PriceLimit => Reason::PriceProtection,
        };
        self.emit_end(&taker.visible(), taker.partner, reason, step);
    }

    /// Rests what taking left over, and says what an iceberg order shows of it.
    pub(crate) fn rest_live(&mut self, order: Order, terms: &Terms, step: &mut Step<'_>) {
        let shown = terms.display.map_or(Lots::ZERO, |display| display.min(order.leaves));
        let extra = Extra { display: terms.display, shown, expires: terms.expires, partner: terms.partner };
        let slot = self.rest(order, extra);
        let order = *self.order(slot);
        if order.is(flag::ICEBERG) {
            self.emit_displayed(&order, shown, step);
        }
    }

    /// Whether the side's open lots fit in 64 bits with `new` open lots of the order in place of `old`.
    pub(crate) fn fits(&self, order: &Order, old: Lots, new: Lots) -> bool {
        let others = self.ladder(order.side).total - old;
        others.0.checked_add(new.0).is_some()
    }

    /// Whether the order would trade at `price`.
    pub(crate) fn would_take(&self, order: &Order, price: Ticks) -> bool {
        let touch = self.ladder(order.side.opposite()).best_price();
        touch.is_some_and(|touch| order.side.reaches(price, touch))
    }
}

/// The worst price an order may trade at; none for a market order without protection.
fn limit_of(order_type: OrderType, price: Ticks) -> Option<Ticks> {
    let unprotected = order_type == OrderType::Market && price.0 == 0;
    (!unprotected).then_some(price)
}

/// Whether an order of `quantity` has no more slices than it may have.
pub(crate) fn slices_fit(quantity: Lots, display: Option<Lots>) -> bool {
    display.is_none_or(|slice| {
        slice.is_zero() || i128::from(quantity.0) <= i128::from(slice.0) * i128::from(SLICES_MAX)
    })
}

/// Whether the fields of an order fit together.
fn valid(new: &NewOrder, terms: &Terms) -> bool {
    let limit = new.order_type == OrderType::Limit;
    let priced = if limit { new.price.0 > 0 } else { new.price.0 >= 0 };
    let may_rest = limit && new.tif.rests();
    let quantity = if terms.budget == 0 { new.quantity > Lots::ZERO } else { new.quantity.is_zero() };
    priced
        && quantity
        && (may_rest || !new.post_only)
        && (!new.post_only || terms.min_quantity.is_zero())
        && (*terms == Terms::NONE && !new.reduce_only || valid_terms(new, terms, may_rest))
}

fn valid_terms(new: &NewOrder, terms: &Terms, may_rest: bool) -> bool {
    let display = terms.display.is_none_or(|lots| may_rest && lots >= Lots::ZERO)
        && slices_fit(new.quantity, terms.display);
    let least = terms.min_quantity >= Lots::ZERO
        && (terms.min_quantity <= new.quantity || terms.min_quantity.is_zero());
    let expires = terms.expires.0 == 0 || terms.expires.0 > 0 && (may_rest || terms.parks());
    let limit =
        if new.reduce_only { terms.position_limit >= Lots::ZERO } else { terms.position_limit.is_zero() };
    display
        && least
        && expires
        && limit
        && valid_budget(new, terms)
        && valid_trigger(terms)
        && valid_link(new, terms)
}

fn valid_budget(new: &NewOrder, terms: &Terms) -> bool {
    let plain = new.order_type == OrderType::Market
        && new.tif == TimeInForce::Ioc
        && !terms.parks()
        && terms.link == Link::None
        && terms.min_quantity.is_zero()
        && !new.reduce_only;
    terms.budget == 0 || terms.budget > 0 && plain
}

fn valid_trigger(terms: &Terms) -> bool {
    let trails = match terms.trigger {
        TriggerKind::None | TriggerKind::Stop | TriggerKind::TakeProfit => {
            terms.distance == 0 && terms.step == Ticks(0)
        }
        TriggerKind::Trailing => terms.distance >= 1 && terms.step >= Ticks(1),
        TriggerKind::TrailingBps => (1..10_000).contains(&terms.distance) && terms.step >= Ticks(1),
    };
    let source = terms.source == TriggerSource::Last
        || matches!(terms.trigger, TriggerKind::Stop | TriggerKind::TakeProfit);
    let price = if terms.trigger == TriggerKind::None {
        terms.trigger_price == Ticks(0)
    } else {
        terms.trigger_price > Ticks(0)
    };
    trails && source && price
}

fn valid_link(new: &NewOrder, terms: &Terms) -> bool {
    let (parent, partner) = (terms.parent, terms.partner);
    let own = new.order_id;
    let named = parent.0 >= 0 && partner.0 >= 0 && parent != own && partner != own;
    named
        && match terms.link {
            Link::None => !parent.is_some() && !partner.is_some(),
            Link::Oco => !parent.is_some() && partner.is_some(),
            Link::Oto => parent.is_some(),
            Link::Attached => {
                parent.is_some()
                    && terms.trigger != TriggerKind::None
                    && terms.display.is_none()
                    && terms.min_quantity.is_zero()
                    && !new.reduce_only
            }
        }
}
