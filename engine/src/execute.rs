//! The rules of each command. Every refusal here is an event; checks run in the order: identity
//! (unknown, duplicate, owner), field values, market state, effect on the book.

use crate::book::{Book, Step};
use crate::command::{Action, Command, NewOrder};
use crate::event::{Event, EventKind};
use crate::matching::{Stop, crosses};
use crate::orders::Order;
use crate::types::{AccountId, Lots, OrderId, OrderType, Reason, Ticks, TimeInForce};

impl Book {
    /// Executes one command; its events are appended to `events`.
    pub(crate) fn execute(&mut self, command: &Command, events: &mut Vec<Event>) {
        let time = self.state.last_time.max(command.time);
        self.state.last_time = time;
        let step = &mut Step { command_id: command.command_id, time, events };
        match command.action {
            Action::New(ref order) => self.enter(order, step),
            Action::Cancel { order_id, account, reason } => self.cancel(order_id, account, reason, step),
            Action::Amend { order_id, account, price, quantity } => {
                self.amend(order_id, account, price, quantity, step);
            }
            Action::Halt { account, reason, cancel_resting } => {
                self.halt(account, reason, cancel_resting, step)
            }
            Action::Resume { account, reason } => self.resume(account, reason, step),
        }
    }

    fn enter(&mut self, new: &NewOrder, step: &mut Step<'_>) {
        let mut order = Order {
            order_id: new.order_id,
            account: new.account,
            stp_group: new.stp_group,
            side: new.side,
            post_only: new.post_only,
            stp: new.stp,
            price: new.price,
            leaves: new.quantity,
            executed: Lots::ZERO,
            priority: self.next_seq(),
            time: step.time,
        };
        let limit = match new.order_type {
            OrderType::Market if new.price.0 == 0 => None,
            OrderType::Limit | OrderType::Market => Some(new.price),
        };
        if let Some(reason) = self.refusal(new, &order, limit) {
            let flags = if self.find(order.order_id).is_some() { Event::RESTS } else { 0 };
            let rejected = Event::about(&order, EventKind::Rejected, reason);
            self.emit(step, Event { flags, quantity: new.quantity, leaves: Lots::ZERO, ..rejected });
            return;
        }
        let accepted = Event::about(&order, EventKind::Accepted, Reason::None);
        self.emit(step, Event { quantity: new.quantity, priority: order.priority, ..accepted });
        let first = step.events.len();
        let stop = self.take(&mut order, limit, step);
        let leftover = match (stop, new.order_type, new.tif) {
            (Stop::Done, ..) => return,
            (_, OrderType::Limit, TimeInForce::Gtc) => return self.rest_after_taking(order, first, step),
            (Stop::NoLiquidity, OrderType::Market, _) => Reason::NoLiquidity,
            (Stop::PriceLimit, OrderType::Market, _) => Reason::PriceProtection,
            (_, OrderType::Limit, _) => Reason::IocRemainder,
        };
        self.emit(step, Event::cancelled(&order, order.leaves, leftover));
    }

    /// Why a new order may not enter, if so.
    fn refusal(&self, new: &NewOrder, order: &Order, limit: Option<Ticks>) -> Option<Reason> {
        if self.find(new.order_id).is_some() {
            return Some(Reason::DuplicateOrder);
        }
        let priced = limit.is_none_or(|price| price.0 > 0);
        let passive = new.order_type == OrderType::Limit && new.tif == TimeInForce::Gtc;
        if !priced
            || (new.post_only && !passive)
            || new.quantity.0 <= 0
            || !self.fits(order, Lots::ZERO, new.quantity)
        {
            return Some(Reason::Invalid);
        }
        if self.state.halted {
            return Some(Reason::Halted);
        }
        if new.post_only && self.would_take(order, new.price) {
            return Some(Reason::WouldTake);
        }
        (new.tif == TimeInForce::Fok && !self.can_fill(order, limit)).then_some(Reason::FokUnfillable)
    }

    fn cancel(&mut self, order_id: OrderId, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        match self.owned(order_id, account) {
            Ok(slot) => {
                let order = self.remove(slot);
                self.emit(step, Event::cancelled(&order, order.leaves, reason));
            }
            Err(refusal) => self.refuse(
                EventKind::CancelRejected,
                refusal,
                order_id,
                account,
                (Ticks(0), Lots::ZERO),
                step,
            ),
        }
    }

    fn amend(
        &mut self,
        order_id: OrderId,
        account: AccountId,
        price: Ticks,
        quantity: Lots,
        step: &mut Step<'_>,
    ) {
        match self.amendment(order_id, account, price, quantity) {
            Ok((slot, amended)) => self.apply_amendment(slot, amended, step),
            Err(refusal) => {
                self.refuse(EventKind::AmendRejected, refusal, order_id, account, (price, quantity), step)
            }
        }
    }

