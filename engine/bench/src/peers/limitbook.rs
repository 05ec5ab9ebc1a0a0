//! limitbook: gives ids of its own; knows limit and market orders and cancellations; numbers are decimals.

use limitbook::{OrderBook, OrderSide};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::adapter::{Book, Room, ready};
use super::ids::{Names, Table};
use crate::contestant::{Entrant, Pace};
use crate::message::{Kind, Message, Side};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant {
        name: "limitbook 0.1.0",
        ready: ready::<Limitbook>,
        pace: Pace::Slow,
        departs: Some("a maker that trades in part keeps its whole quantity"),
    }
}

struct Limitbook {
    book: OrderBook,
    names: Names,
    prices: Table<i64>,
}

impl Book for Limitbook {
    fn empty(room: Room) -> Self {
        Self {
            book: OrderBook::new(Decimal::ONE).expect("a tick of one is positive"),
            names: Names::new(room.highest_id, room.messages),
            prices: Table::up_to(room.highest_id),
        }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message, reports);
                if message.immediate && self.cancel(message) {
                    reports.push(Report::cancelled(message, message.price));
                }
            }
            Kind::Cancel if self.cancel(message) => {
                reports.push(Report::cancelled(message, self.prices.get(message.order_id)));
            }
            Kind::Cancel => reports.push(Report::to(message, Answer::CancelRejected)),
            Kind::Modify if self.cancel(message) => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message, reports);
            }
            Kind::Modify => reports.push(Report::to(message, Answer::ModifyRejected)),
        }
    }
}

impl Limitbook {
    fn enter(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let side = match message.side {
            Side::Buy => OrderSide::Buy,
            Side::Sell => OrderSide::Sell,
        };
        let (price, quantity) = (Decimal::from(message.price), Decimal::from(message.quantity));
        let (id, fills) =
            self.book.add_limit_order(side, price, quantity).expect("price and quantity are positive");
        self.names.pair(message.order_id, id);
        self.prices.set(message.order_id, message.price);
        reports.extend(fills.iter().map(|fill| {
            let price = fill.price.to_i64().expect("the workload's prices are small");
            let quantity = fill.quantity.to_u32().expect("the workload's quantities are small");
            Report::trade(message, price, quantity, self.names.ours(fill.maker_order_id))
        }));
    }

    /// Whether the order rested.
    fn cancel(&mut self, message: &Message) -> bool {
        let known = self.names.theirs(message.order_id);
        known.is_some_and(|id| self.book.cancel_limit_order(id).is_ok())
    }
}
