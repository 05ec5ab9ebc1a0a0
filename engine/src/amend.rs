//! Amendments: less at the same price keeps its place; anything else takes a new one, as a taker first.
//! A parked order has no place to lose.

use crate::book::{Book, Step};
use crate::command::Amendment;
use crate::enter::slices_fit;
use crate::event::{Event, EventKind};
use crate::orders::{Extra, Order, flag};
use crate::terms::Terms;
use crate::types::{AccountId, Lots, OrderId, OrderType, Phase, Place, Reason, Ticks, TimeInForce};

/// What an amendment would make of an order.
enum Amended {
    Resting(u32, Order),
    Parked(Order, Ticks),
}

impl Book {
    pub(crate) fn amend(&mut self, asked: &Amendment, step: &mut Step<'_>) {
        match self.amended(asked) {
            Ok(Amended::Resting(slot, order)) => self.replace(slot, order, step),
            Ok(Amended::Parked(order, trigger)) => self.rewrite(&order, trigger, step),
            Err(reason) => self.refuse_amend(asked, reason, step),
        }
    }

    /// Says why an order stays as it is.
    pub(crate) fn refuse_amend(&mut self, asked: &Amendment, reason: Reason, step: &mut Step<'_>) {
        let &Amendment { order_id, account, price, quantity, .. } = asked;
        let refused = Event::of(EventKind::AmendRejected, reason);
        self.emit_refusal(step, Event { order_id, account, price, quantity, ..refused });
    }

    /// The order as it would be, or why it may not be.
    fn amended(&self, asked: &Amendment) -> Result<Amended, Reason> {
        let order = self.owned(asked.order_id, asked.account)?;
        let negative = asked.price.0 < 0 || asked.quantity < Lots::ZERO || asked.trigger.0 < 0;
        let total = if asked.quantity.is_zero() { order.leaves + order.executed } else { asked.quantity };
        if negative || !self.may_become(&order, asked, total) {
            return Err(Reason::Invalid);
        }
        if let Some(reason) = self.state.phase.refusal() {
            return Err(reason);
        }
        let price = if asked.price.0 == 0 { order.price } else { asked.price };
        let leaves = total - order.executed;
        if !asked.quantity.is_zero() && leaves <= Lots::ZERO {
            return Err(Reason::BelowExecuted);
        }
        let same = price == order.price && leaves == order.leaves;
        if let Some(parked) = self.parked.get(order.order_id) {
            let now = parked.terms.trigger_price;
            let trigger = if asked.trigger.0 == 0 { now } else { asked.trigger };
            if same && trigger == now {
                return Err(Reason::NoChange);
            }
            return Ok(Amended::Parked(Order { price, leaves, ..order }, trigger));
        }
        if same {
            return Err(Reason::NoChange);
        }
        let open = self.state.phase == Phase::Open;
        if open && order.is(flag::POST_ONLY) && self.would_take(&order, price) {
            return Err(Reason::WouldTake);
        }
        let slot = self.find(order.order_id).ok_or(Reason::UnknownOrder)?;
        Ok(Amended::Resting(slot, Order { price, leaves, ..order }))
    }

    /// Whether an order of this kind can be asked to become that.
    fn may_become(&self, order: &Order, asked: &Amendment, total: Lots) -> bool {
        if let Some(parked) = self.parked.get(order.order_id) {
            let trails = parked.terms.trigger.trails();
            let has_trigger = parked.terms.trigger != crate::types::TriggerKind::None;
            return (asked.trigger.0 == 0 || has_trigger && !trails)
                && (asked.price.0 == 0 || !trails)
                && (asked.quantity.is_zero() || !parked.is_attached())
                && slices_fit(total - order.executed, parked.terms.display);
        }
        let leaves = total - order.executed;
        let display = self.extra(order).and_then(|extra| extra.display);
        asked.trigger.0 == 0 && self.fits(order, order.leaves, leaves) && slices_fit(leaves, display)
    }

    fn replace(&mut self, slot: u32, mut order: Order, step: &mut Step<'_>) {
        let before = *self.order(slot);
        let keeps_place = order.price == before.price && order.leaves < before.leaves;
        if keeps_place {
            self.shrink(slot, Lots::ZERO, before.leaves - order.leaves);
            return self.emit_amended(&order, Event::KEPT_PLACE, step);
        }
        self.remove(slot);
        let terms = before.is(flag::EXTRA).then(|| {
            let Extra { display, expires, partner, .. } = self.take_extra(&before);
            Terms { display, expires, partner, ..Terms::NONE }
        });
        order.priority = self.next_seq();
        self.emit_amended(&order, 0, step);
        let tif = if order.is(flag::DAY) { TimeInForce::Day } else { TimeInForce::Gtc };
        match terms {
            None => self.go_live_plain(&order, OrderType::Limit, tif, step),
            Some(_) => self.go_live(order, OrderType::Limit, tif, terms.as_ref(), step),
        }
    }

    fn rewrite(&mut self, order: &Order, trigger: Ticks, step: &mut Step<'_>) {
        let mut moved = false;
        let changed = self.change_parked(order.order_id, |parked| {
            moved = parked.terms.trigger_price != trigger;
            parked.terms.trigger_price = trigger;
            parked.order = *order;
        });
        self.emit_amended(order, Event::KEPT_PLACE, step);
        if moved {
            self.emit_trailed(order.order_id, step);
        }
        if changed.is_some_and(|parked| parked.place == Place::Armed) {
            self.agenda.examine(order.order_id);
        }
    }

    fn emit_amended(&mut self, order: &Order, flags: u8, step: &mut Step<'_>) {
        let amended = Event {
            quantity: order.leaves + order.executed,
            priority: order.priority,
            flags,
            ..Event::about(order, EventKind::Amended, Reason::None)
        };
        self.emit(step, amended);
    }

    /// An open order that `account` may change; account zero, the operator, may change any.
    pub(crate) fn owned(&self, order_id: OrderId, account: AccountId) -> Result<Order, Reason> {
        let order = self.open_order(order_id).ok_or(Reason::UnknownOrder)?;
        order.may_be_changed_by(account).then_some(order).ok_or(Reason::NotOwner)
    }

    /// An order that is resting or parked.
    pub(crate) fn open_order(&self, order_id: OrderId) -> Option<Order> {
        let resting = self.find(order_id).map(|slot| *self.order(slot));
        resting.or_else(|| self.parked.get(order_id).map(|parked| parked.order))
    }
}
