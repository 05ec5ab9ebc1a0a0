//! The book of one instrument: its open orders, its queues, and the numbers that travel with them.
//!
//! Invariants (verified by `check`):
//! - while open, bids are below asks; every level holds at least one order and its quantity is what they show;
//! - within a level, those that show something stand before those that do not, and priority rises from head to
//!   tail among each; no two orders share a priority or an id;
//! - the open lots of a side, and the total of any order, fit in 64 bits;
//! - `orders_hash` is the sum of the hashes of the open orders;
//! - between commands nothing is left on the agenda.

use crate::agenda::Agenda;
use crate::codec::OpenOrder;
use crate::engine::{BookState, LevelTotal};
use crate::event::{Event, EventKind};
use crate::expiry::Expiries;
use crate::hash::{resting_hash, state_hash};
use crate::level::Ladder;
use crate::orders::{ById, Extra, NIL, Node, Order, Slab, flag};
use crate::parked::ParkingLot;
use crate::types::{CommandId, InstrumentId, Lots, Micros, OrderId, Reason, Seq, Side, Ticks};

/// How many touched levels are remembered before repeats are squeezed out.
const TOUCHED_MIN: usize = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) instrument: InstrumentId,
    pub(crate) state: BookState,
    pub(crate) orders: Slab,
    /// Resting orders to slots.
    pub(crate) index: ById<u32>,
    /// Of the resting orders that need more than an `Order` says.
    pub(crate) extras: ById<Extra>,
    pub(crate) bids: Ladder,
    pub(crate) asks: Ladder,
    /// Orders that wait for a trigger or a parent.
    pub(crate) parked: ParkingLot,
    pub(crate) expiries: Expiries,
    /// What the command in hand has caused and not yet done.
    pub(crate) agenda: Agenda,
    pub(crate) orders_hash: u128,
    /// Levels changed since the last report; repeats are possible when a level closed and reopened.
    touched: Vec<(Side, Ticks)>,
    squeeze_at: usize,
}

/// The command being executed: what is stamped on its events, and where they go.
pub(crate) struct Step<'a> {
    pub(crate) command_id: CommandId,
    pub(crate) time: Micros,
    pub(crate) events: &'a mut Vec<u8>,
}

impl Book {
    pub(crate) fn new(instrument: InstrumentId, state: BookState) -> Self {
        Self {
            instrument,
            state,
            orders: Slab::new(),
            index: ById::default(),
            extras: ById::default(),
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            parked: ParkingLot::default(),
            expiries: Expiries::default(),
            agenda: Agenda::default(),
            orders_hash: 0,
            touched: Vec::new(),
            squeeze_at: TOUCHED_MIN,
        }
    }

    pub(crate) const fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub(crate) const fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    pub(crate) fn order(&self, slot: u32) -> &Order {
        &self.orders.node(slot).order
    }

    /// The slot of a resting order.
    pub(crate) fn find(&self, order_id: OrderId) -> Option<u32> {
        self.index.get(&order_id).copied()
    }

    /// Whether the order is resting or parked.
    pub(crate) fn is_open(&self, order_id: OrderId) -> bool {
        self.index.contains_key(&order_id) || self.parked.get(order_id).is_some()
    }

    /// Open orders, parked ones too.
    pub(crate) fn order_count(&self) -> usize {
        self.orders.len() + self.parked.len()
    }

    /// What a resting order has beyond `Order`.
    pub(crate) fn extra(&self, order: &Order) -> Option<&Extra> {
        if order.is(flag::EXTRA) { self.extras.get(&order.order_id) } else { None }
    }

    /// The lots of a resting order that depth counts.
    pub(crate) fn shown(&self, order: &Order) -> Lots {
        if order.is(flag::ICEBERG | flag::HIDDEN) {
            self.extra(order).map_or(Lots::ZERO, |extra| extra.shown)
        } else {
            order.leaves
        }
    }

    /// The lots of a resting order that one meeting can take.
    pub(crate) fn available(&self, order: &Order) -> Lots {
        if order.is(flag::ICEBERG) { self.shown(order) } else { order.leaves }
    }

    /// The partner a resting order names.
    pub(crate) fn partner(&self, order: &Order) -> OrderId {
        if order.is(flag::BOUND) {
            self.extra(order).map_or(OrderId::NONE, |extra| extra.partner)
        } else {
            OrderId::NONE
        }
    }

    /// The `seq` the next event will carry.
    pub(crate) const fn next_seq(&self) -> Seq {
        Seq(self.state.seq.0 + 1)
    }

