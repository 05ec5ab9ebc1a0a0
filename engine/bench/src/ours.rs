//! Our engine. All that knows its interface is here, and the layout of its records.

use std::rc::Rc;

use tradeengine::{
    BookState, COMMAND_SIZE, CommandKind, EVENT_SIZE, Engine, EventKind, InstrumentId, OrderType, TimeInForce,
};

use crate::allocator::uncounted;
use crate::contestant::{BATCH, Contestant};
use crate::message::{Kind, Message, Side, highest_id};
use crate::report::{Answer, Report};

/// A workload as command records; those who read the same share them.
pub(crate) type Commands = Rc<[u8]>;

type Record = [u8; COMMAND_SIZE];

/// The engine, a workload in its own command records, and the event records of the last batch.
pub(crate) struct Ours {
    engine: Engine,
    instruments: u32,
    commands: Commands,
    events: Vec<u8>,
}

impl Ours {
    /// On records that were encoded for so many instruments.
    pub(crate) fn new(commands: Commands, instruments: u32) -> Self {
        Self { engine: engine(instruments), instruments, commands, events: event_buffer() }
    }

    /// Cancels everything in the first book; the memory it has got stays.
    pub(crate) fn empty(&mut self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.kind == Kind::New) {
            let cancel = Message { kind: Kind::Cancel, ..*message };
            apply(&mut self.engine, &record(&cancel, 1, 0), &mut self.events);
        }
    }
}

/// Room for the events of a batch, so that it never has to grow: one that sweeps 5,000 orders fits.
pub(crate) fn event_buffer() -> Vec<u8> {
    uncounted(|| Vec::with_capacity(EVENT_SIZE * (3 * BATCH + 5_000)))
}

impl Contestant for Ours {
    fn reset(&mut self) {
        self.engine = engine(self.instruments);
    }

    fn take(&mut self, first: usize, batch: &[Message]) {
        let records = &self.commands[first * COMMAND_SIZE..(first + batch.len()) * COMMAND_SIZE];
        apply(&mut self.engine, records, &mut self.events);
    }

    fn reports(&self, into: &mut Vec<Report>) {
        into.extend(self.events.chunks_exact(EVENT_SIZE).map(report));
    }
}

/// Runs commands; their events replace what was in `events`.
pub(crate) fn apply(engine: &mut Engine, commands: &[u8], events: &mut Vec<u8>) {
    events.clear();
    engine.apply(commands, events).expect("the records are well formed");
}

/// Empty books, numbered from one.
pub(crate) fn engine(instruments: u32) -> Engine {
    let mut engine = Engine::new();
    for id in 1..=instruments {
        engine.add_book(InstrumentId(id), BookState::EMPTY).expect("the instrument is new and in range");
    }
    engine
}

/// A workload as command records; with more than one instrument, their books take the messages in turn.
///
/// The workload modifies an order to so many *open* lots; our engine amends it to a *total*, which counts
/// what has traded, so that fills on their way are not lost. A client knows its fills and adds them. Here
/// the records are applied once, one by one, to learn what has traded by the time of each modification.
pub(crate) fn encode(messages: &[Message], instruments: u32) -> Commands {
    let mut engine = engine(instruments);
    let mut traded = vec![0; highest_id(messages) + 1];
    let mut commands = Vec::with_capacity(messages.len() * COMMAND_SIZE);
    let mut events = event_buffer();
    for (instrument, message) in (1..=instruments).cycle().zip(messages) {
        let record = record(message, instrument, traded[place(message.order_id)]);
        apply(&mut engine, &record, &mut events);
        for trade in
            events.chunks_exact(EVENT_SIZE).map(report).filter(|report| report.answer == Answer::Trade)
        {
            traded[place(trade.order_id)] += u64::from(trade.quantity);
            traded[place(trade.maker)] += u64::from(trade.quantity);
        }
        commands.extend_from_slice(&record);
    }
    commands.into()
}

fn place(order_id: u64) -> usize {
    usize::try_from(order_id).expect("order ids are small")
}

