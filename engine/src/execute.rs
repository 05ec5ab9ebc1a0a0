//! Dispatch of commands, and the short ones: cancel, halt, resume. New orders are in `enter`,
//! amendments in `amend`.
//!
//! A refusal is an event. Every command is checked in the same order: identity (unknown, duplicate,
//! owner), field values, market state, effect on the book.

use crate::book::{Book, Step};
use crate::command::{Action, Command};
use crate::event::{Event, EventKind};
use crate::orders::Order;
use crate::types::{AccountId, Lots, OrderId, Reason, Ticks};

impl Book {
    /// Executes one command; its events are appended to `events`.
    pub(crate) fn execute(&mut self, command: &Command, events: &mut Vec<Event>) {
        let time = self.state.last_time.max(command.time);
        self.state.last_time = time;
        let step = &mut Step { command_id: command.command_id, time, events };
        match command.action {
            Action::New(ref order) => self.enter(order, step),
            Action::Cancel { order_id, account, reason } => self.cancel(order_id, account, reason, step),
            Action::Amend(ref amendment) => self.amend(amendment, step),
            Action::Halt { account, reason, cancel_resting } => {
                self.halt(account, reason, cancel_resting, step);
            }
            Action::Resume { account, reason } => self.resume(account, reason, step),
        }
    }

    fn cancel(&mut self, order_id: OrderId, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        match self.owned(order_id, account) {
            Ok(slot) => {
                let order = self.remove(slot);
                self.emit(step, Event::cancelled(&order, order.leaves, reason));
            }
            Err(refusal) => {
                let refused = Event { order_id, account, ..Event::of(EventKind::CancelRejected, refusal) };
                self.emit_refusal(step, refused);
            }
        }
    }

    /// Halting a halted book is no mistake: the new reason stands, and what still rests may be cancelled.
    fn halt(&mut self, account: AccountId, reason: Reason, cancel_resting: bool, step: &mut Step<'_>) {
        let already = std::mem::replace(&mut self.state.halted, true);
        let reason = if already { reason.or(Reason::AlreadyHalted) } else { reason };
        self.emit(step, Event { account, ..Event::of(EventKind::Halted, reason) });
        if cancel_resting {
            for slot in self.slots_by_priority() {
                let order = self.remove(slot);
                self.emit(step, Event::cancelled(&order, order.leaves, Reason::HaltCancel));
            }
        }
    }

    fn resume(&mut self, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        let was_halted = std::mem::replace(&mut self.state.halted, false);
        let reason = if was_halted { reason } else { reason.or(Reason::NotHalted) };
        self.emit(step, Event { account, ..Event::of(EventKind::Resumed, reason) });
    }

    /// The slot of an order that `account` may change; account zero, the operator, may change any.
    pub(crate) fn owned(&self, order_id: OrderId, account: AccountId) -> Result<u32, Reason> {
        let slot = self.find(order_id).ok_or(Reason::UnknownOrder)?;
        let allowed = account.0 == 0 || account == self.order(slot).account;
        allowed.then_some(slot).ok_or(Reason::NotOwner)
    }

    /// Records that a cancellation or amendment was refused, and how the order stands, if it rests.
    pub(crate) fn emit_refusal(&mut self, step: &mut Step<'_>, refused: Event) {
        let resting = self.find(refused.order_id).map(|slot| *self.order(slot));
        let refused = resting.map_or(refused, |order| Event {
            side: Some(order.side),
            flags: Event::RESTS,
            leaves: order.leaves,
            ..refused
        });
        self.emit(step, refused);
    }

    /// Rests what taking left over, and says so on the taker's events since `first`.
    pub(crate) fn rest_after_taking(&mut self, order: Order, first: usize, step: &mut Step<'_>) {
        self.rest(order);
        for event in &mut step.events[first..] {
            if event.order_id == order.order_id {
                event.flags |= Event::RESTS;
            }
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
