//! Everything about an order that most orders do without.

use crate::types::{Link, Lots, Micros, OrderId, Ticks, TriggerKind, TriggerSource};

/// The most slices an iceberg order may have, so that one taker cannot cause an endless row of events.
pub(crate) const SLICES_MAX: i64 = 1_000;

/// What a new order may add to its price and quantity. Zero, or none, means that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What makes it go live.
    pub trigger: TriggerKind,
    /// Which price the trigger watches.
    pub source: TriggerSource,
    /// The price at which it goes live.
    pub trigger_price: Ticks,
    /// How far a trailing trigger stays behind: ticks, or basis points.
    pub distance: i64,
    /// The least move of a trailing trigger.
    pub step: Ticks,
    /// How much of it is shown at a time; zero hides it.
    pub display: Option<Lots>,
    /// The least that must trade at once when it goes live.
    pub min_quantity: Lots,
    /// When it ends.
    pub expires: Micros,
    /// What a market order may spend or must raise, in ticks times lots.
    pub budget: i64,
    /// The greatest quantity of a reduce-only order.
    pub position_limit: Lots,
    /// How it depends on others.
    pub link: Link,
    /// The order it waits for.
    pub parent: OrderId,
    /// The order that ends when this one is filled, is triggered or ends.
    pub partner: OrderId,
}

impl Terms {
    /// An order without terms.
    pub const NONE: Self = Self {
        trigger: TriggerKind::None,
        source: TriggerSource::Last,
        trigger_price: Ticks(0),
        distance: 0,
        step: Ticks(0),
        display: None,
        min_quantity: Lots::ZERO,
        expires: Micros(0),
        budget: 0,
        position_limit: Lots::ZERO,
        link: Link::None,
        parent: OrderId::NONE,
        partner: OrderId::NONE,
    };

    /// Those that still matter once the order rests.
    pub(crate) const fn of_resting(&self) -> Self {
        Self { display: self.display, expires: self.expires, partner: self.partner, ..Self::NONE }
    }

    /// Whether the order waits before it goes live.
    pub(crate) fn parks(&self) -> bool {
        self.trigger != TriggerKind::None || self.parent.is_some()
    }
}