/// One message as a command record. `traded` is what a modification must add.
fn record(message: &Message, instrument: u32, traded: u64) -> Record {
    let mut record = [0; COMMAND_SIZE];
    record[0] = match message.kind {
        Kind::New => CommandKind::New.code(),
        Kind::Cancel => CommandKind::Cancel.code(),
        Kind::Modify => CommandKind::Amend.code(),
    };
    if message.kind == Kind::New {
        record[1] = match message.side {
            Side::Buy => tradeengine::Side::Buy.code(),
            Side::Sell => tradeengine::Side::Sell.code(),
        };
        record[2] = OrderType::Limit.code();
        record[3] = if message.immediate { TimeInForce::Ioc.code() } else { TimeInForce::Gtc.code() };
    }
    record[8..12].copy_from_slice(&instrument.to_le_bytes());
    let mut put = |at: usize, number: u64| record[at..at + 8].copy_from_slice(&number.to_le_bytes());
    // Commands are numbered from one. Every order has an account of its own: nobody meets himself.
    put(16, message.seq + 1);
    put(24, message.order_id);
    put(32, message.order_id);
    if message.kind != Kind::Cancel {
        put(48, message.price.cast_unsigned());
        put(56, u64::from(message.quantity) + traded);
    }
    put(64, message.seq);
    record
}

/// One event record in the oracle's terms.
fn report(event: &[u8]) -> Report {
    let number = |at: usize| {
        let bytes = event[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    let lots = |at: usize| u32::try_from(number(at)).expect("the workload's quantities are small");
    let side = if event[2] == tradeengine::Side::Sell.code() { Side::Sell } else { Side::Buy };
    let (answer, quantity) = match EventKind::from_code(event[0]) {
        Some(EventKind::Accepted) => (Answer::Accepted, lots(64)),
        Some(EventKind::Trade) => (Answer::Trade, lots(64)),
        Some(EventKind::Cancelled) => (Answer::Cancelled, 0),
        // Open lots, where the event's quantity is the total.
        Some(EventKind::Amended) => (Answer::Modified, lots(72)),
        Some(EventKind::CancelRejected) => (Answer::CancelRejected, 0),
        Some(EventKind::AmendRejected) => (Answer::ModifyRejected, 0),
        other => panic!("the workload cannot cause {other:?}"),
    };
    Report {
        answer,
        side,
        quantity,
        seq: number(16) - 1,
        order_id: number(24),
        price: number(56).cast_signed(),
        maker: number(40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::all_reports;

    /// Buys and sells, with quantity and price.
    fn new(side: Side, order_id: u64, quantity: u32, price: i64) -> Message {
        Message { kind: Kind::New, side, immediate: false, quantity, seq: 0, order_id, price }
    }

    fn answers(messages: &mut [Message]) -> Vec<(u64, Answer, u64, i64, u32)> {
        for (seq, message) in (0..).zip(&mut *messages) {
            message.seq = seq;
        }
        let mut ours = Ours::new(encode(messages, 1), 1);
        let reports = all_reports(&mut ours, messages);
        reports
            .iter()
            .map(|report| (report.seq, report.answer, report.order_id, report.price, report.quantity))
            .collect()
    }

    #[test]
    fn a_modification_of_what_has_traded_in_part_is_to_open_lots() {
        let sell = new(Side::Sell, 1, 10, 100);
        let mut messages = [
            sell,
            Message { immediate: true, ..new(Side::Buy, 2, 4, 101) },
            Message { kind: Kind::Modify, quantity: 11, price: 99, ..sell },
            Message { immediate: true, ..new(Side::Buy, 3, 12, 99) },
            Message { kind: Kind::Modify, ..sell },
            Message { kind: Kind::Cancel, ..sell },
        ];
        assert_eq!(
            answers(&mut messages),
            [
                (0, Answer::Accepted, 1, 100, 10),
                (1, Answer::Accepted, 2, 101, 4),
                (1, Answer::Trade, 2, 100, 4),
                (2, Answer::Modified, 1, 99, 11),
                (3, Answer::Accepted, 3, 99, 12),
                (3, Answer::Trade, 3, 99, 11),
                (3, Answer::Cancelled, 3, 99, 0),
                (4, Answer::ModifyRejected, 1, 100, 0),
                (5, Answer::CancelRejected, 1, 0, 0),
            ]
        );
    }

    #[test]
    fn an_emptied_book_takes_the_same_orders_again() {
        let messages = [new(Side::Sell, 1, 10, 100), Message { seq: 1, ..new(Side::Buy, 2, 3, 100) }];
        let mut ours = Ours::new(encode(&messages, 1), 1);
        let first = all_reports(&mut ours, &messages).len();
        ours.empty(&messages);
        ours.take(0, &messages);
        let mut again = vec![];
        ours.reports(&mut again);
        assert_eq!((first, again.len()), (3, 3));
    }
}
