//! Resting orders in a slab: u32 slots instead of pointers, the last freed slot is used first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::hash::fold;
use crate::types::{AccountId, GroupId, Lots, Micros, OrderId, Seq, Side, StpMode, Ticks};

/// The end of a list of slots.
pub(crate) const NIL: u32 = u32::MAX;

/// An order with open lots: everything the book must remember about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its identity.
    pub order_id: OrderId,
    /// Its owner.
    pub account: AccountId,
    /// Its self-trade prevention group; zero means the account itself.
    pub stp_group: GroupId,
    /// Buy or sell.
    pub side: Side,
    /// Whether it must only ever add liquidity.
    pub post_only: bool,
    /// What it does when it would take from its own group.
    pub stp: StpMode,
    /// Limit price.
    pub price: Ticks,
    /// Open lots.
    pub leaves: Lots,
    /// Lots used up, by trades or by self-trade prevention; `leaves + executed` is the total an amendment
    /// speaks of, whatever happened between its request and its arrival.
    pub executed: Lots,
    /// The `seq` at which it got its place in the queue.
    pub priority: Seq,
    /// The book's time at which it got that place.
    pub time: Micros,
}

/// An order in its level's queue.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) order: Order,
    pub(crate) level: u32,
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

/// Nodes by slot. A free slot's `next` is the next free slot.
#[derive(Clone, Debug)]
pub(crate) struct Slab {
    nodes: Vec<Node>,
    free: u32,
    len: usize,
}

impl Slab {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Slots ever used, and how many of them are on the free list (for `check`).
    pub(crate) fn capacity(&self) -> (usize, usize) {
        let free = std::iter::successors((self.free != NIL).then_some(self.free), |&slot| {
            let next = self.node(slot).next;
            (next != NIL).then_some(next)
        });
        (self.nodes.len(), free.take(self.nodes.len() + 1).count())
    }

    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    pub(crate) fn insert(&mut self, node: Node) -> u32 {
        self.len += 1;
        if self.free != NIL {
            let slot = self.free;
            self.free = self.node(slot).next;
            *self.node_mut(slot) = node;
            return slot;
        }
        let slot = u32::try_from(self.nodes.len()).expect("fewer than 2^32 orders fit in memory");
        self.nodes.push(node);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Node {
        let removed = self.node(slot).clone();
        self.node_mut(slot).next = self.free;
        self.free = slot;
        self.len -= 1;
        removed
    }
}

/// Order id to slot. Looked up, never iterated: hash order cannot be seen.
pub(crate) type OrderIndex = HashMap<OrderId, u32, BuildHasherDefault<IdHasher>>;

/// Ids come from our own database, so speed matters and flooding does not.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = fold(self.0 ^ u64::from(byte), 0x9E37_79B9_7F4A_7C15);
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.0 = fold(id.cast_unsigned() ^ 0xD1B5_4A32_D192_ED03, 0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;

    fn node() -> Node {
        Node { order: sample(), level: 0, prev: NIL, next: NIL }
    }

    #[test]
    fn the_last_freed_slot_is_used_first() {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..3).map(|_| slab.insert(node())).collect();

        slab.remove(slots[0]);
        slab.remove(slots[2]);

        assert_eq!(slab.capacity(), (3, 2));
        assert_eq!([slab.insert(node()), slab.insert(node()), slab.insert(node())], [2, 0, 3]);
        assert_eq!((slab.len(), slab.capacity()), (4, (4, 0)));
    }
}
