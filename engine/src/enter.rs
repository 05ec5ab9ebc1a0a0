//! New orders: accepted or rejected whole, then matched, then rested or cancelled.

use crate::book::{Book, Step};
use crate::command::NewOrder;
use crate::event::{Event, EventKind};
use crate::matching::Stop;
use crate::orders::Order;
use crate::types::{Lots, OrderType, Reason, Ticks, TimeInForce};

impl Book {
    pub(crate) fn enter(&mut self, new: &NewOrder, step: &mut Step<'_>) {
        let order = Order {
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
        match self.refusal(new, &order) {
            None => self.accept(new, order, step),
            Some(reason) => {
                let rests = if reason == Reason::DuplicateOrder { Event::RESTS } else { 0 };
                let rejected = Event::about(&order, EventKind::Rejected, reason);
                self.emit(
                    step,
                    Event { flags: rests, quantity: new.quantity, leaves: Lots::ZERO, ..rejected },
                );
            }
        }
    }

    /// Why a new order may not enter, if so.
    fn refusal(&self, new: &NewOrder, order: &Order) -> Option<Reason> {
        if self.find(new.order_id).is_some() {
            return Some(Reason::DuplicateOrder);
        }
        if !valid(new) || !self.fits(order, Lots::ZERO, new.quantity) {
            return Some(Reason::Invalid);
        }
        if self.state.halted {
            return Some(Reason::Halted);
        }
        if new.post_only && self.would_take(order, new.price) {
            return Some(Reason::WouldTake);
        }
        let kill = new.tif == TimeInForce::Fok && !self.can_fill(order, limit(new));
        kill.then_some(Reason::FokUnfillable)
    }

    fn accept(&mut self, new: &NewOrder, mut order: Order, step: &mut Step<'_>) {
        let accepted = Event::about(&order, EventKind::Accepted, Reason::None);
        self.emit(step, Event { quantity: new.quantity, priority: order.priority, ..accepted });
        let first = step.events.len();
        let outcome = self.take(&mut order, limit(new), step);
        let leftover = match (outcome, new.order_type, new.tif) {
            (Stop::Done, ..) => return,
            (_, OrderType::Limit, TimeInForce::Gtc) => return self.rest_after_taking(order, first, step),
            (_, OrderType::Limit, _) => Reason::IocRemainder,
            (Stop::NoLiquidity, OrderType::Market, _) => Reason::NoLiquidity,
            (Stop::PriceLimit, OrderType::Market, _) => Reason::PriceProtection,
        };
        self.emit(step, Event::cancelled(&order, order.leaves, leftover));
    }
}

/// The worst price the order may trade at; none for a market order without protection.
fn limit(new: &NewOrder) -> Option<Ticks> {
    let unprotected = new.order_type == OrderType::Market && new.price.0 == 0;
    (!unprotected).then_some(new.price)
}

fn valid(new: &NewOrder) -> bool {
    let priced = limit(new).is_none_or(|price| price.0 > 0);
    let may_rest = new.order_type == OrderType::Limit && new.tif == TimeInForce::Gtc;
    priced && new.quantity > Lots::ZERO && (may_rest || !new.post_only)
}
