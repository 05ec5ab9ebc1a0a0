//! Resting orders in a slab: u32 slots instead of pointers, the last freed slot is used first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::types::{AccountId, GroupId, Lots, Micros, OrderId, Seq, Side, StpMode, Ticks};

/// The end of a list of slots.
pub(crate) const NIL: u32 = u32::MAX;

/// Properties of an order, as bits. Those above `DAY` are about the table of extras and never leave the book.
pub(crate) mod flag {
    /// It must only ever add liquidity.
    pub(crate) const POST_ONLY: u8 = 1;
    /// It ends with the session.
    pub(crate) const DAY: u8 = 2;
    /// It shows a slice at a time.
    pub(crate) const ICEBERG: u8 = 4;
    /// It shows nothing.
    pub(crate) const HIDDEN: u8 = 8;
    /// It has extras that are not about display: an end or a partner.
    pub(crate) const BOUND: u8 = 16;
    /// Others depend on what happens to it: a partner or children.
    pub(crate) const WATCHED: u8 = 32;
    /// It has an entry in the table of extras.
    pub(crate) const EXTRA: u8 = ICEBERG | HIDDEN | BOUND;
}

/// An order with open lots: what matching needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "`order_id` is what everybody calls it")]
pub(crate) struct Order {
    pub(crate) order_id: OrderId,
    pub(crate) account: AccountId,
    /// Its self-trade prevention group; zero means the account itself.
    pub(crate) stp_group: GroupId,
    /// Limit price; of a market order the protection price.
    pub(crate) price: Ticks,
    pub(crate) leaves: Lots,
    /// Lots used up: by trades, by self-trade prevention, by the cut of a reduce-only order; `leaves + executed` is the
    /// total an amendment speaks of, whatever happened between its request and its arrival.
    pub(crate) executed: Lots,
    /// The `seq` at which it got its place.
    pub(crate) priority: Seq,
    pub(crate) side: Side,
    /// What it does when it would take from its own group.
    pub(crate) stp: StpMode,
    pub(crate) flags: u8,
}

impl Order {
    pub(crate) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Its owner may, and account zero, the operator.
    pub(crate) fn may_be_changed_by(&self, account: AccountId) -> bool {
        account.0 == 0 || account == self.account
    }
}

/// What a resting order has beyond an `Order`, where it has any of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// The size of a slice, if the order has one; zero hides it.
    pub(crate) display: Option<Lots>,
    /// What is left of the slice.
    pub(crate) shown: Lots,
    /// When the order ends; zero for never.
    pub(crate) expires: Micros,
    pub(crate) partner: OrderId,
}

impl Extra {
    /// The flags that say why an order needs this.
    pub(crate) fn flags(&self) -> u8 {
        let display =
            self.display.map_or(0, |lots| if lots.is_zero() { flag::HIDDEN } else { flag::ICEBERG });
        let partner = if self.partner.is_some() { flag::BOUND | flag::WATCHED } else { 0 };
        display | partner | if self.expires.0 == 0 { 0 } else { flag::BOUND }
    }
}

/// An order in its level's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) order: Order,
    pub(crate) prev: u32,
    pub(crate) next: u32,
}

/// Nodes by slot. A free slot's `next` is the next free slot.
#[derive(Clone, Debug)]
pub(crate) struct Slab {
    nodes: Vec<Node>,
    free: u32,
}

impl Slab {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NIL }
    }

    /// Slots ever used, and how many of them are on the free list (for `check`).
    pub(crate) fn capacity(&self) -> (usize, usize) {
        let free = std::iter::successors((self.free != NIL).then_some(self.free), |&slot| {
            let next = self.node(slot).next;
            (next != NIL).then_some(next)
        });
        (self.nodes.len(), free.take(self.nodes.len() + 1).count())
    }

    /// What is in a slot, or was before it became free; `NIL` is none.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u32) -> Option<&Node> {
        self.nodes.get(slot as usize)
    }

    #[inline]
    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    /// The slot that the next `insert` will use.
    #[inline(always)]
    pub(crate) fn vacant(&self) -> u32 {
        if self.free == NIL {
            u32::try_from(self.nodes.len()).expect("fewer than 2^32 orders fit in memory")
        } else {
            self.free
        }
    }

    /// Fills the slot that `vacant` named.
    #[inline(always)]
    pub(crate) fn insert(&mut self, node: Node) {
        match self.nodes.get_mut(self.free as usize) {
            Some(place) => {
                self.free = place.next;
                *place = node;
            }
            None => self.nodes.push(node),
        }
    }

    /// Empties a slot and returns what was there.
    #[inline(always)]
    pub(crate) fn remove(&mut self, slot: u32) -> Node {
        let place = &mut self.nodes[slot as usize];
        let node = *place;
        place.next = self.free;
        self.free = slot;
        node
    }
}

/// Something by order id. Looked up, never iterated: hash order cannot be seen.
pub(crate) type ById<T> = HashMap<OrderId, T, BuildHasherDefault<IdHasher>>;

/// Ids come from our own database, so speed matters and flooding does not.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_i64(i64::from(byte));
        }
    }

    fn write_i64(&mut self, id: i64) {
        let spread = (self.0 ^ id.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ (spread >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;

    fn node() -> Node {
        Node { order: sample(), prev: NIL, next: NIL }
    }

    #[test]
    fn the_last_freed_slot_is_used_first() {
        let mut slab = Slab::new();
        let insert = |slab: &mut Slab| {
            let slot = slab.vacant();
            slab.insert(node());
            slot
        };
        let slots = [insert(&mut slab), insert(&mut slab), insert(&mut slab)];

        slab.remove(slots[0]);
        slab.remove(slots[2]);

        assert_eq!(slab.capacity(), (3, 2));
        assert_eq!([insert(&mut slab), insert(&mut slab), insert(&mut slab)], [2, 0, 3]);
        assert_eq!(slab.capacity(), (4, 0));
    }
}
