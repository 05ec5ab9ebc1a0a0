//! The vocabulary of the crate: numbers that cannot be mixed up, and the enumerations of the wire.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Declares a number with a unit, so that ticks are never passed where lots are meant.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);
    };
}

number! {
    /// An instrument; each has one book.
    InstrumentId(u32)
}
number! {
    /// An order, unique for ever across instruments.
    OrderId(i64)
}
number! {
    /// A trading account; zero stands for the operator.
    AccountId(i64)
}
number! {
    /// A self-trade prevention group; zero means the account stands for itself.
    GroupId(i64)
}
number! {
    /// A command; it is copied onto every event the command causes.
    CommandId(i64)
}
number! {
    /// A price in ticks.
    Ticks(i64)
}
number! {
    /// A quantity in lots.
    Lots(i64)
}
number! {
    /// A place in the gapless sequence of one book's events, from 1.
    Seq(i64)
}
number! {
    /// Microseconds since the epoch. Time explains; only `Seq` orders.
    Micros(i64)
}

impl Lots {
    /// No quantity.
    pub const ZERO: Self = Self(0);

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl OrderId {
    /// No order.
    pub const NONE: Self = Self(0);

    /// Whether an order is named.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

// Overflow is impossible while a side's total fits in 64 bits (see `Book`), and checked in all builds.
impl Add for Lots {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Lots {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Lots {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Lots {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// Declares an enumeration that travels as one byte, with its only way in from that byte.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $code,)*
        }

        impl $name {
            /// The value behind a byte of the wire, or `None` for a byte without meaning.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The byte of the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// Which side of the book an order belongs to.
    Side {
        /// Bids: the highest price is best.
        Buy = 1,
        /// Asks: the lowest price is best.
        Sell = 2,
    }
}

impl Side {
    /// The side this one trades against.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// Whether an order of this side that goes as far as `limit` may trade at `price`.
    #[must_use]
    pub fn reaches(self, limit: Ticks, price: Ticks) -> bool {
        match self {
            Self::Buy => price <= limit,
            Self::Sell => price >= limit,
        }
    }
}

wire_enum! {
    /// How an order names its price.
    OrderType {
        /// Trades at its price or better.
        Limit = 1,
        /// Trades at any price, up to an optional protection price; never rests.
        Market = 2,
    }
}

wire_enum! {
    /// How long an order may stay.
    TimeInForce {
        /// Rests until cancelled.
        Gtc = 1,
        /// Trades what it can now; the rest is cancelled.
        Ioc = 2,
        /// Trades all of it now, or is rejected.
        Fok = 3,
        /// Rests until the session ends.
        Day = 4,
    }
}

impl TimeInForce {
    /// Whether what is left of an order may rest.
    #[must_use]
    pub const fn rests(self) -> bool {
        matches!(self, Self::Gtc | Self::Day)
    }
}

wire_enum! {
    /// What a book does with orders.
    Phase {
        /// Orders are taken and matched.
        Open = 1,
        /// Nothing but cancels.
        Halted = 2,
        /// Orders are collected for the opening.
        PreOpen = 3,
        /// Orders are collected, and the indicative price is published.
        Auction = 4,
        /// Nothing but cancels, by plan.
        CancelOnly = 5,
        /// The session is over; day orders have ended.
        Closed = 6,
    }
}

impl Phase {
    /// Whether orders are collected without matching.
    #[must_use]
    pub const fn collects(self) -> bool {
        matches!(self, Self::PreOpen | Self::Auction)
    }

    /// Why this phase takes neither orders nor amendments, if it does not.
    #[must_use]
    pub const fn refusal(self) -> Option<Reason> {
        match self {
            Self::Open | Self::PreOpen | Self::Auction => None,
            Self::Halted => Some(Reason::Halted),
            Self::CancelOnly | Self::Closed => Some(Reason::WrongPhase),
        }
    }
}

wire_enum! {
    /// What makes a parked order go live.
    TriggerKind {
        /// Nothing: the order has no trigger.
        None = 0,
        /// The market has moved against the order's owner: buy above, sell below.
        Stop = 1,
        /// The market has moved in favour: buy below, sell above.
        TakeProfit = 2,
        /// A stop that follows the market at a distance in ticks.
        Trailing = 3,
        /// A stop that follows the market at a distance in basis points.
        TrailingBps = 4,
    }
}

impl TriggerKind {
    /// Whether the trigger follows the market.
    #[must_use]
    pub const fn trails(self) -> bool {
        matches!(self, Self::Trailing | Self::TrailingBps)
    }
}

wire_enum! {
    /// Which price a trigger watches.
    TriggerSource {
        /// The price of every trade.
        Last = 0,
        /// The displayed touch that an order of its side would meet.
        Quote = 1,
    }
}

wire_enum! {
    /// How an order depends on others.
    Link {
        /// It stands alone.
        None = 0,
        /// One of two: what happens to one ends the other.
        Oco = 1,
        /// It goes live when its parent has been filled.
        Oto = 2,
        /// An exit of its parent: its quantity follows the parent's fills.
        Attached = 3,
    }
}

wire_enum! {
    /// Where an open order is.
    Place {
        /// In the queue of a level.
        Resting = 0,
        /// Parked, waiting for its trigger.
        Armed = 1,
        /// Parked, waiting for its parent.
        Waiting = 2,
    }
}

wire_enum! {
    /// What happens when an order meets one of its own group; the taker's mode decides.
    StpMode {
        /// Accounts of one group may trade with each other; an account never with itself.
        None = 0,
        /// The taker's remainder is cancelled.
        ExpireTaker = 1,
        /// The maker is cancelled and matching goes on.
        ExpireMaker = 2,
        /// Both are cancelled.
        ExpireBoth = 3,
        /// Both shrink by the smaller open quantity, without a trade.
        Decrement = 4,
    }
}

wire_enum! {
    /// Why an event happened; stable, stored and shown to people.
    Reason {
        /// No reason, or the client asked.
        None = 0,
        /// What an immediate-or-cancel order could not trade.
        IocRemainder = 1,
        /// A market order found the other side empty.
        NoLiquidity = 2,
        /// A market order reached its protection price.
        PriceProtection = 3,
        /// A fill-or-kill order could not trade in full.
        FokUnfillable = 4,
        /// A post-only order would have taken liquidity.
        WouldTake = 5,
        /// Taker and maker belong together.
        SelfTradePrevention = 6,
        /// The book is halted.
        Halted = 7,
        /// No such order rests in the book.
        UnknownOrder = 8,
        /// The order belongs to another account.
        NotOwner = 9,
        /// An order with this id rests already.
        DuplicateOrder = 10,
        /// An amendment to no more than what has been executed.
        BelowExecuted = 11,
        /// A price or quantity outside its range, or options that contradict each other.
        Invalid = 12,
        /// No book for the instrument.
        UnknownInstrument = 13,
        /// An operator asked.
        Operator = 14,
        /// Part of a mass cancel.
        MassCancel = 15,
        /// The book was halted and emptied.
        HaltCancel = 16,
        /// An amendment to what the order is already.
        NoChange = 17,
        /// A change of phase, without a reason of its own, to the phase that is.
        AlreadyInPhase = 18,
        /// The phase does not take such an order.
        WrongPhase = 19,
        /// Planned maintenance.
        Maintenance = 20,
        /// The instrument was delisted.
        Delisted = 21,
        /// The order's time is over.
        Expired = 22,
        /// A day order, at the end of the session.
        SessionEnd = 23,
        /// The other of two linked orders was filled, was triggered or ended.
        Linked = 24,
        /// The order it waited for ended unfilled.
        ParentEnded = 25,
        /// An exit was triggered before its entry was filled whole.
        ExitTriggered = 26,
        /// What is left of the amount pays for no further lot.
        AmountSpent = 27,
        /// Less than the minimum quantity could trade at once.
        MinQuantity = 28,
        /// The order would open or turn a position.
        ReduceOnly = 29,
        /// A kill switch stopped its scope.
        Killed = 30,
        /// It could not be applied, and was set aside.
        Quarantined = 31,
    }
}

impl Reason {
    /// This reason, or `other` if it is none.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::None => other,
            given => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_unknown_bytes_have_no_meaning() {
        for code in 0..=u8::MAX {
            assert_eq!(Side::from_code(code).is_some(), matches!(code, 1..=2));
            assert_eq!(StpMode::from_code(code).is_some(), code <= 4);
            assert_eq!(Phase::from_code(code).is_some(), matches!(code, 1..=6));
            assert_eq!(Reason::from_code(code).map(Reason::code), (code <= 31).then_some(code));
        }
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn lots_never_wrap() {
        let _ = Lots(i64::MAX) + Lots(1);
    }
}
