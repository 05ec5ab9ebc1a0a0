//! What an engine answers, in the oracle's terms.

use crate::message::Side;

/// The six answers, with the oracle's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Answer {
    /// A new order arrived.
    Accepted = 0,
    /// Two orders traded.
    Trade = 1,
    /// An order is gone: cancelled, or immediate with something left.
    Cancelled = 2,
    /// An order has a new price and quantity.
    Modified = 3,
    /// No such order to cancel.
    CancelRejected = 4,
    /// No such order to modify.
    ModifyRejected = 5,
}

/// One answer. What does not apply is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) answer: Answer,
    pub(crate) side: Side,
    pub(crate) quantity: u32,
    /// Of the message that caused it.
    pub(crate) seq: u64,
    /// The order; of a trade, the taker.
    pub(crate) order_id: u64,
    pub(crate) price: i64,
    /// Of a trade.
    pub(crate) maker: u64,
}