    /// The order as it would be after an amendment, or why it may not be.
    fn amendment(
        &self,
        order_id: OrderId,
        account: AccountId,
        price: Ticks,
        quantity: Lots,
    ) -> Result<(u32, Order), Reason> {
        let slot = self.owned(order_id, account)?;
        let order = *self.order(slot);
        let total = if quantity.is_zero() { order.leaves + order.executed } else { quantity };
        let leaves = total - order.executed;
        if price.0 < 0 || quantity.0 < 0 || !self.fits(&order, order.leaves, leaves) {
            return Err(Reason::Invalid);
        }
        if self.state.halted {
            return Err(Reason::Halted);
        }
        if leaves <= Lots::ZERO {
            return Err(Reason::BelowExecuted);
        }
        let price = if price.0 == 0 { order.price } else { price };
        if price == order.price && leaves == order.leaves {
            return Err(Reason::NoChange);
        }
        if order.post_only && self.would_take(&order, price) {
            return Err(Reason::WouldTake);
        }
        Ok((slot, Order { price, leaves, ..order }))
    }

    /// Less at the same price keeps its place; anything else goes to the end of the queue, as a taker first.
    fn apply_amendment(&mut self, slot: u32, mut amended: Order, step: &mut Step<'_>) {
        let before = *self.order(slot);
        let keeps_place = amended.price == before.price && amended.leaves < before.leaves;
        if !keeps_place {
            amended.priority = self.next_seq();
            amended.time = step.time;
        }
        let event = Event {
            quantity: amended.leaves + amended.executed,
            priority: amended.priority,
            flags: if keeps_place { Event::KEPT_PLACE } else { 0 },
            ..Event::about(&amended, EventKind::Amended, Reason::None)
        };
        self.emit(step, event);
        if keeps_place {
            self.shrink(slot, Lots::ZERO, before.leaves - amended.leaves);
            return;
        }
        self.remove(slot);
        let first = step.events.len();
        let limit = Some(amended.price);
        if self.take(&mut amended, limit, step) != Stop::Done {
            self.rest_after_taking(amended, first, step);
        }
    }

    fn halt(&mut self, account: AccountId, reason: Reason, cancel_resting: bool, step: &mut Step<'_>) {
        if self.state.halted {
            let rejected = Event::of(EventKind::Rejected, Reason::AlreadyHalted);
            return self.emit(step, Event { account, ..rejected });
        }
        self.state.halted = true;
        self.emit(step, Event { account, ..Event::of(EventKind::Halted, reason) });
        if cancel_resting {
            for order in self.open_orders() {
                if let Some(slot) = self.find(order.order_id) {
                    self.remove(slot);
                }
                self.emit(step, Event::cancelled(&order, order.leaves, Reason::HaltCancel));
            }
        }
    }

    fn resume(&mut self, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        let event = if self.state.halted {
            Event::of(EventKind::Resumed, reason)
        } else {
            Event::of(EventKind::Rejected, Reason::NotHalted)
        };
        self.state.halted = false;
        self.emit(step, Event { account, ..event });
    }

    /// Rests what taking left over, and says so on the events of the taker since `first`.
    fn rest_after_taking(&mut self, order: Order, first: usize, step: &mut Step<'_>) {
        self.rest(order);
        for event in &mut step.events[first..] {
            if event.order_id == order.order_id {
                event.flags |= Event::RESTS;
            }
        }
    }

    fn refuse(
        &mut self,
        kind: EventKind,
        reason: Reason,
        order_id: OrderId,
        account: AccountId,
        (price, quantity): (Ticks, Lots),
        step: &mut Step<'_>,
    ) {
        let (side, leaves, flags) = self.find(order_id).map_or((None, Lots::ZERO, 0), |slot| {
            let order = self.order(slot);
            (Some(order.side), order.leaves, Event::RESTS)
        });
        self.emit(
            step,
            Event { order_id, account, price, quantity, side, leaves, flags, ..Event::of(kind, reason) },
        );
    }

    /// The slot of an order that `account` may change; account zero, the operator, may change any.
    fn owned(&self, order_id: OrderId, account: AccountId) -> Result<u32, Reason> {
        let slot = self.find(order_id).ok_or(Reason::UnknownOrder)?;
        let allowed = account.0 == 0 || account == self.order(slot).account;
        allowed.then_some(slot).ok_or(Reason::NotOwner)
    }

    /// Whether the side's open lots still fit in 64 bits with `new` open lots of the order in place of `old`.
    fn fits(&self, order: &Order, old: Lots, new: Lots) -> bool {
        let others = self.ladder(order.side).total - old;
        others.0.checked_add(new.0).is_some()
    }

    fn would_take(&self, order: &Order, price: Ticks) -> bool {
        let touch = self.ladder(order.side.opposite()).best_price();
        touch.is_some_and(|touch| crosses(order.side, Some(price), touch))
    }
}
