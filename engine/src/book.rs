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
use crate::engine::{BookState, LevelTotal};
use crate::event::{Event, EventKind};
use crate::expiry::Expiries;
use crate::hash::{resting_hash, state_hash};
use crate::ids::IdMap;
use crate::level::Ladder;
use crate::open::OpenOrder;
use crate::orders::{ById, Extra, NIL, Node, Order, Slab, flag};
use crate::parked::ParkingLot;
use crate::types::{CommandId, InstrumentId, Lots, Micros, OrderId, Reason, Seq, Side, Ticks};

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) instrument: InstrumentId,
    pub(crate) state: BookState,
    pub(crate) orders: Slab,
    /// Resting orders to slots.
    pub(crate) index: IdMap,
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
            index: IdMap::new(),
            extras: ById::default(),
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            parked: ParkingLot::default(),
            expiries: Expiries::default(),
            agenda: Agenda::default(),
            orders_hash: 0,
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
    #[inline]
    pub(crate) fn find(&self, order_id: OrderId) -> Option<u32> {
        self.index.get(order_id, &self.orders)
    }

    /// Whether the order is resting or parked.
    #[inline]
    pub(crate) fn is_open(&self, order_id: OrderId) -> bool {
        self.index.get(order_id, &self.orders).is_some() || self.parked.get(order_id).is_some()
    }

    /// Open orders, parked ones too.
    pub(crate) fn order_count(&self) -> usize {
        self.index.len() + self.parked.len()
    }

    /// What a resting order has beyond `Order`.
    #[inline]
    pub(crate) fn extra(&self, order: &Order) -> Option<&Extra> {
        if order.is(flag::EXTRA) { self.extra_of(order.order_id) } else { None }
    }

    /// By value: an order whose address is known cannot stay in registers.
    #[cold]
    fn extra_of(&self, order_id: OrderId) -> Option<&Extra> {
        self.extras.get(&order_id)
    }

    /// The lots of a resting order that depth counts.
    #[inline]
    pub(crate) fn shown(&self, order: &Order) -> Lots {
        if order.is(flag::ICEBERG | flag::HIDDEN) {
            self.extra(order).map_or(Lots::ZERO, |extra| extra.shown)
        } else {
            order.leaves
        }
    }

    /// The lots of a resting order that one meeting can take.
    #[inline]
    pub(crate) fn available(&self, order: &Order) -> Lots {
        if order.is(flag::ICEBERG) { self.shown(order) } else { order.leaves }
    }

    /// The partner a resting order names.
    #[inline]
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
    #[inline]
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
    #[inline(never)]
    pub(crate) fn rest_with(&mut self, mut order: Order, extra: Extra) -> u32 {
        order.flags = (order.flags & !flag::EXTRA) | extra.flags();
        if order.is(flag::EXTRA) {
            self.extras.insert(order.order_id, extra);
            self.expiries.insert(extra.expires, order.order_id);
        }
        self.rest(&order)
    }

    /// The same for an order whose flags are right and whose extras, if any, are in their table.
    #[inline(always)]
    pub(crate) fn rest(&mut self, order: &Order) -> u32 {
        let slot = self.orders.vacant();
        self.ladder_mut(order.side).total += order.leaves;
        let (prev, next) = self.enqueue(slot, order);
        self.orders.insert(Node { order: *order, prev, next });
        self.index.insert(order.order_id, slot, &self.orders);
        self.orders_hash = self.orders_hash.wrapping_add(self.share(order));
        slot
    }

    /// Takes an order out of the book and returns it as it was.
    #[inline(never)]
    pub(crate) fn remove(&mut self, slot: u32) -> Order {
        let order_id = self.order(slot).order_id;
        self.index.remove(order_id, &self.orders);
        self.unlink(slot)
    }

    /// The same for an order that is out of the index.
    #[inline(always)]
    pub(crate) fn unlink(&mut self, slot: u32) -> Order {
        let Node { order, prev, next } = self.orders.remove(slot);
        self.orders_hash = self.orders_hash.wrapping_sub(self.share(&order));
        self.ladder_mut(order.side).total -= order.leaves;
        self.dequeue(slot, &order, prev, next);
        order
    }

    /// Forgets what an order that has left the book had beyond `Order`, and returns it.
    #[inline]
    pub(crate) fn take_extra(&mut self, order: &Order) -> Extra {
        if order.is(flag::EXTRA) { self.take_extra_of(order.order_id) } else { Extra::default() }
    }

    #[cold]
    fn take_extra_of(&mut self, order_id: OrderId) -> Extra {
        let extra = self.extras.remove(&order_id).unwrap_or_default();
        self.expiries.remove(extra.expires, order_id);
        extra
    }

    /// Takes `executed + dropped` lots, fewer than are open, from an order that keeps its place.
    #[inline]
    pub(crate) fn shrink(&mut self, slot: u32, executed: Lots, dropped: Lots) -> Order {
        let before = *self.order(slot);
        let hash = self.orders_hash.wrapping_sub(self.share(&before));
        let taken = executed + dropped;
        let order = &mut self.orders.node_mut(slot).order;
        order.leaves -= taken;
        order.executed += executed;
        let order = *order;
        let unshown =
            if order.is(flag::ICEBERG | flag::HIDDEN) { self.shrink_slice(&order, executed) } else { taken };
        self.orders_hash = hash.wrapping_add(self.share(&order));
        let ladder = self.ladder_mut(order.side);
        ladder.total -= taken;
        ladder.level_mut(order.price, !unshown.is_zero()).quantity -= unshown;
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
    #[cold]
    pub(crate) fn display_next(&mut self, slot: u32, step: &mut Step<'_>) {
        let order = *self.order(slot);
        let hash = self.orders_hash.wrapping_sub(self.share(&order));
        let &Node { prev, next, .. } = self.orders.node(slot);
        self.dequeue(slot, &order, prev, next);
        let priority = self.next_seq();
        let mut slice = Lots::ZERO;
        if let Some(extra) = self.extras.get_mut(&order.order_id) {
            slice = extra.display.map_or(order.leaves, |display| display.min(order.leaves));
            extra.shown = slice;
        }
        let order = Order { priority, ..order };
        let (prev, next) = self.enqueue(slot, &order);
        *self.orders.node_mut(slot) = Node { order, prev, next };
        self.orders_hash = hash.wrapping_add(self.share(&order));
        self.emit_displayed(&order, slice, step);
    }

    /// Says what an iceberg order shows.
    pub(crate) fn emit_displayed(&mut self, order: &Order, slice: Lots, step: &mut Step<'_>) {
        let displayed = Event::about(order, EventKind::Displayed, Reason::None);
        self.emit(step, Event { quantity: slice, priority: order.priority, ..displayed });
    }

    /// Cuts the link to a partner, once something has been filled.
    #[cold]
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
    #[inline(always)]
    fn share(&self, order: &Order) -> u128 {
        resting_hash(order, self.extra(order))
    }

    /// Links an order in at the end of its part of the queue, counts what it shows, and returns its neighbours.
    #[inline(always)]
    fn enqueue(&mut self, slot: u32, order: &Order) -> (u32, u32) {
        let shown = self.shown(order);
        let level = self.ladder_mut(order.side).open(order.price, !shown.is_zero());
        level.quantity += shown;
        if level.hidden != NIL {
            return self.enqueue_at_hidden(slot, order.side, order.price, order.is(flag::HIDDEN));
        }
        let (prev, next) = level.append(slot, order.is(flag::HIDDEN));
        if prev != NIL {
            self.orders.node_mut(prev).next = slot;
        }
        (prev, next)
    }

    /// Where there are hidden orders: a hidden one comes last, another before the first of them.
    #[cold]
    fn enqueue_at_hidden(&mut self, slot: u32, side: Side, price: Ticks, is_hidden: bool) -> (u32, u32) {
        let ladder = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let level = ladder.level_mut(price, false);
        let next = if is_hidden { NIL } else { level.hidden };
        let prev = if next == NIL { level.tail } else { self.orders.node(next).prev };
        if prev == NIL {
            level.head = slot;
        } else {
            self.orders.node_mut(prev).next = slot;
        }
        if next == NIL {
            level.tail = slot;
        } else {
            self.orders.node_mut(next).prev = slot;
        }
        (prev, next)
    }

    /// Links an order out of its queue.
    #[inline(always)]
    fn dequeue(&mut self, slot: u32, order: &Order, prev: u32, next: u32) {
        let shown = self.shown(order);
        self.ladder_mut(order.side).leave(order.price, shown, slot, prev, next);
        if prev != NIL {
            self.orders.node_mut(prev).next = next;
        }
        if next != NIL {
            self.orders.node_mut(next).prev = prev;
        }
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
            .map(move |(price, level)| self.total(side, price, level.quantity))
    }

    /// Reports every level touched since the last call, by side and price, and starts anew.
    pub(crate) fn drain_changes(&mut self, changes: &mut Vec<LevelTotal>) {
        let instrument = self.instrument;
        for (side, ladder) in [(Side::Buy, &mut self.bids), (Side::Sell, &mut self.asks)] {
            ladder.drain_touched(|price, quantity| {
                changes.push(LevelTotal { instrument, side, price, quantity });
            });
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;

    fn book_of_three() -> Book {
        let mut book = Book::new(InstrumentId(1), BookState { seq: Seq(9), ..BookState::EMPTY });
        for number in 1..=3 {
            let order = Order { order_id: OrderId(number), priority: Seq(number), ..sample() };
            book.rest(&order);
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
            book.rest_with(Order { order_id: OrderId(number), priority: Seq(number), ..sample() }, extra);
        }
        let last = Order { order_id: OrderId(6), priority: Seq(6), ..sample() };
        book.rest(&last);

        let (_, level) = book.bids.iter().next().unwrap();
        let turn: Vec<i64> = book.queue(level.head).map(|slot| book.order(slot).order_id.0).collect();
        assert_eq!((turn, level.quantity), (vec![1, 2, 3, 6, 4, 5], Lots(20)));
        assert_eq!(book.check(), Ok(()));
    }

    #[test]
    fn the_hash_returns_when_an_order_does() {
        let mut book = book_of_three();
        let before = book.state_hash();
        let order = book.remove(1);
        assert_ne!(book.state_hash(), before);
        book.rest(&Order { priority: Seq(4), ..order });
        assert_ne!(book.state_hash(), before, "another place is another state");
        book.remove(1);
        book.rest(&order);
        assert_eq!(book.state_hash(), before);
    }
}
