//! Amendments: less at the same price keeps its place; anything else takes a new one, as a taker first.

use crate::book::{Book, Step};
use crate::command::Amendment;
use crate::event::{Event, EventKind};
use crate::matching::Stop;
use crate::orders::Order;
use crate::types::{Lots, Reason};

impl Book {
    pub(crate) fn amend(&mut self, asked: &Amendment, step: &mut Step<'_>) {
        match self.amended(asked) {
            Ok((slot, order)) => self.replace(slot, order, step),
            Err(reason) => {
                let &Amendment { order_id, account, price, quantity } = asked;
                let refused = Event::of(EventKind::AmendRejected, reason);
                self.emit_refusal(step, Event { order_id, account, price, quantity, ..refused });
            }
        }
    }

    /// The order as it would be with its new price and total, or why it may not be.
    fn amended(&self, asked: &Amendment) -> Result<(u32, Order), Reason> {
        let slot = self.owned(asked.order_id, asked.account)?;
        let order = *self.order(slot);
        if asked.price.0 < 0 || asked.quantity < Lots::ZERO {
            return Err(Reason::Invalid);
        }
        let price = if asked.price.0 == 0 { order.price } else { asked.price };
        let leaves = if asked.quantity.is_zero() { order.leaves } else { asked.quantity - order.executed };
        if !self.fits(&order, order.leaves, leaves) {
            return Err(Reason::Invalid);
        }
        if self.state.halted {
            return Err(Reason::Halted);
        }
        if leaves <= Lots::ZERO {
            return Err(Reason::BelowExecuted);
        }
        if price == order.price && leaves == order.leaves {
            return Err(Reason::NoChange);
        }
        if order.post_only && self.would_take(&order, price) {
            return Err(Reason::WouldTake);
        }
        Ok((slot, Order { price, leaves, ..order }))
    }

    fn replace(&mut self, slot: u32, mut order: Order, step: &mut Step<'_>) {
        let before = *self.order(slot);
        let keeps_place = order.price == before.price && order.leaves < before.leaves;
        if keeps_place {
            self.shrink(slot, Lots::ZERO, before.leaves - order.leaves);
        } else {
            self.remove(slot);
            order.priority = self.next_seq();
            order.time = step.time;
        }
        let amended = Event {
            quantity: order.leaves + order.executed,
            priority: order.priority,
            flags: if keeps_place { Event::KEPT_PLACE } else { 0 },
            ..Event::about(&order, EventKind::Amended, Reason::None)
        };
        self.emit(step, amended);
        if keeps_place {
            return;
        }
        let first = step.events.len();
        let limit = Some(order.price);
        if self.take(&mut order, limit, step) != Stop::Done {
            self.rest_after_taking(order, first, step);
        }
    }
}
