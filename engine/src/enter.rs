//! New orders: accepted or rejected whole, then parked, or matched and rested or cancelled.

use crate::book::{Book, Step};
use crate::command::NewOrder;
use crate::event::{Event, EventKind};
use crate::matching::{Stop, Taker};
use crate::orders::{Extra, Order, flag};
use crate::parked::Parked;
use crate::terms::{SLICES_MAX, Terms};
use crate::types::{
    Link, Lots, OrderId, OrderType, Phase, Place, Reason, Side, Ticks, TimeInForce, TriggerKind,
    TriggerSource,
};

impl Book {
    #[inline(always)]
    pub(crate) fn enter(&mut self, new: &NewOrder, step: &mut Step<'_>) {
        let mut order = self.arriving(new);
        if let Some(reason) = self.refusal(new, &order, None, step) {
            return self.reject(*new, None, reason, step);
        }
        order.flags |= self.watched(order.order_id, None);
        self.emit_accepted(&order, new.quantity, 0, step);
        self.go_live_plain(&order, new.order_type, new.tif, step);
    }

    #[cold]
    pub(crate) fn enter_with_terms(&mut self, new: &NewOrder, terms: &Terms, step: &mut Step<'_>) {
        let mut order = self.arriving(new);
        if let Some(reason) = self.refusal(new, &order, Some(terms), step) {
            return self.reject(*new, Some(terms), reason, step);
        }
        order.flags |= self.watched(order.order_id, Some(terms));
        self.accept(new, order, terms, step);
    }

    #[inline]
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

    #[inline]
    fn watched(&self, order_id: OrderId, terms: Option<&Terms>) -> u8 {
        let has_partner = terms.is_some_and(|terms| terms.partner.is_some());
        if has_partner || self.parked.has_children(order_id) { flag::WATCHED } else { 0 }
    }

    /// Rejects what whoever keeps the journal has refused; an id that is open stays the open order's.
    #[cold]
    pub(crate) fn refuse(&mut self, new: NewOrder, terms: &Terms, reason: Reason, step: &mut Step<'_>) {
        let reason = if self.is_open(new.order_id) { Reason::DuplicateOrder } else { reason };
        self.reject(new, Some(terms), reason, step);
    }

    #[cold]
    fn reject(&mut self, new: NewOrder, terms: Option<&Terms>, reason: Reason, step: &mut Step<'_>) {
        let order = &self.arriving(&new);
        let rejected = Event::about(order, EventKind::Rejected, reason);
        self.emit(step, Event { quantity: new.quantity, leaves: Lots::ZERO, ..rejected });
        if reason != Reason::DuplicateOrder {
            self.report_end(order, terms.map_or(OrderId::NONE, |terms| terms.partner));
        }
    }

    /// Why a new order may not enter, if so.
    #[inline(always)]
    fn refusal(
        &self,
        new: &NewOrder,
        order: &Order,
        terms: Option<&Terms>,
        step: &Step<'_>,
    ) -> Option<Reason> {
        if self.is_open(new.order_id) {
            return Some(Reason::DuplicateOrder);
        }
        if !is_valid(new, terms) || !self.fits(order, Lots::ZERO, new.quantity) {
            return Some(Reason::Invalid);
        }
        if self.state.phase != Phase::Open
            && let Some(reason) = self.refusal_by_phase(*new, terms)
        {
            return Some(reason);
        }
        let Some(terms) = terms else {
            let goes_live = self.state.phase == Phase::Open;
            let order_type = new.order_type;
            return if goes_live { self.refusal_to_go_live(order, order_type, new.tif, None) } else { None };
        };
        self.refusal_by_terms(new, order, terms, step)
    }

    #[cold]
    fn refusal_by_phase(&self, new: NewOrder, terms: Option<&Terms>) -> Option<Reason> {
        let immediate = !new.tif.rests() || new.order_type == OrderType::Market;
        let least = terms.map_or(Lots::ZERO, |terms| terms.min_quantity);
        let needs_matching = immediate || new.post_only || least > Lots::ZERO;
        let parks = terms.is_some_and(Terms::parks);
        let wrong = self.state.phase.collects() && needs_matching && !parks;
        self.state.phase.refusal().or_else(|| wrong.then_some(Reason::WrongPhase))
    }

