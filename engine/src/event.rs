//! What a book answers: every command yields at least one event, every event takes one `seq`.

use crate::codec::{EVENT_SIZE, put};
use crate::orders::Order;
use crate::types::{
    AccountId, CommandId, InstrumentId, Lots, Micros, OrderId, Reason, Seq, Side, Ticks, wire_enum,
};

wire_enum! {
    /// What happened.
    EventKind {
        /// A new order passed the book's checks; trades and cancellations of it follow.
        Accepted = 1,
        /// A command was refused before it had any effect.
        Rejected = 2,
        /// Two orders traded, at the maker's price.
        Trade = 3,
        /// An order left the book, or never rested, with lots unexecuted.
        Cancelled = 4,
        /// An order has a new price or total.
        Amended = 5,
        /// A cancellation was refused.
        CancelRejected = 6,
        /// An amendment was refused.
        AmendRejected = 7,
        /// Self-trade prevention took lots from an order.
        Reduced = 8,
        /// The book is in a new phase.
        PhaseChanged = 9,
        /// Many orders are about to be cancelled.
        MassCancelled = 10,
        /// An armed order's trigger was reached; it goes live.
        Triggered = 11,
        /// What a waiting order waited for has happened.
        Activated = 12,
        /// A trigger price moved.
        Trailed = 13,
        /// An iceberg order shows a new slice.
        Displayed = 14,
        /// Time passed.
        Time = 15,
    }
}

/// One fact. Fields that do not apply are zero; the byte layout is in `codec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Why.
    pub reason: Reason,
    /// Side of `order_id`; on a trade, of the taker.
    pub side: Option<Side>,
    /// `AUCTION`, `KEPT_PLACE`, `ARMED`, `WAITING`; on a change of phase, the phase.
    pub flags: u8,
    /// The book.
    pub instrument: InstrumentId,
    /// The event's place in the book's history.
    pub seq: Seq,
    /// The command that caused it.
    pub command_id: CommandId,
    /// The order; on a trade, the taker.
    pub order_id: OrderId,
    /// The order's owner; on a refusal, who asked.
    pub account: AccountId,
    /// The maker of a trade.
    pub maker_order_id: OrderId,
    /// The maker's owner.
    pub maker_account: AccountId,
    /// Price of the trade or of the auction, or a trigger that moved; otherwise the price of the order, or
    /// the price asked for.
    pub price: Ticks,
    /// Lots accepted, rejected, traded, removed or prevented; on an amendment, the new total.
    pub quantity: Lots,
    /// Open lots of `order_id` afterwards.
    pub leaves: Lots,
    /// Open lots of the maker afterwards.
    pub maker_leaves: Lots,
    /// The place the order got.
    pub priority: Seq,
    /// The book's time.
    pub time: Micros,
}

impl Event {
    /// The trade was made by an uncross.
    pub const AUCTION: u8 = 1;
    /// The amended order kept its place in the queue.
    pub const KEPT_PLACE: u8 = 2;
    /// The order waits for its trigger.
    pub const ARMED: u8 = 4;
    /// The order waits for its parent.
    pub const WAITING: u8 = 8;

    /// An empty event of a kind; the book stamps seq, command, instrument and time.
    #[inline]
    pub(crate) const fn of(kind: EventKind, reason: Reason) -> Self {
        Self {
            kind,
            reason,
            side: None,
            flags: 0,
            instrument: InstrumentId(0),
            seq: Seq(0),
            command_id: CommandId(0),
            order_id: OrderId(0),
            account: AccountId(0),
            maker_order_id: OrderId(0),
            maker_account: AccountId(0),
            price: Ticks(0),
            quantity: Lots(0),
            leaves: Lots(0),
            maker_leaves: Lots(0),
            priority: Seq(0),
            time: Micros(0),
        }
    }

    /// The record of the event; the layout is in `codec`.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> [u8; EVENT_SIZE] {
        let mut record = [0; EVENT_SIZE];
        let side = self.side.map_or(0, Side::code);
        record[..4].copy_from_slice(&[self.kind.code(), self.reason.code(), side, self.flags]);
        record[4..8].copy_from_slice(&self.instrument.0.to_le_bytes());
        put(
            &mut record,
            8,
            [
                self.seq.0,
                self.command_id.0,
                self.order_id.0,
                self.account.0,
                self.maker_order_id.0,
                self.maker_account.0,
                self.price.0,
                self.quantity.0,
                self.leaves.0,
                self.maker_leaves.0,
                self.priority.0,
                self.time.0,
            ],
        );
        record
    }

    /// An event about an order as it stands now.
    #[inline]
    pub(crate) const fn about(order: &Order, kind: EventKind, reason: Reason) -> Self {
        Self {
            side: Some(order.side),
            order_id: order.order_id,
            account: order.account,
            price: order.price,
            leaves: order.leaves,
            ..Self::of(kind, reason)
        }
    }

    /// The end of an order: `quantity` lots are removed and none are left.
    #[inline]
    pub(crate) const fn cancelled(order: &Order, quantity: Lots, reason: Reason) -> Self {
        Self { quantity, leaves: Lots::ZERO, ..Self::about(order, EventKind::Cancelled, reason) }
    }
}
