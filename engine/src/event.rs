//! What a book answers: every command yields at least one event, every event takes one `seq`.

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
        /// The book stopped taking orders.
        Halted = 9,
        /// The book takes orders again.
        Resumed = 10,
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
    /// `RESTS` and `KEPT_PLACE`.
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
    /// Price of the trade; otherwise the price of the order, or the price asked for.
    pub price: Ticks,
    /// Lots accepted, rejected, traded, removed or prevented; on an amendment, the new total.
    pub quantity: Lots,
    /// Open lots of `order_id` afterwards.
    pub leaves: Lots,
    /// Open lots of the maker afterwards.
    pub maker_leaves: Lots,
    /// The place the order got (accepted, amended).
    pub priority: Seq,
    /// The book's time.
    pub time: Micros,
}

impl Event {
    /// The order is in the book once the whole command is done.
    pub const RESTS: u8 = 1;
    /// The amended order kept its place in the queue.
    pub const KEPT_PLACE: u8 = 2;

    /// An empty event of a kind; the book stamps seq, command, instrument and time.
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

    /// An event about an order as it stands now.
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
    pub(crate) const fn cancelled(order: &Order, quantity: Lots, reason: Reason) -> Self {
        Self { quantity, leaves: Lots::ZERO, ..Self::about(order, EventKind::Cancelled, reason) }
    }
}
