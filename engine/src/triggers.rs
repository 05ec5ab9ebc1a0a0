//! Triggers: which armed orders a price sets off, and the trailing of those that follow the market.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::{Book, Step};
use crate::event::{Event, EventKind};
use crate::parked::Parked;
use crate::types::{Lots, OrderId, Phase, Place, Reason, Seq, Side, Ticks, TriggerKind, TriggerSource};

/// Armed orders that go off when a price rises to, or falls to, their trigger.
#[derive(Clone, Debug, Default)]
struct Watch {
    rising: BTreeMap<(Ticks, Seq), OrderId>,
    falling: BTreeMap<(Ticks, Seq), OrderId>,
}

impl Watch {
    /// Those that `price` sets off, in order of entry.
    fn due(&self, price: Ticks) -> BTreeMap<Seq, OrderId> {
        let rising = self.rising.range(..=(price, Seq(i64::MAX)));
        let falling = self.falling.range((price, Seq(0))..);
        rising.chain(falling).map(|(&(_, entry), &order_id)| (entry, order_id)).collect()
    }

    fn is_empty(&self) -> bool {
        self.rising.is_empty() && self.falling.is_empty()
    }

    fn len(&self) -> usize {
        self.rising.len() + self.falling.len()
    }
}

/// The triggers of a book's armed orders.
#[derive(Clone, Debug)]
pub(crate) struct Triggers {
    last: Watch,
    ask: Watch,
    bid: Watch,
    /// Trailing orders by entry; they are among `last` too.
    trailing: BTreeMap<Seq, OrderId>,
    /// A trade price strictly between these two means nothing to anybody.
    low: Ticks,
    high: Ticks,
    /// Whether anybody watches the touch.
    quotes: bool,
}

const NEVER_LOW: Ticks = Ticks(i64::MIN);
const NEVER_HIGH: Ticks = Ticks(i64::MAX);

impl Default for Triggers {
    fn default() -> Self {
        Self {
            last: Watch::default(),
            ask: Watch::default(),
            bid: Watch::default(),
            trailing: BTreeMap::new(),
            low: NEVER_LOW,
            high: NEVER_HIGH,
            quotes: false,
        }
    }
}

impl Triggers {
    /// Whether a trade at this price may set off or move anything.
    pub(crate) fn care_for(&self, price: Ticks) -> bool {
        price <= self.low || price >= self.high
    }

    /// Whether the touch may set off anything.
    pub(crate) const fn watch_quotes(&self) -> bool {
        self.quotes
    }

    /// How many orders are watched (for `check`).
    pub(crate) fn len(&self) -> usize {
        self.last.len() + self.ask.len() + self.bid.len()
    }

    /// Whether this order is watched (for `check`).
    pub(crate) fn contains(&self, parked: &Parked) -> bool {
        let key = (parked.terms.trigger_price, parked.order.priority);
        let watch = match (parked.terms.source, parked.order.side) {
            (TriggerSource::Last, _) => &self.last,
            (TriggerSource::Quote, Side::Buy) => &self.ask,
            (TriggerSource::Quote, Side::Sell) => &self.bid,
        };
        let map = if rises(parked) { &watch.rising } else { &watch.falling };
        let trails = self.trailing.get(&parked.order.priority) == Some(&parked.order.order_id);
        map.get(&key) == Some(&parked.order.order_id) && trails == parked.terms.trigger.trails()
    }

    pub(crate) fn watch(&mut self, parked: &Parked) {
        let key = (parked.terms.trigger_price, parked.order.priority);
        self.map_of(parked).insert(key, parked.order.order_id);
        if parked.terms.trigger.trails() {
            self.trailing.insert(parked.order.priority, parked.order.order_id);
        }
        self.remember_bounds();
    }

    pub(crate) fn unwatch(&mut self, parked: &Parked) {
        if parked.place != Place::Armed {
            return;
        }
        let key = (parked.terms.trigger_price, parked.order.priority);
        self.map_of(parked).remove(&key);
        if parked.terms.trigger.trails() {
            self.trailing.remove(&parked.order.priority);
        }
        self.remember_bounds();
    }