    fn refusal_by_terms(
        &self,
        new: &NewOrder,
        order: &Order,
        terms: &Terms,
        step: &Step<'_>,
    ) -> Option<Reason> {
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
        self.refusal_to_go_live(&Order { leaves: cut, ..*order }, new.order_type, new.tif, Some(terms))
    }

    /// Whether the partner names this order too, or is still to come: the first leg has the lower id.
    fn may_pair(&self, order_id: OrderId, partner: OrderId) -> bool {
        self.partner_of(partner).map_or(partner > order_id, |named| named == order_id)
    }

    /// Why an order may not meet the market as it is now, if so.
    #[inline(always)]
    pub(crate) fn refusal_to_go_live(
        &self,
        order: &Order,
        order_type: OrderType,
        tif: TimeInForce,
        terms: Option<&Terms>,
    ) -> Option<Reason> {
        if order.is(flag::POST_ONLY) && self.would_take(order, order.price) {
            return Some(Reason::WouldTake);
        }
        let limit = limit_of(order.side, order_type, order.price);
        if tif == TimeInForce::Fok && !self.can_fill(*order, limit, order.leaves) {
            return Some(Reason::FokUnfillable);
        }
        let least = terms.map_or(Lots::ZERO, |terms| terms.min_quantity);
        let short = least > Lots::ZERO && !self.can_fill(*order, limit, least);
        short.then_some(Reason::MinQuantity)
    }

    #[inline]
    fn emit_accepted(&mut self, order: &Order, quantity: Lots, flags: u8, step: &mut Step<'_>) {
        let accepted = Event::about(order, EventKind::Accepted, Reason::None);
        self.emit(step, Event { quantity, priority: order.priority, flags, ..accepted });
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
        self.emit_accepted(&order, new.quantity, flags, step);
        if new.reduce_only && order.leaves > terms.position_limit {
            let cut = order.leaves - terms.position_limit;
            order.leaves -= cut;
            order.executed += cut;
            let reduced = Event::about(&order, EventKind::Reduced, Reason::ReduceOnly);
            self.emit(step, Event { quantity: cut, ..reduced });
            self.report_reduction(&order);
        }
        if flags == 0 {
            return self.go_live(order, new.order_type, new.tif, Some(terms), step);
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
            self.agenda.examine(order.order_id);
        }
    }

    /// An order without terms meets the market: most meet nobody.
    #[inline(always)]
    pub(crate) fn go_live_plain(
        &mut self,
        order: &Order,
        order_type: OrderType,
        tif: TimeInForce,
        step: &mut Step<'_>,
    ) {
        let rests = order_type == OrderType::Limit && tif.rests();
        if rests && (self.state.phase != Phase::Open || !self.would_take(order, order.price)) {
            self.rest(order);
        } else {
            self.go_live(*order, order_type, tif, None, step);
        }
    }

