//! obcore: an evaluator turns a request into instructions, which the book then applies. Immediate orders are
//! its own; a modification is a cancellation and a new order.

use obcore::{Evaluator, Instruction, Msg, Op, OrderBook, OrderInterface, TIF};

use super::adapter::{Book, Room, ready};
use super::ids::{Table, lots, unsigned};
use crate::contestant::{Entrant, Pace};
use crate::message::{Kind, Message, Side};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant { name: "obcore 0.1.6", ready: ready::<Obcore>, pace: Pace::Fast, departs: None }
}

/// The smallest order it can hold.
struct Order {
    id: u64,
    price: u64,
    quantity: u64,
    remaining: u64,
    buy: bool,
    immediate: bool,
}

impl OrderInterface for Order {
    type I = u64;
    type N = u64;
    type O = u64;

    fn id(&self) -> &u64 {
        &self.id
    }

    fn is_buy(&self) -> bool {
        self.buy
    }

    fn price(&self) -> u64 {
        self.price
    }

    fn quantity(&self) -> u64 {
        self.quantity
    }

    fn remaining(&self) -> u64 {
        self.remaining
    }

    fn fill(&mut self, quantity: u64) {
        self.remaining -= quantity;
    }

    fn owner(&self) -> &u64 {
        &self.id
    }

    fn tif(&self) -> TIF {
        if self.immediate { TIF::IOC } else { TIF::GTC }
    }
}

struct Obcore {
    book: OrderBook<Order>,
    evaluator: Evaluator<Order>,
    prices: Table<i64>,
}

impl Book for Obcore {
    fn empty(room: Room) -> Self {
        Self {
            book: OrderBook::default(),
            evaluator: Evaluator::default(),
            prices: Table::up_to(room.highest_id),
        }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        match message.kind {
            Kind::New => {
                reports.push(Report::to(message, Answer::Accepted));
                self.enter(message, reports);
            }
            Kind::Cancel if self.delete(message.order_id) => {
                reports.push(Report::cancelled(message, self.prices.get(message.order_id)));
            }
            Kind::Cancel => reports.push(Report::to(message, Answer::CancelRejected)),
            Kind::Modify if self.delete(message.order_id) => {
                reports.push(Report::to(message, Answer::Modified));
                self.enter(message, reports);
            }
            Kind::Modify => reports.push(Report::to(message, Answer::ModifyRejected)),
        }
    }
}

impl Obcore {
    fn enter(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let quantity = u64::from(message.quantity);
        let order = Order {
            id: message.order_id,
            price: unsigned(message.price),
            quantity,
            remaining: quantity,
            buy: message.side == Side::Buy,
            immediate: message.immediate,
        };
        self.prices.set(message.order_id, message.price);
        for instruction in self.evaluator.eval(&self.book, Op::Insert(order)) {
            match instruction {
                Instruction::Fill(maker, _, price, quantity, false) => {
                    reports.push(Report::trade(message, price.cast_signed(), lots(quantity), maker));
                }
                Instruction::Delete(_, Msg::IOCLeftover) | Instruction::NoOp(_, Msg::IOCNoFill) => {
                    reports.push(Report::cancelled(message, message.price));
                }
                _ => {}
            }
            self.book.apply(instruction);
        }
        self.evaluator.reset();
    }

    /// Whether the order rested.
    fn delete(&mut self, order_id: u64) -> bool {
        let mut rested = false;
        for instruction in self.evaluator.eval(&self.book, Op::Delete(order_id)) {
            rested = matches!(instruction, Instruction::Delete(..));
            self.book.apply(instruction);
        }
        self.evaluator.reset();
        rested
    }
}