    fn map_of(&mut self, parked: &Parked) -> &mut BTreeMap<(Ticks, Seq), OrderId> {
        let watch = match (parked.terms.source, parked.order.side) {
            (TriggerSource::Last, _) => &mut self.last,
            (TriggerSource::Quote, Side::Buy) => &mut self.ask,
            (TriggerSource::Quote, Side::Sell) => &mut self.bid,
        };
        if rises(parked) { &mut watch.rising } else { &mut watch.falling }
    }

    fn remember_bounds(&mut self) {
        let first_rising = self.last.rising.first_key_value().map_or(NEVER_HIGH, |(&(price, _), _)| price);
        let first_falling = self.last.falling.last_key_value().map_or(NEVER_LOW, |(&(price, _), _)| price);
        self.quotes = !(self.ask.is_empty() && self.bid.is_empty());
        // Whatever trails may move with any price.
        let any = !self.trailing.is_empty();
        self.high = if any { NEVER_LOW } else { first_rising };
        self.low = if any { NEVER_HIGH } else { first_falling };
    }
}

/// Whether the order goes off when the price rises to its trigger; otherwise when it falls to it.
fn rises(parked: &Parked) -> bool {
    let with_the_market = parked.terms.trigger == TriggerKind::TakeProfit;
    (parked.order.side == Side::Buy) != with_the_market
}

fn reached(parked: &Parked, price: Ticks) -> bool {
    if rises(parked) { price >= parked.terms.trigger_price } else { price <= parked.terms.trigger_price }
}

/// Where a trailing order's trigger and price move to when a trade happens at `price`, if they do.
fn trailed(parked: &Parked, price: Ticks) -> Option<(Ticks, Ticks)> {
    let terms = &parked.terms;
    let last = i128::from(price.0);
    let distance = match terms.trigger {
        TriggerKind::TrailingBps => last * i128::from(terms.distance) / 10_000,
        _ => i128::from(terms.distance),
    };
    // Towards the market is down for a buyer's stop, which lies above it, and up for a seller's.
    let (candidate, direction) = match parked.order.side {
        Side::Buy => (last + distance, -1),
        Side::Sell => (last - distance, 1),
    };
    let gain = (candidate - i128::from(terms.trigger_price.0)) * direction;
    let step = i128::from(terms.step.0);
    if gain < step {
        return None;
    }
    let moved = |ticks: Ticks| {
        let to = i128::from(ticks.0) + (gain / step) * step * direction;
        i64::try_from(to).ok().filter(|&to| to >= 1).map(Ticks)
    };
    let price = if parked.order.price.0 == 0 { Some(Ticks(0)) } else { moved(parked.order.price) };
    moved(terms.trigger_price).zip(price)
}

impl Book {
    /// Whether there is anything for `settle` to do.
    pub(crate) fn is_restless(&self) -> bool {
        self.agenda.is_busy || self.parked.triggers.watch_quotes()
    }

    /// Lets armed orders look at what has happened to the market since they last did.
    pub(crate) fn examine(&mut self, step: &mut Step<'_>) {
        let mut prices = std::mem::take(&mut self.agenda.prices);
        let armed = std::mem::take(&mut self.agenda.armed);
        if self.state.phase == Phase::Open {
            self.follow_trades(&prices, step);
            for order_id in armed {
                self.join_the_armed(order_id, step);
            }
            if self.parked.triggers.watch_quotes() {
                self.follow_the_touch(step);
            }
        } else {
            for order_id in armed {
                self.watch(order_id);
            }
        }
        prices.clear();
        self.agenda.prices = prices;
    }

    fn follow_trades(&mut self, prices: &[Ticks], step: &mut Step<'_>) {
        let mut moved = BTreeSet::new();
        let mut before = None;
        for &price in prices {
            if before == Some(price) {
                continue;
            }
            before = Some(price);
            let trailing: Vec<(Seq, OrderId)> =
                self.parked.triggers.trailing.iter().map(|(&entry, &order_id)| (entry, order_id)).collect();
            for (entry, order_id) in trailing {
                if self.trail(order_id, price) {
                    self.watch(order_id);
                    moved.insert((entry, order_id));
                }
            }
            for order_id in self.parked.triggers.last.due(price).into_values() {
                self.trigger(order_id, step);
            }
        }
        for (_, order_id) in moved {
            self.emit_trailed(order_id, step);
        }
    }

