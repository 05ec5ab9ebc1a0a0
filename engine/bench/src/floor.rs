//! The floor: reads the same records and acknowledges each, and does nothing else. No engine with the same
//! interface can be faster.

use tradeengine::{COMMAND_SIZE, EVENT_SIZE, EventKind};

use crate::contestant::Contestant;
use crate::message::Message;
use crate::ours::{Commands, event_buffer};
use crate::report::Report;

/// Our engine's records, and acknowledgements where its events would be.
pub(crate) struct Floor {
    commands: Commands,
    events: Vec<u8>,
    seq: u64,
}

impl Floor {
    /// On records that were encoded for our engine.
    pub(crate) fn new(commands: Commands) -> Self {
        Self { commands, events: event_buffer(), seq: 0 }
    }
}

impl Contestant for Floor {
    fn reset(&mut self) {
        self.seq = 0;
    }

    fn take(&mut self, first: usize, batch: &[Message]) {
        self.events.clear();
        let records = &self.commands[first * COMMAND_SIZE..(first + batch.len()) * COMMAND_SIZE];
        for record in records.chunks_exact(COMMAND_SIZE) {
            self.seq += 1;
            self.events.extend_from_slice(&acknowledgement(&Fields::of(record), self.seq));
        }
    }

    /// It never knows what happened.
    fn reports(&self, _: &mut Vec<Report>) {}
}

/// What a command record says.
struct Fields {
    side: u8,
    instrument: u32,
    command_id: u64,
    order_id: u64,
    account: u64,
    price: u64,
    quantity: u64,
    time: u64,
}

impl Fields {
    fn of(record: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = record[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        Self {
            side: record[1],
            instrument: u32::from_le_bytes(record[8..12].try_into().expect("four bytes")),
            command_id: number(16),
            order_id: number(24),
            account: number(32),
            price: number(48),
            quantity: number(56),
            time: number(64),
        }
    }
}

fn acknowledgement(fields: &Fields, seq: u64) -> [u8; EVENT_SIZE] {
    let mut event = [0; EVENT_SIZE];
    event[0] = EventKind::Accepted.code();
    event[2] = fields.side;
    event[4..8].copy_from_slice(&fields.instrument.to_le_bytes());
    let numbers = [
        (8, seq),
        (16, fields.command_id),
        (24, fields.order_id),
        (32, fields.account),
        (56, fields.price),
        (64, fields.quantity),
        (72, fields.quantity),
        (88, seq),
        (96, fields.time),
    ];
    for (at, number) in numbers {
        event[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    event
}
