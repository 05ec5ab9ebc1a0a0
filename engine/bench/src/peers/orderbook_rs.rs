//! OrderBook-rs: made for many threads. Immediate orders are its own; a modification is a cancellation and a
//! new order.

use orderbook_rs::{Id, OrderBook, OrderType, Side, TimeInForce, TradeResult};
use pricelevel::{Hash32, Price, Quantity, TimestampMs};

use super::adapter::{Book, Room, ready};
use super::ids::{lots, unsigned};
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant { name: "orderbook-rs 0.15.3", ready: ready::<OrderBookRs>, pace: Pace::Slow, departs: None }
}

struct OrderBookRs {
    book: OrderBook<()>,
}

impl Book for OrderBookRs {
    fn empty(_: Room) -> Self {
        Self { book: OrderBook::new("BENCH") }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message, reports);
            }
            Kind::Cancel => {
                let price = self.cancel(message.order_id);
                reports.push(match price {
                    Some(price) => Report::cancelled(message, price),
                    None => Report::to(message, Answer::CancelRejected),
                });
            }
            Kind::Modify if self.cancel(message.order_id).is_some() => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message, reports);
            }
            Kind::Modify => reports.push(Report::to(message, Answer::ModifyRejected)),
        }
    }
}

impl OrderBookRs {
    fn enter(&self, message: &Message, reports: &mut Vec<Report>) {
        let order = OrderType::Standard {
            id: Id::Sequential(message.order_id),
            price: Price::new(unsigned(message.price).into()),
            quantity: Quantity::new(message.quantity.into()),
            side: match message.side {
                message::Side::Buy => Side::Buy,
                message::Side::Sell => Side::Sell,
            },
            user_id: Hash32::zero(),
            timestamp: TimestampMs::new(message.seq),
            time_in_force: if message.immediate { TimeInForce::Ioc } else { TimeInForce::Gtc },
            extra_fields: (),
        };
        match self.book.add_order_with_committed(order) {
            Ok((_, traded)) => trades(message, traded.as_ref(), reports),
            // What an immediate order leaves is an error to it; what has traded before stands.
            Err(failure) => {
                trades(message, failure.committed.as_deref(), reports);
                reports.push(Report::cancelled(message, message.price));
            }
        }
    }

    /// The price at which the order rested.
    fn cancel(&self, order_id: u64) -> Option<i64> {
        let order = self.book.cancel_order(Id::Sequential(order_id)).ok().flatten()?;
        i64::try_from(order.price().as_u128()).ok()
    }
}

fn trades(message: &Message, traded: Option<&TradeResult>, reports: &mut Vec<Report>) {
    let Some(result) = traded else { return };
    reports.extend(result.match_result.trades().as_vec().iter().map(|trade| {
        let price = i64::try_from(trade.price().as_u128()).expect("the workload's prices are small");
        let maker = trade.maker_order_id().as_u64().expect("it got our ids");
        Report::trade(message, price, lots(trade.quantity().as_u64()), maker)
    }));
}