    /// Stamps and records one event.
    pub(crate) fn emit(&mut self, step: &mut Step<'_>, event: Event) {
        self.state.seq = self.next_seq();
        let stamped = Event {
            instrument: self.instrument,
            seq: self.state.seq,
            command_id: step.command_id,
            time: step.time,
            ..event
        };
        step.events.extend_from_slice(&stamped.encode());
    }

    /// Puts an order into its level's queue. Its id must be free; `extra.shown` says what an iceberg order shows.
    pub(crate) fn rest(&mut self, mut order: Order, extra: Extra) -> u32 {
        order.flags = (order.flags & !flag::EXTRA) | extra.flags();
        if order.is(flag::EXTRA) {
            self.extras.insert(order.order_id, extra);
            self.expiries.insert(extra.expires, order.order_id);
        }
        let level = self.ladder_mut(order.side).open(order.price);
        let slot = self.orders.insert(Node { order, level, prev: NIL, next: NIL });
        self.ladder_mut(order.side).total += order.leaves;
        self.enqueue(slot);
        self.index.insert(order.order_id, slot);
        self.orders_hash = self.orders_hash.wrapping_add(self.share(&order));
        slot
    }

    /// Takes an order out of the book and returns it as it was, and what it had beyond.
    pub(crate) fn remove(&mut self, slot: u32) -> (Order, Extra) {
        let order = *self.order(slot);
        self.orders_hash = self.orders_hash.wrapping_sub(self.share(&order));
        self.dequeue(slot);
        let level_id = self.orders.remove(slot).level;
        let ladder = self.ladder_mut(order.side);
        ladder.total -= order.leaves;
        if ladder.level(level_id).head == NIL {
            ladder.close(level_id);
        }
        self.index.remove(&order.order_id);
        let extra = if order.is(flag::EXTRA) {
            let extra = self.extras.remove(&order.order_id).unwrap_or_default();
            self.expiries.remove(extra.expires, order.order_id);
            extra
        } else {
            Extra::default()
        };
        (order, extra)
    }

    /// Takes `executed + dropped` lots, fewer than are open, from an order that keeps its place.
    pub(crate) fn shrink(&mut self, slot: u32, executed: Lots, dropped: Lots) -> Order {
        let before = *self.order(slot);
        let hash = self.orders_hash.wrapping_sub(self.share(&before));
        let taken = executed + dropped;
        let node = self.orders.node_mut(slot);
        node.order.leaves -= taken;
        node.order.executed += executed;
        let (order, level_id) = (node.order, node.level);
        let unshown =
            if order.is(flag::ICEBERG | flag::HIDDEN) { self.shrink_slice(&order, executed) } else { taken };
        self.orders_hash = hash.wrapping_add(self.share(&order));
        let ladder = self.ladder_mut(order.side);
        ladder.total -= taken;
        ladder.level_mut(level_id).quantity -= unshown;
        self.touch(order.side, level_id);
        order
    }

    /// Takes what was executed from the slice, and no less than must go; returns what it lost.
    fn shrink_slice(&mut self, order: &Order, executed: Lots) -> Lots {
        let Some(extra) = self.extras.get_mut(&order.order_id) else { return Lots::ZERO };
        let before = extra.shown;
        if order.is(flag::ICEBERG) {
            extra.shown = (before - executed).min(order.leaves);
        }
        before - extra.shown
    }

    /// Shows the next slice of an iceberg order, at the back of those that show something.
    pub(crate) fn display_next(&mut self, slot: u32, step: &mut Step<'_>) {
        let order = *self.order(slot);
        let hash = self.orders_hash.wrapping_sub(self.share(&order));
        self.dequeue(slot);
        let priority = self.next_seq();
        let mut slice = Lots::ZERO;
        if let Some(extra) = self.extras.get_mut(&order.order_id) {
            slice = extra.display.map_or(order.leaves, |display| display.min(order.leaves));
            extra.shown = slice;
        }
        self.orders.node_mut(slot).order.priority = priority;
        self.enqueue(slot);
        let order = *self.order(slot);
        self.orders_hash = hash.wrapping_add(self.share(&order));
        self.emit_displayed(&order, slice, step);
    }

    /// Says what an iceberg order shows.
    pub(crate) fn emit_displayed(&mut self, order: &Order, slice: Lots, step: &mut Step<'_>) {
        let displayed = Event::about(order, EventKind::Displayed, Reason::None);
        self.emit(step, Event { quantity: slice, priority: order.priority, ..displayed });
    }

