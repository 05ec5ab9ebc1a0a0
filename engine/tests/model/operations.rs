//! Cancel, amend, mass cancel, phase.

use super::enter::MAX_SLICES;
use super::wire::{Command, Event, command_flag, event_flag, phase, place, reason, said, tif, trigger};
use super::{Model, Order, opposite};

impl Model {
    fn owned(&self, command: &Command) -> Result<&Order, u8> {
        let order = self.find(command.order_id).ok_or(reason::UNKNOWN_ORDER)?;
        let allowed = command.account == 0 || command.account == order.account;
        allowed.then_some(order).ok_or(reason::NOT_OWNER)
    }

    /// Says that a change was refused, and how the order stands if it is open.
    fn refuse(&mut self, command: &Command, kind: u8, reason: u8, price: i64, quantity: i64) {
        let (side, leaves) = self.find(command.order_id).map_or((0, 0), |order| (order.side, order.leaves));
        let (order_id, account) = (command.order_id, command.account);
        self.emit(Event {
            kind,
            reason,
            side,
            order_id,
            account,
            price,
            quantity,
            leaves,
            ..Event::default()
        });
    }

    pub(super) fn cancel(&mut self, command: &Command) {
        match self.owned(command).map(|order| order.id) {
            Ok(id) => self.end(id, command.reason),
            Err(why) => self.refuse(command, said::CANCEL_REJECTED, why, 0, 0),
        }
    }

    pub(super) fn amend(&mut self, command: &Command) {
        let (old, new) = match self.amended(command) {
            Ok(both) => both,
            Err(why) => {
                return self.refuse(command, said::AMEND_REJECTED, why, command.price, command.quantity);
            }
        };
        let keeps_place = old.is_parked() || (new.price == old.price && new.leaves < old.leaves);
        let mut order = Order { shown: new.shown.min(new.leaves), ..new };
        self.remove(order.id);
        if !keeps_place {
            order.priority = self.next_seq();
        }
        let amended = order.event(said::AMENDED, reason::NONE);
        self.emit(Event {
            quantity: order.leaves + order.executed,
            priority: order.priority,
            flags: if keeps_place { event_flag::KEPT_PLACE } else { 0 },
            ..amended
        });
        if !keeps_place {
            return self.go_live(order);
        }
        let id = order.id;
        let armed = order.place == place::ARMED;
        let new_trigger = order.terms.trigger_price != old.terms.trigger_price;
        self.orders.push(order);
        if new_trigger {
            self.say_trailed(id);
        }
        if armed {
            self.newly_armed.push(id);
        }
    }

    /// The order as it is and as it is to be, or why not.
    fn amended(&self, command: &Command) -> Result<(Order, Order), u8> {
        let old = self.owned(command)?;
        let Command { price, quantity, group: trigger, .. } = *command;
        let mut new = old.clone();
        if price != 0 {
            new.price = price;
        }
        if quantity != 0 {
            // A new total far below zero is refused before its lots count.
            new.leaves = quantity.saturating_sub(old.executed);
        }
        if trigger != 0 {
            new.terms.trigger_price = trigger;
        }
        let no_trigger = old.terms.trigger == trigger::NONE || old.is_trailing();
        let others: i128 = self.resting(old.side).map(|order| i128::from(order.leaves)).sum();
        let side = others - i128::from(old.leaves) + i128::from(new.leaves);
        let too_many_slices =
            old.is_iceberg() && i128::from(new.leaves) > i128::from(old.terms.display) * MAX_SLICES;
        let invalid = [
            price < 0 || quantity < 0 || trigger < 0,
            trigger != 0 && (!old.is_parked() || no_trigger),
            price != 0 && old.is_trailing(),
            quantity != 0 && old.is_attached(),
            !old.is_parked() && side > i128::from(i64::MAX),
            too_many_slices,
        ];
        if invalid.contains(&true) {
            return Err(reason::INVALID);
        }
        match self.phase {
            phase::HALTED => return Err(reason::HALTED),
            phase::CANCEL_ONLY | phase::CLOSED => return Err(reason::WRONG_PHASE),
            _ => {}
        }
        if quantity != 0 && new.leaves <= 0 {
            return Err(reason::BELOW_EXECUTED);
        }
        if new == *old {
            return Err(reason::NO_CHANGE);
        }
        let touch = self.first(opposite(old.side));
        let would_take = touch.is_some_and(|maker| new.reaches(maker.price));
        if old.post_only && !old.is_parked() && self.phase == phase::OPEN && would_take {
            return Err(reason::WOULD_TAKE);
        }
        Ok((old.clone(), new))
    }

    pub(super) fn mass_cancel(&mut self, command: &Command) {
        let Command { account, side, .. } = *command;
        let reason = if command.reason == reason::NONE { reason::MASS_CANCEL } else { command.reason };
        let ended = self.by_priority(|order| {
            (account == 0 || order.account == account) && (side == 0 || order.side == side)
        });
        let quantity = i64::try_from(ended.len()).expect("a list is not that long");
        self.emit(Event { kind: said::MASS_CANCELLED, reason, side, account, quantity, ..Event::default() });
        for id in ended {
            self.end(id, reason);
        }
    }

    pub(super) fn change_phase(&mut self, command: &Command) {
        let no_change = self.phase == command.phase && command.reason == reason::NONE;
        let reason = if no_change { reason::ALREADY_IN_PHASE } else { command.reason };
        self.phase = command.phase;
        let into_open = self.phase == phase::OPEN;
        let everything = command.flags & command_flag::CANCEL_RESTING != 0;
        let reference = if command.price == 0 { self.last_price } else { command.price };
        let auction = if into_open && !everything { self.auction(reference) } else { None };
        let (price, quantity, _) = auction.unwrap_or_default();
        let (account, flags) = (command.account, self.phase);
        self.emit(Event {
            kind: said::PHASE_CHANGED,
            reason,
            flags,
            account,
            price,
            quantity,
            ..Event::default()
        });
        let session_ends = self.phase == phase::CLOSED;
        let (ended, why) = match () {
            () if everything => (self.by_priority(|_| true), reason::HALT_CANCEL),
            () if session_ends => (self.by_priority(|order| order.tif == tif::DAY), reason::SESSION_END),
            () => (Vec::new(), reason::NONE),
        };
        for id in ended {
            self.end(id, why);
        }
        if into_open {
            self.uncross(command.price);
            if self.last_price != 0 {
                self.prices.push(self.last_price);
            }
        }
    }
}
