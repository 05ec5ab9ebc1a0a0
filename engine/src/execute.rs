//! Dispatch of commands, and the short ones: cancel, mass cancel, time. New orders are in `enter`,
//! amendments in `amend`, phases in `auction`.
//!
//! A refusal is an event. Every command is checked in the same order: identity (unknown, duplicate,
//! owner), field values, phase, effect on the book.

use crate::book::{Book, Step};
use crate::command::{Action, Command};
use crate::event::{Event, EventKind};
use crate::types::{AccountId, Lots, OrderId, Reason, Side};

impl Book {
    /// Executes one command; its encoded events are appended to `events`.
    #[inline(always)]
    pub(crate) fn execute(&mut self, command: &Command, events: &mut Vec<u8>) {
        let time = self.state.last_time.max(command.time);
        self.state.last_time = time;
        let step = &mut Step { command_id: command.command_id, time, events };
        if time >= self.expiries.next {
            self.expire_due(step);
            self.settle(step);
        }
        match &command.action {
            Action::New(new) => self.enter(new, step),
            Action::NewWithTerms(new, terms) => self.enter_with_terms(new, terms, step),
            &Action::Cancel { order_id, account, reason } => self.cancel(order_id, account, reason, step),
            Action::Refuse(new, terms, reason) => self.refuse(*new, terms, *reason, step),
            Action::Amend(amendment) => self.amend(amendment, step),
            Action::RefuseAmend(amendment, reason) => self.refuse_amend(amendment, *reason, step),
            Action::Phase(change) => self.change_phase(change, step),
            Action::Time => self.emit(step, Event::of(EventKind::Time, Reason::None)),
            &Action::MassCancel { account, side, reason } => self.mass_cancel(account, side, reason, step),
        }
        if self.is_restless() {
            self.settle(step);
        }
    }

    #[inline(always)]
    fn cancel(&mut self, order_id: OrderId, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        match self.index.find(order_id, &self.orders) {
            Some((place, slot)) if self.order(slot).may_be_changed_by(account) => {
                self.index.remove_at(place, &self.orders);
                self.end_unindexed(slot, reason, step);
            }
            _ => self.cancel_other(order_id, account, reason, step),
        }
    }

    /// Cancels what does not rest, or refuses.
    #[cold]
    fn cancel_other(&mut self, order_id: OrderId, account: AccountId, reason: Reason, step: &mut Step<'_>) {
        match self.owned(order_id, account) {
            Ok(_) => self.end(order_id, reason, step),
            Err(refusal) => {
                let refused = Event { order_id, account, ..Event::of(EventKind::CancelRejected, refusal) };
                self.emit_refusal(step, refused);
            }
        }
    }

    fn mass_cancel(&mut self, account: AccountId, side: Option<Side>, reason: Reason, step: &mut Step<'_>) {
        let reason = reason.or(Reason::MassCancel);
        let chosen = self.by_priority(|order| {
            (account.0 == 0 || account == order.account) && side.is_none_or(|side| side == order.side)
        });
        let count = i64::try_from(chosen.len()).unwrap_or(i64::MAX);
        let announced = Event::of(EventKind::MassCancelled, reason);
        self.emit(step, Event { account, side, quantity: Lots(count), ..announced });
        self.end_all(chosen, reason, step);
    }

    /// Ends these orders; those that depend on them hear of it later.
    pub(crate) fn end_all(&mut self, chosen: Vec<OrderId>, reason: Reason, step: &mut Step<'_>) {
        for order_id in chosen {
            self.end(order_id, reason, step);
        }
    }

    /// Records that a cancellation or amendment was refused, and how the order stands, if it is open.
    pub(crate) fn emit_refusal(&mut self, step: &mut Step<'_>, refused: Event) {
        let refused = self.open_order(refused.order_id).map_or(refused, |order| Event {
            side: Some(order.side),
            leaves: order.leaves,
            ..refused
        });
        self.emit(step, refused);
    }
}