    /// An order meets the market: it takes what it may, and what is left rests or is cancelled.
    pub(crate) fn go_live(
        &mut self,
        order: Order,
        order_type: OrderType,
        tif: TimeInForce,
        terms: Option<&Terms>,
        step: &mut Step<'_>,
    ) {
        let limit = limit_of(order.side, order_type, order.price);
        let mut taker = Taker { order, limit, budget: None, partner: OrderId::NONE };
        if let Some(terms) = terms {
            taker.partner = terms.partner;
            taker.order.flags |= self.watched(order.order_id, Some(terms));
            if terms.budget > 0 {
                taker.budget = Some(terms.budget);
                taker.order.leaves = Lots(i64::MAX);
            }
        }
        let outcome =
            if self.state.phase == Phase::Open { self.take(&mut taker, step) } else { Stop::PriceLimit };
        let rests = order_type == OrderType::Limit && tif.rests();
        let reason = match outcome {
            Stop::Done => return,
            _ if rests => {
                match terms {
                    None => drop(self.rest_with(taker.order, Extra::default())),
                    Some(terms) => self.rest_live(taker.order, &terms.of_resting(), step),
                }
                return;
            }
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
        let slot = self.rest_with(order, extra);
        let order = *self.order(slot);
        if order.is(flag::ICEBERG) {
            self.emit_displayed(&order, shown, step);
        }
    }

    /// Whether the side's open lots fit in 64 bits with `new` open lots of the order in place of `old`.
    #[inline(always)]
    pub(crate) fn fits(&self, order: &Order, old: Lots, new: Lots) -> bool {
        let others = self.ladder(order.side).total - old;
        others.0.checked_add(new.0).is_some()
    }

    /// Whether the order would trade at `price`.
    #[inline(always)]
    pub(crate) fn would_take(&self, order: &Order, price: Ticks) -> bool {
        self.ladder(order.side.opposite()).is_reached(price)
    }
}

/// The worst price an order may trade at; any price will do for a market order without protection.
#[inline]
const fn limit_of(side: Side, order_type: OrderType, price: Ticks) -> Ticks {
    match (order_type, side) {
        (OrderType::Market, Side::Buy) if price.0 == 0 => Ticks(i64::MAX),
        _ => price,
    }
}

/// Whether an order of `quantity` has no more slices than it may have.
pub(crate) fn slices_fit(quantity: Lots, display: Option<Lots>) -> bool {
    display.is_none_or(|slice| {
        slice.is_zero() || i128::from(quantity.0) <= i128::from(slice.0) * i128::from(SLICES_MAX)
    })
}

/// Whether the fields of an order fit together.
#[inline]
fn is_valid(new: &NewOrder, terms: Option<&Terms>) -> bool {
    let limit = new.order_type == OrderType::Limit;
    let priced = if limit { new.price.0 > 0 } else { new.price.0 >= 0 };
    let may_rest = limit && new.tif.rests();
    let by_amount = terms.is_some_and(|terms| terms.budget != 0);
    let quantity = if by_amount { new.quantity.is_zero() } else { new.quantity > Lots::ZERO };
    let terms_fit = match terms {
        None => !new.reduce_only,
        Some(terms) => are_valid(new, terms, may_rest),
    };
    priced && quantity && (may_rest || !new.post_only) && terms_fit
}

fn are_valid(new: &NewOrder, terms: &Terms, may_rest: bool) -> bool {
    let passive = !new.post_only || terms.min_quantity.is_zero();
    let display = terms.display.is_none_or(|lots| may_rest && lots >= Lots::ZERO)
        && slices_fit(new.quantity, terms.display);
    let least = terms.min_quantity >= Lots::ZERO
        && (terms.min_quantity <= new.quantity || terms.min_quantity.is_zero());
    let expires = terms.expires.0 == 0 || terms.expires.0 > 0 && (may_rest || terms.parks());
    let limit =
        if new.reduce_only { terms.position_limit >= Lots::ZERO } else { terms.position_limit.is_zero() };
    passive
        && display
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

impl Parked {
    /// Whether a new order can have become this.
    pub(crate) fn is_possible(&self) -> bool {
        let &Self { order, order_type, tif, ref terms, place, .. } = self;
        let empty = self.is_attached() && place == Place::Waiting;
        let new = NewOrder {
            order_id: order.order_id,
            account: order.account,
            stp_group: order.stp_group,
            side: order.side,
            order_type,
            tif,
            post_only: order.is(flag::POST_ONLY),
            reduce_only: false,
            stp: order.stp,
            price: order.price,
            quantity: if empty { Lots(1) } else { order.leaves },
        };
        // Of the quantity it came with, an amendment may have left less than its minimum.
        let terms = Terms { min_quantity: terms.min_quantity.min(new.quantity), ..*terms };
        // A partner that has ended, or a fill, may have left a pair with one.
        let single = terms.link == Link::Oco && !terms.partner.is_some();
        !single && empty == order.leaves.is_zero() && is_valid(&new, Some(&terms))
    }
}
