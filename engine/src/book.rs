//! The book of one instrument: its resting orders, its queues, and the numbers that travel with them.
//!
//! Invariants (verified by `check`):
//! - bids are below asks; every level holds at least one order and its quantity is their sum;
//! - within a level, priority rises from head to tail; no two orders share a priority or an id;
//! - the open lots of a side, and the total of any order, fit in 64 bits;
//! - `orders_hash` is the sum of the hashes of the resting orders.

use crate::engine::{BookState, LevelTotal};
use crate::event::Event;
use crate::hash::{order_hash, state_hash};
use crate::level::Ladder;
use crate::orders::{NIL, Node, Order, OrderIndex, Slab};
use crate::types::{CommandId, InstrumentId, Lots, Micros, OrderId, Seq, Side, Ticks};

/// How many touched levels are remembered before repeats are squeezed out.
const TOUCHED_MIN: usize = 4096;

#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) instrument: InstrumentId,
    pub(crate) state: BookState,
    pub(crate) orders: Slab,
    pub(crate) index: OrderIndex,
    pub(crate) bids: Ladder,
    pub(crate) asks: Ladder,
    pub(crate) orders_hash: u128,
    /// Levels changed since the last report; repeats are possible when a level closed and reopened.
    touched: Vec<(Side, Ticks)>,
    squeeze_at: usize,
}

/// The command being executed: what is stamped on its events, and where they go.
pub(crate) struct Step<'a> {
    pub(crate) command_id: CommandId,
    pub(crate) time: Micros,
    pub(crate) events: &'a mut Vec<Event>,
}

impl Book {
    pub(crate) fn new(instrument: InstrumentId, state: BookState) -> Self {
        Self {
            instrument,
            state,
            orders: Slab::new(),
            index: OrderIndex::default(),
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
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

    pub(crate) fn find(&self, order_id: OrderId) -> Option<u32> {
        self.index.get(&order_id).copied()
    }

    /// The `seq` the next event will carry.
    pub(crate) const fn next_seq(&self) -> Seq {
        Seq(self.state.seq.0 + 1)
    }

    /// Stamps and records one event.
    pub(crate) fn emit(&mut self, step: &mut Step<'_>, event: Event) {
        self.state.seq = self.next_seq();
        step.events.push(Event {
            instrument: self.instrument,
            seq: self.state.seq,
            command_id: step.command_id,
            time: step.time,
            ..event
        });
    }

    /// Puts an order at the end of its level's queue. Its id must be free.
    pub(crate) fn rest(&mut self, order: Order) {
        let level_id = self.ladder_mut(order.side).open(order.price);
        let tail = self.ladder(order.side).level(level_id).tail;
        let slot = self.orders.insert(Node { order, level: level_id, prev: tail, next: NIL });
        if tail != NIL {
            self.orders.node_mut(tail).next = slot;
        }
        let ladder = self.ladder_mut(order.side);
        ladder.total += order.leaves;
        let level = ladder.level_mut(level_id);
        level.quantity += order.leaves;
        level.tail = slot;
        if level.head == NIL {
            level.head = slot;
        }
        self.index.insert(order.order_id, slot);
        self.orders_hash = self.orders_hash.wrapping_add(order_hash(&order));
        self.touch(order.side, level_id);
    }

    /// Takes an order out of the book and returns it as it was.
    pub(crate) fn remove(&mut self, slot: u32) -> Order {
        let Node { order, level: level_id, prev, next } = self.orders.remove(slot);
        if prev != NIL {
            self.orders.node_mut(prev).next = next;
        }
        if next != NIL {
            self.orders.node_mut(next).prev = prev;
        }
        self.touch(order.side, level_id);
        let ladder = self.ladder_mut(order.side);
        ladder.total -= order.leaves;
        let level = ladder.level_mut(level_id);
        level.quantity -= order.leaves;
        if prev == NIL {
            level.head = next;
        }
        if next == NIL {
            level.tail = prev;
        }
        if level.head == NIL {
            ladder.close(level_id);
        }
        self.index.remove(&order.order_id);
        self.orders_hash = self.orders_hash.wrapping_sub(order_hash(&order));
        order
    }

    /// Takes `executed + dropped` lots, fewer than are open, from an order that keeps its place.
    pub(crate) fn shrink(&mut self, slot: u32, executed: Lots, dropped: Lots) -> Order {
        let taken = executed + dropped;
        let node = self.orders.node_mut(slot);
        let level_id = node.level;
        let before = order_hash(&node.order);
        node.order.leaves -= taken;
        node.order.executed += executed;
        let order = node.order;
        self.orders_hash = self.orders_hash.wrapping_sub(before).wrapping_add(order_hash(&order));
        let ladder = self.ladder_mut(order.side);
        ladder.total -= taken;
        ladder.level_mut(level_id).quantity -= taken;
        self.touch(order.side, level_id);
        order
    }

    /// Open orders in the order in which they got their places.
    pub(crate) fn open_orders(&self) -> Vec<Order> {
        self.slots_by_priority().into_iter().map(|slot| *self.order(slot)).collect()
    }

    pub(crate) fn slots_by_priority(&self) -> Vec<u32> {
        let queues = self.bids.iter().chain(self.asks.iter());
        let mut slots: Vec<u32> = queues.flat_map(|(_, level)| self.queue(level.head)).collect();
        slots.sort_unstable_by_key(|&slot| self.order(slot).priority);
        slots
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
        let BookState { seq, last_time, last_price, halted } = self.state;
        state_hash(self.orders_hash, seq.0, last_time.0, last_price.0, halted)
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
            book.rest(Order { order_id: OrderId(number), priority: Seq(number), ..sample() });
        }
        book
    }

    fn ids(book: &Book) -> Vec<i64> {
        book.open_orders().iter().map(|order| order.order_id.0).collect()
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
    fn the_hash_returns_when_an_order_does() {
        let mut book = book_of_three();
        let before = book.state_hash();
        let order = book.remove(1);
        assert_ne!(book.state_hash(), before);
        book.rest(Order { priority: Seq(4), ..order });
        assert_ne!(book.state_hash(), before, "another place is another state");
        book.remove(1);
        book.rest(order);
        assert_eq!(book.state_hash(), before);
    }

    #[test]
    fn unread_changes_do_not_pile_up() {
        let mut book = Book::new(InstrumentId(1), BookState::EMPTY);
        for _ in 0..10 * TOUCHED_MIN {
            book.rest(sample());
            book.remove(0);
        }
        assert!(book.touched.len() < TOUCHED_MIN);
        let mut changes = Vec::new();
        book.drain_changes(&mut changes);
        assert_eq!(changes, [book.total(Side::Buy, Ticks(4), Lots::ZERO)]);
    }
}
