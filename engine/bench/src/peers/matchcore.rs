//! matchcore: order ids are the sequence numbers of commands; amendments and immediate orders are its own.

use matchcore::{
    AmendCmd, AmendPatch, CancelCmd, Command, CommandEffects, CommandKind, CommandMeta, CommandOutcome,
    CommandReport, LimitOrder, LimitOrderPatch, NewOrder, OrderBook, OrderFlags, OrderId, OrderKind, Price,
    Quantity, QuantityPolicy, SequenceNumber, Side, SubmitCmd, TimeInForce, Timestamp,
};

use super::adapter::{Book, Room, ready};
use super::ids::{Names, Table, lots, unsigned};
use crate::contestant::{Entrant, Pace};
use crate::message::{self, Kind, Message};
use crate::report::{Answer, Report};

pub(super) fn peer() -> Entrant {
    Entrant {
        name: "matchcore 0.4.0",
        ready: ready::<Matchcore>,
        pace: Pace::Fast,
        departs: Some("a limit order that crosses trades on beyond its limit"),
    }
}

struct Matchcore {
    book: OrderBook,
    names: Names,
    prices: Table<i64>,
}

impl Book for Matchcore {
    fn empty(room: Room) -> Self {
        Self {
            book: OrderBook::new("BENCH"),
            names: Names::new(room.highest_id, room.messages),
            prices: Table::up_to(room.highest_id),
        }
    }

    fn take(&mut self, message: &Message, reports: &mut Vec<Report>) {
        let order_id = match message.kind {
            Kind::New => {
                self.names.pair(message.order_id, message.seq);
                OrderId(message.seq)
            }
            // An id that was never given, for an order that was never entered.
            _ => OrderId(self.names.theirs(message.order_id).unwrap_or(u64::MAX)),
        };
        let outcome = self.book.execute(&command(message, order_id));
        match (message.kind, outcome) {
            (Kind::New, CommandOutcome::Applied(CommandReport::Submit(effects))) => {
                self.prices.set(message.order_id, message.price);
                reports.push(Report::to(message, Answer::Accepted));
                self.trades(message, &effects, reports);
                if effects.target_order().cancel_reason().is_some() {
                    reports.push(Report::cancelled(message, message.price));
                }
            }
            (Kind::Modify, CommandOutcome::Applied(CommandReport::Amend(effects))) => {
                self.prices.set(message.order_id, message.price);
                reports.push(Report::to(message, Answer::Modified));
                self.trades(message, &effects, reports);
            }
            (Kind::Cancel, CommandOutcome::Applied(_)) => {
                reports.push(Report::cancelled(message, self.prices.get(message.order_id)));
            }
            (Kind::Cancel, CommandOutcome::Rejected(_)) => {
                reports.push(Report::to(message, Answer::CancelRejected));
            }
            (Kind::Modify, CommandOutcome::Rejected(_)) => {
                reports.push(Report::to(message, Answer::ModifyRejected));
            }
            (_, outcome) => panic!("the workload cannot cause {outcome:?}"),
        }
    }
}

impl Matchcore {
    fn trades(&self, message: &Message, effects: &CommandEffects, reports: &mut Vec<Report>) {
        let trades = effects.target_order().match_result().map_or(&[][..], |result| result.trades());
        reports.extend(trades.iter().map(|trade| {
            let maker = self.names.ours(trade.maker_order_id().0);
            Report::trade(message, trade.price().0.cast_signed(), lots(trade.quantity().0), maker)
        }));
    }
}

fn command(message: &Message, order_id: OrderId) -> Command {
    let price = Price(unsigned(message.price));
    let quantity_policy = QuantityPolicy::Standard { quantity: Quantity(message.quantity.into()) };
    let kind = match message.kind {
        Kind::New => {
            let side = match message.side {
                message::Side::Buy => Side::Buy,
                message::Side::Sell => Side::Sell,
            };
            let lifetime = if message.immediate { TimeInForce::Ioc } else { TimeInForce::Gtc };
            let order = LimitOrder::new(price, quantity_policy, OrderFlags::new(side, false, lifetime));
            CommandKind::Submit(SubmitCmd { order: NewOrder::Limit(order) })
        }
        Kind::Cancel => CommandKind::Cancel(CancelCmd { order_id, order_kind: OrderKind::Limit }),
        Kind::Modify => {
            let patch = LimitOrderPatch::new().with_price(price).with_quantity_policy(quantity_policy);
            CommandKind::Amend(AmendCmd { order_id, patch: AmendPatch::Limit(patch) })
        }
    };
    let meta =
        CommandMeta { sequence_number: SequenceNumber(message.seq), timestamp: Timestamp(message.seq) };
    Command { meta, kind }
}
