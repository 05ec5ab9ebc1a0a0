//! `rust_ob`: knows limit and market orders and cancellations; numbers are decimals.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use rust_ob::{OrderBook, Side};

use super::adapter::{Book, Room, ready};
use super::ids::Table;
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant { name: "rust_ob 2.5.3", ready: ready::<RustOb>, pace: Pace::Fast, departs: None }
}

struct RustOb {
    book: OrderBook<u64>,
    prices: Table<i64>,
}

impl Book for RustOb {
    fn empty(room: Room) -> Self {
        Self { book: OrderBook::new(), prices: Table::up_to(room.highest_id) }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message, reports);
                if message.immediate && self.book.cancel_order(message.order_id).is_ok() {
                    reports.push(Report::cancelled(message, message.price));
                }
            }
            Kind::Cancel if self.book.cancel_order(message.order_id).is_ok() => {
                reports.push(Report::cancelled(message, self.prices.get(message.order_id)));
            }
            Kind::Cancel => reports.push(Report::to(message, Answer::CancelRejected)),
            Kind::Modify if self.book.cancel_order(message.order_id).is_ok() => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message, reports);
            }
            Kind::Modify => reports.push(Report::to(message, Answer::ModifyRejected)),
        }
    }
}

impl RustOb {
    fn enter(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let side = match message.side {
            message::Side::Buy => Side::Buy,
            message::Side::Sell => Side::Sell,
        };
        let (price, quantity) = (Decimal::from(message.price), Decimal::from(message.quantity));
        self.prices.set(message.order_id, message.price);
        let matches = self
            .book
            .process_limit_order(message.order_id, side, price, quantity)
            .expect("the order is new and has a quantity");
        // The last match is the taker's own; of the makers it tells the cost, not the price.
        let makers = matches.iter().filter(|matched| matched.order != message.order_id);
        reports.extend(makers.map(|maker| {
            let quantity = maker.quantity.to_u32().expect("the workload's quantities are small");
            Report::trade(message, self.prices.get(maker.order), quantity, maker.order)
        }));
    }
}
