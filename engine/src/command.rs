//! What may be asked of a book. A command that exists has passed the codec: its enumerations are
//! known and its ids positive. Whether the book agrees is another matter, and answered by events.

use crate::types::{
    AccountId, CommandId, GroupId, InstrumentId, Lots, Micros, OrderId, OrderType, Reason, Side, StpMode,
    Ticks, TimeInForce, wire_enum,
};

wire_enum! {
    /// What a command asks, as a byte of the wire.
    CommandKind {
        /// Enter a new order.
        New = 1,
        /// Take an order out of the book.
        Cancel = 2,
        /// Change a resting order.
        Amend = 3,
        /// Stop taking orders.
        Halt = 4,
        /// Take orders again.
        Resume = 5,
    }
}

/// One request to one book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The book.
    pub instrument: InstrumentId,
    /// Copied onto every event of the command.
    pub command_id: CommandId,
    /// When it was asked; the book never lets time run backwards.
    pub time: Micros,
    /// What is asked.
    pub action: Action,
}

/// The five things a book can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Trade and, if allowed, rest.
    New(NewOrder),
    /// Take an order out of the book.
    Cancel {
        /// The order.
        order_id: OrderId,
        /// Who asks; zero is the operator and may cancel any order.
        account: AccountId,
        /// The reason to put on the event.
        reason: Reason,
    },
    /// Change the price or the total quantity of a resting order.
    Amend(Amendment),
    /// Stop taking orders.
    Halt {
        /// Who asks.
        account: AccountId,
        /// The reason to put on the event.
        reason: Reason,
        /// Whether every resting order is cancelled too.
        cancel_resting: bool,
    },
    /// Take orders again.
    Resume {
        /// Who asks.
        account: AccountId,
        /// The reason to put on the event.
        reason: Reason,
    },
}

/// An order as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Its identity.
    pub order_id: OrderId,
    /// Its owner.
    pub account: AccountId,
    /// Its self-trade prevention group; zero means the account itself.
    pub stp_group: GroupId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it may stay.
    pub tif: TimeInForce,
    /// Whether it must only ever add liquidity.
    pub post_only: bool,
    /// What it does when it would take from its own group.
    pub stp: StpMode,
    /// Limit price, or the protection price of a market order (zero for none).
    pub price: Ticks,
    /// Total quantity.
    pub quantity: Lots,
}

/// What a resting order should become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The order.
    pub order_id: OrderId,
    /// Who asks; zero is the operator and may amend any order.
    pub account: AccountId,
    /// New price; zero keeps the old one.
    pub price: Ticks,
    /// New total, including what has been executed; zero keeps the old one.
    pub quantity: Lots,
}
