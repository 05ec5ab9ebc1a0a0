//! nanobook: gives ids of its own, a new one for each modification; immediate orders are its own. It keeps
//! what has happened until told to forget, which the adapter does once in so many messages.

use nanobook::{Exchange, OrderId, Price, Side, TimeInForce, Trade};

use super::adapter::{Book, Room, ready};
use super::ids::{Names, Table, lots};
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

/// Messages between two forgettings.
const MEMORY: u64 = 1 << 17;

pub(super) fn peer() -> Entrant {
    Entrant { name: "nanobook 0.19.3", ready: ready::<Nanobook>, pace: Pace::Fast, departs: None }
}

struct Nanobook {
    book: Exchange,
    names: Names,
    prices: Table<i64>,
}

impl Book for Nanobook {
    fn empty(room: Room) -> Self {
        Self {
            book: Exchange::new(),
            names: Names::new(room.highest_id, room.messages),
            prices: Table::up_to(room.highest_id),
        }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        if message.seq % MEMORY == MEMORY - 1 {
            self.book.clear_trades();
            self.book.clear_order_history();
        }
        match message.kind {
            Kind::New => self.enter(message, reports),
            Kind::Cancel => {
                let known = self.names.theirs(message.order_id);
                reports.push(if known.is_some_and(|id| self.book.cancel(OrderId(id)).success) {
                    Report::cancelled(message, self.prices.get(message.order_id))
                } else {
                    Report::to(message, Answer::CancelRejected)
                });
            }
            Kind::Modify => self.modify(message, reports),
        }
    }
}

impl Nanobook {
    fn enter(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let side = match message.side {
            message::Side::Buy => Side::Buy,
            message::Side::Sell => Side::Sell,
        };
        let lifetime = if message.immediate { TimeInForce::IOC } else { TimeInForce::GTC };
        let result = self.book.submit_limit(side, Price(message.price), message.quantity.into(), lifetime);
        self.rename(message, result.order_id);
        reports.push(Report::to(message, Answer::Accepted));
        self.trades(message, &result.trades, reports);
        if result.cancelled_quantity > 0 {
            reports.push(Report::cancelled(message, message.price));
        }
    }

    fn modify(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let known = self.names.theirs(message.order_id);
        let outcome =
            known.map(|id| self.book.modify(OrderId(id), Price(message.price), message.quantity.into()));
        let Some((outcome, new_id)) = outcome.and_then(|done| done.new_order_id.map(|id| (done, id))) else {
            reports.push(Report::to(message, Answer::ModifyRejected));
            return;
        };
        self.rename(message, new_id);
        reports.push(Report::to(message, Answer::Modified));
        self.trades(message, &outcome.trades, reports);
    }

    fn rename(&mut self, message: &Message, theirs: OrderId) {
        self.names.pair(message.order_id, theirs.0);
        self.prices.set(message.order_id, message.price);
    }

    fn trades(&self, message: &Message, trades: &[Trade], reports: &mut Vec<Report>) {
        reports.extend(trades.iter().map(|trade| {
            let maker = self.names.ours(trade.passive_order_id.0);
            Report::trade(message, trade.price.0, lots(trade.quantity), maker)
        }));
    }
}
