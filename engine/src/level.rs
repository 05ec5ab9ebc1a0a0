//! Price levels of one side, and the ladder that keeps them sorted.
//!
//! Orders know the id of their level, so the sorted map is touched only when a level opens or closes.
//! A different ladder (a direct-indexed window around the touch) can replace this one behind the same
//! functions.

use std::collections::BTreeMap;

use crate::orders::NIL;
use crate::types::{Lots, Side, Ticks};

/// All orders of one side at one price: a queue, and its totals.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    pub(crate) price: Ticks,
    /// Sum of the lots shown: what depth says.
    pub(crate) quantity: Lots,
    /// The first to trade.
    pub(crate) head: u32,
    /// The last.
    pub(crate) tail: u32,
    /// The first hidden order: they stand behind all that show something. `NIL` where there is none.
    pub(crate) hidden: u32,
    /// Already listed as changed since the last report.
    pub(crate) touched: bool,
}

/// One side of a book.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    levels: Vec<Level>,
    free: Vec<u32>,
    /// Rank (smaller is better) to level id.
    by_rank: BTreeMap<i64, u32>,
    /// The best level, or `NIL`; re-seated whenever a level opens or closes.
    best: u32,
    /// Open lots of the whole side, shown or not; bounds every level and every sum over levels.
    pub(crate) total: Lots,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            levels: Vec::new(),
            free: Vec::new(),
            by_rank: BTreeMap::new(),
            best: NIL,
            total: Lots::ZERO,
        }
    }

    pub(crate) const fn best(&self) -> Option<u32> {
        if self.best == NIL { None } else { Some(self.best) }
    }

    pub(crate) fn best_price(&self) -> Option<Ticks> {
        self.best().map(|id| self.level(id).price)
    }

    /// The best price at which something is shown.
    pub(crate) fn displayed_price(&self) -> Option<Ticks> {
        self.iter().find(|(_, level)| !level.quantity.is_zero()).map(|(_, level)| level.price)
    }

    pub(crate) fn level(&self, id: u32) -> &Level {
        &self.levels[id as usize]
    }

    pub(crate) fn level_mut(&mut self, id: u32) -> &mut Level {
        &mut self.levels[id as usize]
    }

    pub(crate) fn find(&self, price: Ticks) -> Option<u32> {
        self.by_rank.get(&self.rank(price)).copied()
    }

    /// The level at a price, opened empty if there is none.
    pub(crate) fn open(&mut self, price: Ticks) -> u32 {
        let rank = self.rank(price);
        if let Some(&id) = self.by_rank.get(&rank) {
            return id;
        }
        let level = Level { price, quantity: Lots::ZERO, head: NIL, tail: NIL, hidden: NIL, touched: false };
        let id = if let Some(id) = self.free.pop() {
            *self.level_mut(id) = level;
            id
        } else {
            self.levels.push(level);
            u32::try_from(self.levels.len() - 1).expect("no more levels than orders")
        };
        self.by_rank.insert(rank, id);
        if self.best == NIL || rank < self.rank(self.level(self.best).price) {
            self.best = id;
        }
        id
    }

    /// Takes an emptied level out.
    pub(crate) fn close(&mut self, id: u32) {
        let rank = self.rank(self.level(id).price);
        self.by_rank.remove(&rank);
        self.free.push(id);
        if self.best == id {
            self.best = self.by_rank.first_key_value().map_or(NIL, |(_, &next)| next);
        }
    }

    /// Levels from the best to the worst.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Level)> {
        self.by_rank.values().map(|&id| (id, self.level(id)))
    }

    /// Bids are best when high, asks when low. Prices are positive, so a negation cannot overflow.
    const fn rank(&self, price: Ticks) -> i64 {
        match self.side {
            Side::Buy => -price.0,
            Side::Sell => price.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(ladder: &Ladder) -> Vec<i64> {
        ladder.iter().map(|(_, level)| level.price.0).collect()
    }

    #[test]
    fn levels_run_from_the_touch_outwards() {
        let mut bids = Ladder::new(Side::Buy);
        let mut asks = Ladder::new(Side::Sell);
        for price in [5, 9, 7] {
            bids.open(Ticks(price));
            asks.open(Ticks(price));
        }

        assert_eq!((prices(&bids), bids.best_price()), (vec![9, 7, 5], Some(Ticks(9))));
        assert_eq!((prices(&asks), asks.best_price()), (vec![5, 7, 9], Some(Ticks(5))));
    }

    #[test]
    fn closing_the_best_level_leaves_no_phantom() {
        let mut asks = Ladder::new(Side::Sell);
        let near = asks.open(Ticks(5));
        let far = asks.open(Ticks(7));

        asks.close(near);
        assert_eq!(asks.best_price(), Some(Ticks(7)));
        assert_eq!(asks.find(Ticks(5)), None);

        asks.close(far);
        assert_eq!(asks.best(), None);
        assert_eq!(asks.open(Ticks(6)), far, "the last closed level is used first");
    }
}