    /// Cuts the link to a partner, once something has been filled.
    pub(crate) fn forget_partner(&mut self, slot: u32) {
        let order = *self.order(slot);
        if !self.partner(&order).is_some() {
            return;
        }
        self.orders_hash = self.orders_hash.wrapping_sub(self.share(&order));
        let Some(extra) = self.extras.get_mut(&order.order_id) else { return };
        extra.partner = OrderId::NONE;
        let flags = extra.flags();
        if flags & flag::EXTRA == 0 {
            self.extras.remove(&order.order_id);
        }
        let node = self.orders.node_mut(slot);
        node.order.flags = (order.flags & !flag::EXTRA) | flags;
        let order = node.order;
        self.orders_hash = self.orders_hash.wrapping_add(self.share(&order));
    }

    /// A resting order's share of the hash of the book.
    fn share(&self, order: &Order) -> u128 {
        resting_hash(order, self.extra(order))
    }

    /// Links an order in at the end of its part of the queue, and counts what it shows.
    fn enqueue(&mut self, slot: u32) {
        let &Node { order, level: level_id, .. } = self.orders.node(slot);
        let (shown, hidden) = (self.shown(&order), order.is(flag::HIDDEN));
        let level = self.ladder(order.side).level(level_id);
        let next = if hidden { NIL } else { level.hidden };
        let prev = if next == NIL { level.tail } else { self.orders.node(next).prev };
        let node = self.orders.node_mut(slot);
        (node.prev, node.next) = (prev, next);
        if prev != NIL {
            self.orders.node_mut(prev).next = slot;
        }
        if next != NIL {
            self.orders.node_mut(next).prev = slot;
        }
        let level = self.ladder_mut(order.side).level_mut(level_id);
        level.quantity += shown;
        if prev == NIL {
            level.head = slot;
        }
        if next == NIL {
            level.tail = slot;
        }
        if hidden && level.hidden == NIL {
            level.hidden = slot;
        }
        self.touch(order.side, level_id);
    }

    /// Links an order out of its queue; the level stays, even if it is empty now.
    fn dequeue(&mut self, slot: u32) {
        let &Node { order, level: level_id, prev, next } = self.orders.node(slot);
        let shown = self.shown(&order);
        if prev != NIL {
            self.orders.node_mut(prev).next = next;
        }
        if next != NIL {
            self.orders.node_mut(next).prev = prev;
        }
        let level = self.ladder_mut(order.side).level_mut(level_id);
        level.quantity -= shown;
        if prev == NIL {
            level.head = next;
        }
        if next == NIL {
            level.tail = prev;
        }
        if level.hidden == slot {
            level.hidden = next;
        }
        self.touch(order.side, level_id);
    }

    /// Resting orders with their slots, level by level.
    pub(crate) fn resting(&self) -> impl Iterator<Item = (u32, &Order)> {
        let queues = self.bids.iter().chain(self.asks.iter());
        queues.flat_map(|(_, level)| self.queue(level.head)).map(|slot| (slot, self.order(slot)))
    }

    /// Everything open, by priority.
    pub(crate) fn open_orders(&self) -> Vec<OpenOrder> {
        let whole = |order_id| match self.find(order_id) {
            Some(slot) => {
                let order = *self.order(slot);
                Some(OpenOrder::Resting(order, self.extra(&order).copied().unwrap_or_default()))
            }
            None => self.parked.get(order_id).cloned().map(OpenOrder::Parked),
        };
        self.by_priority(|_| true).into_iter().filter_map(whole).collect()
    }

    /// Open orders that `wanted` accepts, in the order in which they got their places.
    pub(crate) fn by_priority(&self, wanted: impl Fn(&Order) -> bool) -> Vec<OrderId> {
        let parked = self.parked.iter().map(|parked| &parked.order);
        let open = self.resting().map(|(_, order)| order).chain(parked);
        let mut found: Vec<(Seq, OrderId)> =
            open.filter(|order| wanted(order)).map(|order| (order.priority, order.order_id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, order_id)| order_id).collect()
    }

    /// The slots of a queue, from `head` on.
    pub(crate) fn queue(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors((head != NIL).then_some(head), |&slot| {
            let next = self.orders.node(slot).next;
            (next != NIL).then_some(next)
        })
    }

