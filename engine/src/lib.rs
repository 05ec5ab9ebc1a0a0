//! Deterministic limit order books: a batch of commands in, a gapless sequence of events out.
//!
//! The engine is a pure function of (state, command): no clock, no randomness, no hash order, no
//! floats, no I/O. A refusal is an event; an error means the caller misused the engine, and nothing
//! has changed. Python is named in `py` alone.
#![forbid(unsafe_code)]

mod agenda; // what a command has caused and not yet done
mod amend; // changing an open order
mod auction; // phases, and the uncross at the opening
mod book; // one instrument: its open orders, its queues, the numbers that travel with them
mod check; // restoring a book, and every invariant of it, recomputed from scratch
mod codec; // the byte layout of commands, terms and levels
mod command; // what may be asked of a book
mod engine; // many books, batches, all or nothing
mod enter; // new orders
mod error; // misuse, grouped by who is to blame
mod event; // what a book answers
mod execute; // dispatch, cancel, mass cancel
mod expiry; // orders that end at a given time
mod hash; // the incremental state hash
mod ids; // order ids to slots
mod level; // price levels and the ladder that sorts them
mod links; // orders that depend on others; settling what a command has caused
mod matching; // taking liquidity: price, time, self-trade prevention
mod numeric; // decimals as the database reads them
mod open; // the byte layout of open orders
mod orders; // resting orders in a slab
mod parked; // orders that wait for a trigger or a parent
mod record; // reading fixed-size records
mod rows; // rows as the database reads them
mod terms; // what most orders do without
mod triggers; // armed orders and the prices that set them off
mod types; // ticks, lots, ids and the enumerations of the wire

#[cfg(feature = "python")]
mod py; // the Python module `tradeengine._rust`

pub use auction::Indicative;
pub use codec::{COMMAND_SIZE, EVENT_SIZE, LEVEL_SIZE, OPEN_SIZE, TERMS_SIZE};
pub use codec::{encode_command, encode_levels};
pub use command::{Action, Amendment, Command, CommandKind, NewOrder, PhaseChange};
pub use engine::{BookState, Engine, LevelTotal};
pub use error::EngineError;
pub use event::{Event, EventKind};
pub use rows::{Rows, event_rows};
pub use terms::Terms;
pub use types::{
    AccountId, CommandId, GroupId, InstrumentId, Link, Lots, Micros, OrderId, OrderType, Phase, Place,
    Reason, Seq, Side, StpMode, Ticks, TimeInForce, TriggerKind, TriggerSource,
};
