//! lobster: knows limit and market orders and cancellations. It does not tell whether there was anything to
//! cancel, so the adapter remembers what rests.

use lobster::{FillMetadata, OrderBook, OrderEvent, OrderType, Side};

use super::adapter::{Book, Room, ready};
use super::ids::{Table, lots, unsigned};
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

/// Orders it is given room for at once; more than any scenario rests.
const ORDERS: usize = 50_000;
/// Orders of one price it is given room for at once.
const QUEUE: usize = 16;

pub(super) fn peer() -> Entrant {
    Entrant { name: "lobster 0.7.0", ready: ready::<Lobster>, pace: Pace::VerySlow, departs: None }
}

struct Lobster {
    book: OrderBook,
    /// Prices of what rests; zero for what does not.
    resting: Table<i64>,
}

impl Book for Lobster {
    fn empty(room: Room) -> Self {
        Self { book: OrderBook::new(ORDERS, QUEUE, false), resting: Table::up_to(room.highest_id) }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message, reports);
                if message.immediate && self.cancel(message.order_id) != 0 {
                    reports.push(Report::cancelled(message, message.price));
                }
            }
            Kind::Cancel => reports.push(match self.cancel(message.order_id) {
                0 => Report::to(message, Answer::CancelRejected),
                price => Report::cancelled(message, price),
            }),
            Kind::Modify if self.cancel(message.order_id) == 0 => {
                reports.push(Report::to(message, Answer::ModifyRejected));
            }
            Kind::Modify => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message, reports);
            }
        }
    }
}

impl Lobster {
    fn enter(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let side = match message.side {
            message::Side::Buy => Side::Bid,
            message::Side::Sell => Side::Ask,
        };
        let event = self.book.execute(OrderType::Limit {
            id: message.order_id.into(),
            side,
            qty: message.quantity.into(),
            price: unsigned(message.price),
        });
        let (rests, fills) = match event {
            OrderEvent::Filled { fills, .. } => (false, fills),
            OrderEvent::PartiallyFilled { fills, .. } => (true, fills),
            _ => (true, vec![]),
        };
        if rests {
            self.resting.set(message.order_id, message.price);
        }
        for FillMetadata { order_2, qty, price, total_fill, .. } in fills {
            let maker = u64::try_from(order_2).expect("it got our ids");
            if total_fill {
                self.resting.set(maker, 0);
            }
            reports.push(Report::trade(message, price.cast_signed(), lots(qty), maker));
        }
    }

    /// The price at which the order rested, or zero.
    fn cancel(&mut self, order_id: u64) -> i64 {
        let price = self.resting.take(order_id);
        if price != 0 {
            self.book.execute(OrderType::Cancel { id: order_id.into() });
        }
        price
    }
}
