//! Deterministic limit order books: a batch of commands in, a gapless sequence of events out.
//!
//! The engine is a pure function of (state, command): no clock, no randomness, no hash order, no
//! floats, no I/O. A refusal is an event; an error means the caller misused the engine, and nothing
//! has changed. Python is named in `py` alone.
#![forbid(unsafe_code)]

mod amend; // changing a resting order
mod book; // one instrument: resting orders, queues, the numbers that travel with them
mod check; // every invariant of a book, recomputed from scratch
mod codec; // the byte layout of commands, events, resting orders and levels
mod command; // what may be asked of a book
mod engine; // many books, batches, all or nothing
mod enter; // new orders
mod error; // misuse, grouped by who is to blame
mod event; // what a book answers
mod execute; // dispatch, cancel, halt, resume
mod hash; // the incremental state hash
mod level; // price levels and the ladder that sorts them
mod matching; // taking liquidity: price, time, self-trade prevention
mod orders; // resting orders in a slab
mod record; // reading fixed-size records
mod types; // ticks, lots, ids and the enumerations of the wire

#[cfg(feature = "python")]
mod py; // the Python module `tradeengine._rust`

pub use codec::{COMMAND_SIZE, EVENT_SIZE, LEVEL_SIZE, RESTING_SIZE};
pub use codec::{encode_command, encode_events, encode_levels, encode_resting};
pub use command::{Action, Amendment, Command, CommandKind, NewOrder};
pub use engine::{BookState, Engine, LevelTotal};
pub use error::EngineError;
pub use event::{Event, EventKind};
pub use orders::Order;
pub use types::{
    AccountId, CommandId, GroupId, InstrumentId, Lots, Micros, OrderId, OrderType, Reason, Seq, Side,
    StpMode, Ticks, TimeInForce,
};
