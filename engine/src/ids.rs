//! Order ids to slots: open addressing in a table of slots alone; which order's a slot is, the order in it says.
//!
//! Ids come from our own database, so speed matters and flooding does not. Nothing is ever iterated: hash
//! order cannot be seen.

use crate::orders::{NIL, Slab};
use crate::types::OrderId;

/// An odd number close to 2^64 divided by the golden ratio: it spreads blocks over the table.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// So many neighbouring ids have neighbouring places: new orders mostly find theirs in the cache.
const BLOCK: u64 = 16;
/// A search goes on in the next block, one further: ids with a common stride do not stay in each other's way,
/// and, as it is odd, every place is reached.
const STRIDE: usize = 17;
/// `STRIDE` times this is one.
const STRIDE_INVERSE: usize = 0xF0F0_F0F0_F0F0_F0F1;
const CAPACITY_MIN: usize = 256;
/// There are at least so many places for each order, so that hardly any search goes on.
const ROOM: usize = 8;

/// Slots by the ids of the orders in them.
#[derive(Clone, Debug)]
pub(crate) struct IdMap {
    /// `NIL` where there is none.
    slots: Vec<u32>,
    len: usize,
    /// 64 less the bits of a block's number.
    shift: u32,
}

impl IdMap {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0, shift: 64 - BLOCK.trailing_zeros() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, order_id: OrderId, orders: &Slab) -> Option<u32> {
        self.find(order_id, orders).map(|(_, slot)| slot)
    }

    /// The slot of an id, and its place in the table for `remove_at`.
    #[inline(always)]
    pub(crate) fn find(&self, order_id: OrderId, orders: &Slab) -> Option<(usize, u32)> {
        let mut at = self.home(order_id);
        loop {
            let slot = *self.slots.get(at)?;
            if orders.get(slot)?.order.order_id == order_id {
                return Some((at, slot));
            }
            at = self.after(at);
        }
    }

    /// Adds the slot of an order whose id is not there.
    #[inline(always)]
    pub(crate) fn insert(&mut self, order_id: OrderId, slot: u32, orders: &Slab) {
        if (self.len + 1) * ROOM > self.slots.len() {
            self.grow(orders);
        }
        self.len += 1;
        self.put(order_id, slot);
    }

    /// Takes an id out, if it is there.
    #[inline]
    pub(crate) fn remove(&mut self, order_id: OrderId, orders: &Slab) {
        if let Some((place, _)) = self.find(order_id, orders) {
            self.remove_at(place, orders);
        }
    }

    /// Takes out what `find` found, and closes the gap so that no search ends at it.
    #[inline(always)]
    pub(crate) fn remove_at(&mut self, place: usize, orders: &Slab) {
        self.len -= 1;
        let (mut gap, mut at) = (place, self.after(place));
        while let Some(node) = orders.get(self.slots[at]) {
            if self.steps(self.home(node.order.order_id), at) >= self.steps(gap, at) {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.slots[gap] = NIL;
    }

    #[inline(always)]
    fn put(&mut self, order_id: OrderId, slot: u32) {
        let mut at = self.home(order_id);
        while self.slots[at] != NIL {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    #[cold]
    fn grow(&mut self, orders: &Slab) {
        let capacity = (self.slots.len() * 2).max(CAPACITY_MIN);
        self.shift = 64 - (capacity as u64 / BLOCK).trailing_zeros();
        let old = std::mem::replace(&mut self.slots, vec![NIL; capacity]);
        for slot in old {
            if let Some(node) = orders.get(slot) {
                self.put(node.order.order_id, slot);
            }
        }
    }

    /// Where the search for an id begins.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as there are blocks")]
    const fn home(&self, order_id: OrderId) -> usize {
        let id = order_id.0.cast_unsigned();
        let block = (id / BLOCK).wrapping_mul(SPREAD).wrapping_shr(self.shift);
        (block * BLOCK + id % BLOCK) as usize
    }

    #[inline]
    const fn after(&self, at: usize) -> usize {
        at.wrapping_add(STRIDE) & self.slots.len().wrapping_sub(1)
    }

    /// How many times `after` leads from one place to another.
    const fn steps(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from).wrapping_mul(STRIDE_INVERSE) & self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;
    use crate::orders::{Node, Order};
    use std::collections::HashMap;

    fn insert(map: &mut IdMap, orders: &mut Slab, id: i64) -> u32 {
        let (slot, order_id) = (orders.vacant(), OrderId(id));
        orders.insert(Node { order: Order { order_id, ..sample() }, prev: NIL, next: NIL });
        map.insert(order_id, slot, orders);
        slot
    }

    #[test]
    fn it_holds_what_a_map_of_the_library_holds() {
        for factor in [1, 16, 1 << 40] {
            let (mut ours, mut theirs, mut orders) = (IdMap::new(), HashMap::new(), Slab::new());
            assert_eq!(ours.get(OrderId(1), &orders), None);
            ours.remove(OrderId(1), &orders);
            let mut state = 1_u64;
            for _ in 0..20_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let id = (i64::try_from(state >> 55).unwrap() + 1) * factor;
                if let Some(slot) = theirs.remove(&id) {
                    ours.remove(OrderId(id), &orders);
                    orders.remove(slot);
                } else {
                    theirs.insert(id, insert(&mut ours, &mut orders, id));
                }
                ours.remove(OrderId(1_000_000_007), &orders);
                assert_eq!(ours.len(), theirs.len());
            }
            for id in 1..=600 {
                let id = id * factor;
                assert_eq!(ours.get(OrderId(id), &orders), theirs.get(&id).copied());
            }
        }
    }

    #[test]
    fn neighbours_stand_together_and_nobody_is_far_from_home() {
        for factor in [1, 2, 16, 4_096] {
            let (mut map, mut orders) = (IdMap::new(), Slab::new());
            for id in 1..=10_000 {
                insert(&mut map, &mut orders, id * factor);
            }
            let way = |id| map.steps(map.home(OrderId(id)), map.find(OrderId(id), &orders).unwrap().0);
            let all: usize = (1..=10_000).map(|id| way(id * factor)).sum();
            assert!(all < 40_000, "{all} steps for ids {factor} apart");
        }
    }
}