    /// Examines an order that was armed a moment ago, and watches it from here on.
    fn join_the_armed(&mut self, order_id: OrderId, step: &mut Step<'_>) {
        let last = self.state.last_price;
        if last.0 > 0 && self.trail(order_id, last) {
            self.emit_trailed(order_id, step);
        }
        self.watch(order_id);
        let due = self.parked.get(order_id).is_some_and(|parked| {
            parked.terms.source == TriggerSource::Last && last.0 > 0 && reached(parked, last)
        });
        if due {
            self.trigger(order_id, step);
        }
    }

    fn follow_the_touch(&mut self, step: &mut Step<'_>) {
        let (ask, bid) = (self.asks.displayed_price(), self.bids.displayed_price());
        let triggers = &self.parked.triggers;
        let mut due = ask.map(|ask| triggers.ask.due(ask)).unwrap_or_default();
        due.extend(bid.map(|bid| triggers.bid.due(bid)).unwrap_or_default());
        for order_id in due.into_values() {
            self.trigger(order_id, step);
        }
    }

    /// Moves a trailing order's trigger, if a trade at `price` does; the order is not watched then.
    fn trail(&mut self, order_id: OrderId, price: Ticks) -> bool {
        let trailing = self.parked.get(order_id).filter(|parked| parked.terms.trigger.trails());
        let Some((trigger, limit)) = trailing.and_then(|parked| trailed(parked, price)) else { return false };
        self.change_parked(order_id, |parked| {
            parked.terms.trigger_price = trigger;
            parked.order.price = limit;
        });
        true
    }

    /// Says where an order's trigger is now, unless it has gone off or ended meanwhile.
    pub(crate) fn emit_trailed(&mut self, order_id: OrderId, step: &mut Step<'_>) {
        if let Some(parked) = self.parked.get(order_id).filter(|parked| !parked.queued) {
            let trailed = Event {
                price: parked.terms.trigger_price,
                ..Event::about(&parked.order, EventKind::Trailed, Reason::None)
            };
            self.emit(step, trailed);
        }
    }

    /// An armed order's trigger is reached: it will go live, and those who depend on its not doing so end.
    fn trigger(&mut self, order_id: OrderId, step: &mut Step<'_>) {
        if self.parked.get(order_id).is_none_or(|parked| parked.queued) {
            return;
        }
        let mut partner = OrderId::NONE;
        let queued = self.change_parked(order_id, |parked| {
            parked.queued = true;
            // The end of the partner must not end this one.
            partner = std::mem::replace(&mut parked.terms.partner, OrderId::NONE);
        });
        let Some(parked) = queued else { return };
        self.agenda.activate(order_id);
        self.end_partner(order_id, partner, step);
        if parked.is_attached() {
            self.end(parked.terms.parent, Reason::ExitTriggered, step);
        }
    }

    /// Notes a trade price, if it may matter.
    pub(crate) fn note_price(&mut self, price: Ticks) {
        if self.parked.triggers.care_for(price) {
            self.agenda.traded_at(price);
        }
    }

    /// The next order to go live takes its place as a taker.
    pub(crate) fn activate_next(&mut self, step: &mut Step<'_>) -> bool {
        while let Some(order_id) = self.agenda.activations.pop_front() {
            let Some(parked) = self.unpark(order_id) else { continue };
            self.activate(&parked, step);
            return true;
        }
        false
    }

    fn activate(&mut self, parked: &Parked, step: &mut Step<'_>) {
        let &Parked { mut order, order_type, tif, terms, place, .. } = parked;
        order.priority = self.next_seq();
        let (kind, quantity) = match place {
            Place::Armed => (EventKind::Triggered, Lots::ZERO),
            _ => (EventKind::Activated, order.leaves + order.executed),
        };
        let woken = Event::about(&order, kind, Reason::None);
        self.emit(step, Event { quantity, priority: order.priority, ..woken });
        let refusal = self.refusal_to_go_live(&order, order_type, tif, Some(&terms)).or_else(|| {
            let fits = self.fits(&order, Lots::ZERO, order.leaves);
            (!fits).then_some(Reason::Invalid)
        });
        match refusal {
            Some(reason) => self.emit_end(&order, terms.partner, reason, step),
            None => self.go_live(order, order_type, tif, Some(&terms), step),
        }
    }
}
