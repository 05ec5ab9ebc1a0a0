//! Order ids to slots: open addressing, one cache line for almost every look-up.
//!
//! Ids come from our own database, so speed matters and flooding does not. Nothing is ever iterated: hash
//! order cannot be seen.

use crate::types::OrderId;

/// An odd number close to 2^64 divided by the golden ratio: it spreads neighbours over the table.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const CAPACITY_MIN: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Zero where the entry is free.
    order_id: OrderId,
    slot: u32,
}

const FREE: Entry = Entry { order_id: OrderId::NONE, slot: 0 };

/// A table at most half full, so that runs stay short.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdMap {
    entries: Vec<Entry>,
    len: usize,
    /// 64 less the bits of a place.
    shift: u32,
}

impl IdMap {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), len: 0, shift: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, order_id: OrderId) -> Option<u32> {
        self.find(order_id).map(|(_, slot)| slot)
    }

    /// The slot of an id, and its place in the table for `remove_at`.
    #[inline(always)]
    pub(crate) fn find(&self, order_id: OrderId) -> Option<(usize, u32)> {
        let mut at = self.home(order_id);
        loop {
            let entry = self.entries.get(at)?;
            if !entry.order_id.is_some() {
                return None;
            }
            if entry.order_id == order_id {
                return Some((at, entry.slot));
            }
            at = self.after(at);
        }
    }

    /// Adds an id that is not there.
    #[inline(always)]
    pub(crate) fn insert(&mut self, order_id: OrderId, slot: u32) {
        if (self.len + 1) * 2 > self.entries.len() {
            self.grow();
        }
        self.len += 1;
        self.put(Entry { order_id, slot });
    }

    /// Takes an id out, if it is there.
    #[inline]
    pub(crate) fn remove(&mut self, order_id: OrderId) {
        if let Some((place, _)) = self.find(order_id) {
            self.remove_at(place);
        }
    }

    /// Takes out what `find` found, and closes the gap so that no search ends at it.
    #[inline(always)]
    pub(crate) fn remove_at(&mut self, place: usize) {
        let mut gap = place;
        self.len -= 1;
        let mut at = self.after(gap);
        while self.entries[at].order_id.is_some() {
            let entry = self.entries[at];
            let mask = self.entries.len() - 1;
            let from_home = at.wrapping_sub(self.home(entry.order_id)) & mask;
            if from_home >= at.wrapping_sub(gap) & mask {
                self.entries[gap] = entry;
                gap = at;
            }
            at = self.after(at);
        }
        self.entries[gap] = FREE;
    }

    #[inline(always)]
    fn put(&mut self, entry: Entry) {
        let mut at = self.home(entry.order_id);
        while self.entries[at].order_id.is_some() {
            at = self.after(at);
        }
        self.entries[at] = entry;
    }

    #[cold]
    fn grow(&mut self) {
        let capacity = (self.entries.len() * 2).max(CAPACITY_MIN);
        self.shift = 64 - capacity.trailing_zeros();
        let old = std::mem::replace(&mut self.entries, vec![FREE; capacity]);
        for entry in old.into_iter().filter(|entry| entry.order_id.is_some()) {
            self.put(entry);
        }
    }

    /// Where the search for an id begins.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as there are places")]
    const fn home(&self, order_id: OrderId) -> usize {
        order_id.0.cast_unsigned().wrapping_mul(SPREAD).wrapping_shr(self.shift) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_holds_what_a_map_of_the_library_holds() {
        let (mut ours, mut theirs) = (IdMap::new(), HashMap::new());
        assert_eq!(ours.get(OrderId(1)), None);
        ours.remove(OrderId(1));
        let mut state = 1_u64;
        for round in 0..20_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let order_id = OrderId(i64::try_from(state >> 55).unwrap() + 1);
            if theirs.remove(&order_id).is_some() {
                ours.remove(order_id);
            } else {
                theirs.insert(order_id, round);
                ours.insert(order_id, round);
            }
            ours.remove(OrderId(1_000_000));
            assert_eq!(ours.len(), theirs.len());
        }
        assert_eq!(ours.get(OrderId::NONE), None, "a free entry is no order");
        for id in 1..=600 {
            assert_eq!(ours.get(OrderId(id)), theirs.get(&OrderId(id)).copied());
        }
    }
}