    /// Up to `limit` levels of one side, best first.
    pub(crate) fn depth(&self, side: Side, limit: usize) -> impl Iterator<Item = LevelTotal> + '_ {
        self.ladder(side)
            .iter()
            .filter(|(_, level)| !level.quantity.is_zero())
            .take(limit)
            .map(move |(_, level)| self.total(side, level.price, level.quantity))
    }

    /// Reports every level touched since the last call, by side and price, and starts anew.
    pub(crate) fn drain_changes(&mut self, changes: &mut Vec<LevelTotal>) {
        self.squeeze();
        for (side, price) in std::mem::take(&mut self.touched) {
            let ladder = self.ladder_mut(side);
            let quantity = ladder.find(price).map_or(Lots::ZERO, |id| {
                let level = ladder.level_mut(id);
                level.touched = false;
                level.quantity
            });
            changes.push(self.total(side, price, quantity));
        }
    }

    /// Starts anew without a report.
    pub(crate) fn forget_changes(&mut self) {
        self.drain_changes(&mut Vec::new());
    }

    pub(crate) fn state_hash(&self) -> u128 {
        let BookState { seq, last_time, last_price, phase } = self.state;
        state_hash(self.orders_hash, seq.0, last_time.0, last_price.0, phase)
    }

    const fn total(&self, side: Side, price: Ticks, quantity: Lots) -> LevelTotal {
        LevelTotal { instrument: self.instrument, side, price, quantity }
    }

    fn touch(&mut self, side: Side, level_id: u32) {
        let level = self.ladder_mut(side).level_mut(level_id);
        let price = level.price;
        if !std::mem::replace(&mut level.touched, true) {
            self.touched.push((side, price));
            if self.touched.len() >= self.squeeze_at {
                self.squeeze();
            }
        }
    }

    /// Sorts and drops repeats, so that memory is bounded by distinct prices even if nobody reads.
    fn squeeze(&mut self) {
        self.touched.sort_unstable();
        self.touched.dedup();
        self.squeeze_at = TOUCHED_MIN.max(self.touched.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;

    fn book_of_three() -> Book {
        let mut book = Book::new(InstrumentId(1), BookState { seq: Seq(9), ..BookState::EMPTY });
        for number in 1..=3 {
            let order = Order { order_id: OrderId(number), priority: Seq(number), ..sample() };
            book.rest(order, Extra::default());
        }
        book
    }

    fn ids(book: &Book) -> Vec<i64> {
        book.by_priority(|_| true).iter().map(|id| id.0).collect()
    }

    #[test]
    fn leaving_the_queue_keeps_the_others_in_turn() {
        for (gone, left) in [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])] {
            let mut book = book_of_three();
            let slot = book.find(OrderId(gone)).unwrap();
            book.remove(slot);
            assert_eq!(ids(&book), left);
            assert_eq!(book.check(), Ok(()));
        }
    }

    #[test]
    fn hidden_orders_stand_behind_the_others() {
        let mut book = book_of_three();
        let extra = Extra { display: Some(Lots(0)), ..Extra::default() };
        for number in [4, 5] {
            book.rest(Order { order_id: OrderId(number), priority: Seq(number), ..sample() }, extra);
        }
        let last = Order { order_id: OrderId(6), priority: Seq(6), ..sample() };
        book.rest(last, Extra::default());

        let (_, level) = book.bids.iter().next().unwrap();
        let turn: Vec<i64> = book.queue(level.head).map(|slot| book.order(slot).order_id.0).collect();
        assert_eq!((turn, level.quantity), (vec![1, 2, 3, 6, 4, 5], Lots(20)));
        assert_eq!(book.check(), Ok(()));
    }

    #[test]
    fn the_hash_returns_when_an_order_does() {
        let mut book = book_of_three();
        let before = book.state_hash();
        let (order, extra) = book.remove(1);
        assert_ne!(book.state_hash(), before);
        book.rest(Order { priority: Seq(4), ..order }, extra);
        assert_ne!(book.state_hash(), before, "another place is another state");
        book.remove(1);
        book.rest(order, extra);
        assert_eq!(book.state_hash(), before);
    }

    #[test]
    fn unread_changes_do_not_pile_up() {
        let mut book = Book::new(InstrumentId(1), BookState::EMPTY);
        for _ in 0..10 * TOUCHED_MIN {
            book.rest(sample(), Extra::default());
            book.remove(0);
        }
        assert!(book.touched.len() < TOUCHED_MIN);
        let mut changes = Vec::new();
        book.drain_changes(&mut changes);
        assert_eq!(changes, [book.total(Side::Buy, Ticks(4), Lots::ZERO)]);
    }
}
