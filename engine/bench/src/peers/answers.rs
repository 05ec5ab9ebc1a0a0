//! The answers adapters give.

use crate::message::Message;
use crate::report::{Answer, Report};

impl Report {
    /// An answer about the message's order, with the price and quantity that were asked for.
    pub(crate) const fn to(message: &Message, answer: Answer) -> Self {
        let &Message { side, quantity, seq, order_id, price, .. } = message;
        Self { answer, side, quantity, seq, order_id, price, maker: 0 }
    }

    /// A trade of the message's order with a maker, at the maker's price.
    pub(crate) const fn trade(message: &Message, price: i64, quantity: u32, maker: u64) -> Self {
        Self { quantity, price, maker, ..Self::to(message, Answer::Trade) }
    }

    /// The end of the message's order, which rested at this price.
    pub(crate) const fn cancelled(message: &Message, price: i64) -> Self {
        Self { price, ..Self::to(message, Answer::Cancelled) }
    }
}
