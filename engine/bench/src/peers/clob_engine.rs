//! clob-engine: tells how many orders a match touched, not which.

use clob_engine::order_book::types::{CancelOutcome, OrderType};
use clob_engine::{EngineNewOrder, MatchingEngine};

use super::adapter::{Book, Room, ready};
use super::ids::Table;
use crate::contestant::{Entrant, Pace};
use crate::message::{Kind, Message, Side};
use crate::report::{Answer, Report};

const SECURITY: u32 = 1;

pub(super) fn peer() -> Entrant {
    Entrant {
        name: "clob-engine 0.4.8",
        ready: ready::<ClobEngine>,
        pace: Pace::Slow,
        departs: Some("does not report its trades, and forgets no order that has traded"),
    }
}

struct ClobEngine {
    book: MatchingEngine,
    prices: Table<i64>,
}

impl Book for ClobEngine {
    fn empty(room: Room) -> Self {
        Self { book: MatchingEngine::new(), prices: Table::up_to(room.highest_id) }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message);
            }
            Kind::Cancel if self.cancel(message) => {
                reports.push(Report::cancelled(message, self.prices.get(message.order_id)));
            }
            Kind::Cancel => reports.push(Report::to(message, Answer::CancelRejected)),
            // Its own modification enters the old quantity again.
            Kind::Modify if self.cancel(message) => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message);
            }
            Kind::Modify => reports.push(Report::to(message, Answer::ModifyRejected)),
        }
    }
}

impl ClobEngine {
    fn enter(&mut self, message: &Message) {
        let price = u32::try_from(message.price).expect("the workload's prices are small");
        self.prices.set(message.order_id, message.price);
        // It fails on books that its own cancellations have spoilt; the rate is all that is left to measure.
        let _ = self.book.match_order(EngineNewOrder {
            engine_order_id: message.order_id,
            price: Some(price),
            initial_quantity: message.quantity,
            current_quantity: message.quantity,
            is_buy_side: message.side == Side::Buy,
            security_id: SECURITY,
            order_type: if message.immediate {
                OrderType::ImmediateOrCancel(price)
            } else {
                OrderType::GoodTillCancel
            },
        });
    }

    /// Whether the order rested.
    fn cancel(&mut self, message: &Message) -> bool {
        let outcome = self.book.cancel(message.order_id, SECURITY, message.side == Side::Buy);
        matches!(outcome, Ok(CancelOutcome::Success(_)))
    }
}
