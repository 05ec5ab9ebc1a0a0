//! rust-order-book: gives ids of its own, a new one for each modification; immediate orders are its own.

use rust_order_book::{OrderBook, OrderBookOptions, OrderId, OrderStatus, Side, TimeInForce};

use super::adapter::{Book, Room, ready};
use super::ids::{Names, Table, lots, unsigned};
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant {
        name: "rust-order-book 0.0.2",
        ready: ready::<RustOrderBook>,
        pace: Pace::Slow,
        departs: Some("does not report its trades"),
    }
}

struct RustOrderBook {
    book: OrderBook,
    names: Names,
    prices: Table<i64>,
}

impl Book for RustOrderBook {
    fn empty(room: Room) -> Self {
        Self {
            book: OrderBook::new("BENCH", OrderBookOptions::default()),
            names: Names::new(room.highest_id, room.messages),
            prices: Table::up_to(room.highest_id),
        }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let known = self.names.theirs(message.order_id);
        let (price, quantity) = (unsigned(message.price), u64::from(message.quantity));
        let (answer, result) = match message.kind {
            Kind::New => {
                let side = match message.side {
                    message::Side::Buy => Side::Buy,
                    message::Side::Sell => Side::Sell,
                };
                let lifetime = if message.immediate { TimeInForce::IOC } else { TimeInForce::GTC };
                let result = self.book.limit_raw(side, quantity, price, Some(lifetime), None);
                (Answer::Accepted, result.ok())
            }
            Kind::Cancel => {
                let cancelled = known.and_then(|id| self.book.cancel(OrderId(id)).ok());
                reports.push(match cancelled {
                    Some(_) => Report::cancelled(message, self.prices.get(message.order_id)),
                    None => Report::to(message, Answer::CancelRejected),
                });
                return;
            }
            Kind::Modify => {
                let result = known.and_then(|id| self.book.modify_raw(id, Some(price), Some(quantity)).ok());
                (Answer::Modified, result)
            }
        };
        let Some(result) = result else {
            reports.push(Report::to(message, Answer::ModifyRejected));
            return;
        };
        self.names.pair(message.order_id, result.order_id.0);
        self.prices.set(message.order_id, message.price);
        reports.push(Report::to(message, answer));
        reports.extend(result.fills.iter().map(|fill| {
            let maker = self.names.ours(fill.order_id.0);
            Report::trade(message, fill.price.0.cast_signed(), lots(fill.quantity.0), maker)
        }));
        if result.status == OrderStatus::Canceled {
            reports.push(Report::cancelled(message, message.price));
        }
    }
}
