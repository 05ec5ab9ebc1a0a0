//! Misuse of the engine. Whoever gets one of these may be sure that nothing has changed.

use std::fmt;

use crate::types::{InstrumentId, OrderId, Seq, Ticks};

/// Why the engine refused to do anything at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    // The caller's bytes are wrong.
    /// The buffer is not a whole number of records.
    Length {
        /// Bytes given.
        given: usize,
        /// Bytes of one record.
        record: usize,
    },
    /// A field of a record has no meaning.
    Field {
        /// Which record of the buffer, from zero.
        record: usize,
        /// Which field.
        field: &'static str,
        /// What it held.
        value: u64,
    },

    /// An open order as another version of the engine wrote it.
    Version {
        /// Its version.
        given: u8,
        /// The version this engine reads.
        known: u8,
    },

    // The caller and the engine disagree about books.
    /// No book for the instrument.
    UnknownInstrument(InstrumentId),
    /// The instrument has a book already.
    BookExists(InstrumentId),
    /// Instrument ids run from 1 to 8191.
    InstrumentRange(u32),

    // The state to restore contradicts itself.
    /// A number of the book is outside its range.
    State {
        /// Which number.
        field: &'static str,
        /// What it was.
        value: i64,
    },
    /// The best bid is not below the best ask.
    Crossed {
        /// Best bid.
        bid: Ticks,
        /// Best ask.
        ask: Ticks,
    },
    /// Two orders with one id.
    DuplicateOrder(OrderId),
    /// Two orders with one place.
    DuplicatePriority(Seq),
    /// An order got its place after the book's last event.
    PriorityAhead(Seq),
    /// The open lots of a side, or the total of an order, do not fit in 64 bits.
    QuantityOverflow(OrderId),

    // The engine is wrong.
    /// An invariant does not hold; the message says which.
    Broken(InstrumentId, String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { given, record } => {
                write!(out, "{given} bytes are not a whole number of {record}-byte records")
            }
            Self::Field { record, field, value } => {
                // No field is unsigned and that large: what looks so was negative.
                write!(out, "record {record}: {field} may not be {}", value.cast_signed())
            }
            Self::Version { given, known } => {
                write!(out, "an open order of version {given}, but this engine reads version {known}")
            }
            Self::UnknownInstrument(instrument) => write!(out, "no book for instrument {}", instrument.0),
            Self::BookExists(instrument) => write!(out, "instrument {} has a book already", instrument.0),
            Self::InstrumentRange(id) => write!(out, "instrument ids run from 1 to 8191, not {id}"),
            Self::State { field, value } => write!(out, "{field} may not be {value}"),
            Self::Crossed { bid, ask } => {
                write!(out, "crossed: best bid {} is not below best ask {}", bid.0, ask.0)
            }
            Self::DuplicateOrder(order) => write!(out, "order {} appears twice", order.0),
            Self::DuplicatePriority(place) => write!(out, "two orders have priority {}", place.0),
            Self::PriorityAhead(place) => write!(out, "priority {} is ahead of the book's seq", place.0),
            Self::QuantityOverflow(order) => {
                write!(out, "with order {} the open lots exceed 64 bits", order.0)
            }
            Self::Broken(instrument, what) => write!(out, "book {} is broken: {what}", instrument.0),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<Box<Self>> for EngineError {
    fn from(error: Box<Self>) -> Self {
        *error
    }
}
