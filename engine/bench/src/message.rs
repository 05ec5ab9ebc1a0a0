//! What an engine is asked, in the workload's terms.

/// Buy or sell, with the workload's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Side {
    Buy = 0,
    Sell = 1,
}

/// The three requests, with the workload's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A limit order.
    New = 0,
    /// Take it away.
    Cancel = 1,
    /// Take it away and enter it anew with this price and this open quantity, behind all others.
    Modify = 2,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) side: Side,
    /// A new order that must not rest.
    pub(crate) immediate: bool,
    pub(crate) quantity: u32,
    /// The place in the workload, from 0.
    pub(crate) seq: u64,
    pub(crate) order_id: u64,
    /// In ticks.
    pub(crate) price: i64,
}

/// The highest order id: what a table by order id must hold.
pub(crate) fn highest_id(messages: &[Message]) -> usize {
    let highest = messages.iter().map(|message| message.order_id).max().unwrap_or(0);
    usize::try_from(highest).expect("order ids are small")
}
