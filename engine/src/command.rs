//! What may be asked of a book. A command that exists has passed the codec: its enumerations are
//! known and its ids positive. Whether the book agrees is another matter, and answered by events.

use crate::terms::Terms;
use crate::types::{
    AccountId, CommandId, GroupId, InstrumentId, Lots, Micros, OrderId, OrderType, Phase, Reason, Side,
    StpMode, Ticks, TimeInForce, wire_enum,
};

wire_enum! {
    /// What a command asks, as a byte of the wire.
    CommandKind {
        /// Enter a new order.
        New = 1,
        /// Take an order out of the book.
        Cancel = 2,
        /// Change an open order.
        Amend = 3,
        /// Change the phase of the book.
        Phase = 4,
        /// Let time pass.
        Time = 5,
        /// Take many orders out of the book.
        MassCancel = 6,
    }
}

/// The kind of the record that follows a new order with terms.
pub(crate) const TERMS_KIND: u8 = 7;

/// One request to one book.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What a book can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Trade and, if allowed, rest.
    New(NewOrder),
    /// The same with terms.
    NewWithTerms(NewOrder, Terms),
    /// Take an order out of the book.
    Cancel {
        /// The order.
        order_id: OrderId,
        /// Who asks; zero is the operator and may cancel any order.
        account: AccountId,
        /// The reason to put on the event.
        reason: Reason,
    },
    /// Refuse a new order: whoever keeps the journal has decided so. What depends on it ends with it.
    Refuse(NewOrder, Terms, Reason),
    /// Change the price, the total quantity or the trigger price of an open order.
    Amend(Amendment),
    /// Refuse an amendment: whoever keeps the journal has decided so.
    RefuseAmend(Amendment, Reason),
    /// Change the phase of the book.
    Phase(PhaseChange),
    /// Let time pass: what is due expires.
    Time,
    /// Take many orders out of the book.
    MassCancel {
        /// Whose; zero means everybody's.
        account: AccountId,
        /// Of which side; none means both.
        side: Option<Side>,
        /// The reason to put on the events.
        reason: Reason,
    },
}

/// A change of phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseChange {
    /// The phase to come.
    pub phase: Phase,
    /// Who asks.
    pub account: AccountId,
    /// The reason to put on the event.
    pub reason: Reason,
    /// Whether every open order is cancelled too.
    pub cancel_resting: bool,
    /// What an uncross stays near to; zero means the last trade price.
    pub reference: Ticks,
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
    /// Whether it must only ever reduce a position; the limit is among its terms.
    pub reduce_only: bool,
    /// What it does when it would take from its own group.
    pub stp: StpMode,
    /// Limit price, or the protection price of a market order (zero for none).
    pub price: Ticks,
    /// Total quantity; zero for an order by amount.
    pub quantity: Lots,
}

/// What an open order should become.
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
    /// New trigger price; zero keeps the old one.
    pub trigger: Ticks,
}
