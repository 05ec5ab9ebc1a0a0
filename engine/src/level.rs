//! Price levels of one side, and the ladder that keeps them sorted.
//!
//! Levels stand in pages of 64 neighbouring prices. The pages around the touch are found through a directory
//! that is indexed by price; a bit says which levels of a page there are, another which pages, and a third
//! which words of those bits, so that the best level is found by three instructions. Pages further off are in
//! a sorted map. The directory always covers the best level, and moves when the touch leaves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::orders::NIL;
use crate::types::{Lots, Side, Ticks};

/// Levels of a page.
const PAGE: usize = 64;
/// Pages of the directory: 64 words of 64 bits.
const DIRECTORY: usize = 4096;

/// All orders of one side at one price: a queue, and its total.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Sum of the lots shown: what depth says.
    pub(crate) quantity: Lots,
    /// The first to trade; `NIL` where there is no level.
    pub(crate) head: u32,
    /// The last.
    pub(crate) tail: u32,
    /// The first hidden order: they stand behind all that show something. `NIL` where there is none.
    pub(crate) hidden: u32,
}

impl Level {
    /// Puts a slot in at the end; returns its neighbours. There must be no hidden orders.
    #[inline(always)]
    pub(crate) fn append(&mut self, slot: u32, is_hidden: bool) -> (u32, u32) {
        let last = std::mem::replace(&mut self.tail, slot);
        if last == NIL {
            self.head = slot;
        }
        if is_hidden {
            self.hidden = slot;
        }
        (last, NIL)
    }

    /// Takes out a slot that stands between these two.
    #[inline(always)]
    fn take_out(&mut self, slot: u32, prev: u32, next: u32) {
        if prev == NIL {
            self.head = next;
        }
        if next == NIL {
            self.tail = prev;
        }
        if self.hidden == slot {
            self.hidden = next;
        }
    }
}

const NO_LEVEL: Level = Level { quantity: Lots::ZERO, head: NIL, tail: NIL, hidden: NIL };

/// Levels of neighbouring prices.
#[derive(Clone, Debug)]
struct Page {
    /// Which of the levels there are.
    open: u64,
    /// Which of the levels have changed since the last report. A page stays until they are reported.
    touched: u64,
    levels: [Level; PAGE],
}

const NO_PAGE: Page = Page { open: 0, touched: 0, levels: [NO_LEVEL; PAGE] };

/// A set of places of the directory: a bit for each, and one for each word of those that is not zero.
#[derive(Clone, Debug)]
struct Marks {
    words: [u64; DIRECTORY / 64],
    summary: u64,
}

impl Marks {
    const NONE: Self = Self { words: [0; DIRECTORY / 64], summary: 0 };

    #[inline]
    const fn is_empty(&self) -> bool {
        self.summary == 0
    }

    /// Adds a place; one beyond the directory is ignored.
    #[inline(always)]
    fn set(&mut self, at: usize) {
        if let Some(word) = self.words.get_mut(at / 64) {
            *word |= 1 << (at % 64);
            self.summary |= 1 << (at / 64);
        }
    }

    /// Takes out a place; one beyond the directory is ignored.
    #[inline(always)]
    fn clear(&mut self, at: usize) {
        if let Some(word) = self.words.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
            if *word == 0 {
                self.summary &= !(1 << (at / 64));
            }
        }
    }

    /// The lowest place; there must be one.
    #[inline(always)]
    fn first(&self) -> usize {
        let word = self.summary.trailing_zeros() as usize % 64;
        word * 64 + self.words[word].trailing_zeros() as usize
    }

    /// All places, ascending.
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        Bits(self.summary).flat_map(|word| Bits(self.words[word]).map(move |bit| word * 64 + bit))
    }
}

/// One side of a book.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    side: Side,
    /// Minus one for bids, one for asks.
    sign: i64,
    /// Open lots of the whole side, shown or not; bounds every level and every sum over levels.
    pub(crate) total: Lots,
    /// Rank (smaller is better) of the best level; without meaning where there is none.
    best: i64,
    /// Number of the first page of the directory. The page of a rank has the number rank / 64.
    base: i64,
    /// Page numbers less `base` to places in `pages`; `NIL` where there is none. Empty until first used.
    directory: Vec<u32>,
    /// The places of the directory whose pages have levels.
    marks: Marks,
    /// Pages outside the directory, by number; those with levels are worse than all of it.
    far: BTreeMap<i64, u32>,
    pages: Vec<Page>,
    free: Vec<u32>,
    /// Numbers of the pages with levels that have changed since the last report.
    touched: Vec<i64>,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            sign: match side {
                Side::Buy => -1,
                Side::Sell => 1,
            },
            total: Lots::ZERO,
            best: 0,
            base: 0,
            directory: Vec::new(),
            marks: Marks::NONE,
            far: BTreeMap::new(),
            pages: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
        }
    }

    #[inline]
    pub(crate) const fn best_price(&self) -> Option<Ticks> {
        if self.marks.is_empty() { None } else { Some(self.price(self.best)) }
    }

    /// Whether an order of the other side that goes as far as `limit` meets somebody.
    #[inline(always)]
    pub(crate) fn is_reached(&self, limit: Ticks) -> bool {
        !self.marks.is_empty() && self.best <= self.rank(limit)
    }

    /// The first order in turn at the best price; there must be one.
    #[inline]
    pub(crate) fn first(&self) -> u32 {
        let page = &self.pages[self.directory[self.place(self.best)] as usize];
        page.levels[bit_of(self.best)].head
    }

    /// The best price at which something is shown.
    pub(crate) fn displayed_price(&self) -> Option<Ticks> {
        self.iter().find(|(_, level)| !level.quantity.is_zero()).map(|(price, _)| price)
    }

    /// The level at a price, which will hold an order when the caller is done. It is reported as changed if
    /// the order shows something.
    #[inline(always)]
    pub(crate) fn open(&mut self, price: Ticks, shows: bool) -> &mut Level {
        let rank = self.rank(price);
        let mut at = self.place(rank);
        if self.marks.is_empty() || rank < self.best {
            self.best = rank;
            if at >= self.directory.len() {
                self.move_directory(number_of(rank));
                at = self.place(rank);
            }
        }
        let page = match self.directory.get(at) {
            Some(&page) if page != NIL => page,
            _ => self.other_page(rank),
        };
        let page = &mut self.pages[page as usize];
        if page.open == 0 {
            self.marks.set(at);
        }
        page.open |= 1 << bit_of(rank);
        touch(page, &mut self.touched, rank, shows)
    }

    /// The level of an order that is there. It is reported as changed if what it shows will change.
    #[inline]
    pub(crate) fn level_mut(&mut self, price: Ticks, shows: bool) -> &mut Level {
        let rank = self.rank(price);
        let page = self.page(rank).expect("a level with an order has a page");
        touch(&mut self.pages[page as usize], &mut self.touched, rank, shows)
    }

    /// Takes the slot between these two, and what it shows, out of a level; and the level out if that was all.
    #[inline(always)]
    pub(crate) fn leave(&mut self, price: Ticks, shown: Lots, slot: u32, prev: u32, next: u32) {
        let rank = self.rank(price);
        let number = self.page(rank).expect("a level with an order has a page");
        let page = &mut self.pages[number as usize];
        let level = touch(page, &mut self.touched, rank, !shown.is_zero());
        level.quantity -= shown;
        level.take_out(slot, prev, next);
        if level.head != NIL {
            return;
        }
        page.open &= !(1 << bit_of(rank));
        if page.open == 0 {
            let is_unreported = page.touched != 0;
            let at = self.place(rank);
            self.marks.clear(at);
            if !is_unreported {
                self.drop_page(number, number_of(rank));
            }
            if self.marks.is_empty() && !self.far.is_empty() {
                self.come_back();
            }
        }
        if rank == self.best && !self.marks.is_empty() {
            self.best = self.find_best();
        }
    }

    /// Levels from the best to the worst.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ticks, &Level)> {
        let near = self.marks.iter().map(|at| (self.number(at), self.directory[at]));
        // Pages of which nothing is left but a report have no bits.
        let far = self.far.iter().map(|(&number, &page)| (number, page));
        near.chain(far).flat_map(move |(number, page)| {
            let page = &self.pages[page as usize];
            Bits(page.open).map(move |bit| {
                let rank = number * 64 + i64::try_from(bit).unwrap_or(0);
                (self.price(rank), &page.levels[bit])
            })
        })
    }

    /// Hands out every level touched since the last call, by price, with its total, and starts anew.
    pub(crate) fn drain_touched(&mut self, mut report: impl FnMut(Ticks, Lots)) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        // Bids rise in price as they fall in rank.
        if self.side == Side::Buy {
            touched.reverse();
        }
        for number in touched.drain(..) {
            let Some(place) = self.page(number * 64) else { continue };
            let bits = std::mem::take(&mut self.pages[place as usize].touched);
            let page = &self.pages[place as usize];
            for at in 0..PAGE {
                let bit = if self.side == Side::Buy { PAGE - 1 - at } else { at };
                if bits >> bit & 1 == 1 {
                    let rank = number * 64 + i64::try_from(bit).unwrap_or(0);
                    report(self.price(rank), page.levels[bit].quantity);
                }
            }
            if page.open == 0 {
                self.drop_page(place, number);
            }
        }
        self.touched = touched;
    }

    /// Whether the bits, the pages and the cached best agree (for `check`).
    pub(crate) fn is_consistent(&self) -> bool {
        let is_open = |page: u32| page != NIL && self.pages[page as usize].open != 0;
        let near = self.directory.iter().copied().filter(|&page| page != NIL);
        let known = near.chain(self.far.values().copied()).chain(self.free.iter().copied());
        let distinct: BTreeSet<u32> = known.collect();
        let bits = self.directory.iter().enumerate().all(|(at, &page)| {
            let bit = self.marks.words[at / 64] >> (at % 64) & 1 == 1;
            bit == is_open(page)
        });
        let summary =
            (0..64).all(|word| (self.marks.summary >> word & 1 == 1) == (self.marks.words[word] != 0));
        let levels = self
            .pages
            .iter()
            .all(|page| (0..PAGE).all(|bit| (page.open >> bit & 1 == 1) == (page.levels[bit].head != NIL)));
        let end = self.number(self.directory.len());
        let far =
            self.far.iter().all(|(&number, &page)| number >= end || number < self.base && !is_open(page));
        let best = if self.marks.is_empty() {
            !self.far.values().any(|&page| is_open(page))
        } else {
            self.best == self.find_best()
        };
        bits && summary && levels && distinct.len() == self.pages.len() && far && best
    }

    /// The page of a rank, if there is one.
    #[inline]
    fn page(&self, rank: i64) -> Option<u32> {
        match self.directory.get(self.place(rank)) {
            Some(&NIL) => None,
            Some(&page) => Some(page),
            None => self.far_page(rank),
        }
    }

    #[cold]
    fn far_page(&self, rank: i64) -> Option<u32> {
        if self.far.is_empty() { None } else { self.far.get(&number_of(rank)).copied() }
    }

    /// The page of a rank that is not in the directory, or not yet anywhere.
    #[cold]
    fn other_page(&mut self, rank: i64) -> u32 {
        self.page(rank).unwrap_or_else(|| self.add_page(rank))
    }

    /// Adds the page of a rank; free pages are used first, and have no level that is open.
    fn add_page(&mut self, rank: i64) -> u32 {
        let page = self.free.pop().unwrap_or_else(|| {
            self.pages.push(NO_PAGE);
            u32::try_from(self.pages.len() - 1).expect("no more pages than orders")
        });
        self.enter_page(number_of(rank), page);
        page
    }

    fn enter_page(&mut self, number: i64, page: u32) {
        let at = self.place_of(number);
        if let Some(entry) = self.directory.get_mut(at) {
            *entry = page;
            if self.pages[page as usize].open != 0 {
                self.marks.set(at);
            }
        } else {
            self.far.insert(number, page);
        }
    }

    fn drop_page(&mut self, page: u32, number: i64) {
        self.free.push(page);
        let at = self.place_of(number);
        match self.directory.get_mut(at) {
            Some(entry) => *entry = NIL,
            None => drop(self.far.remove(&number)),
        }
    }

    /// The rank of the best level; there must be one.
    #[inline(always)]
    fn find_best(&self) -> i64 {
        let at = self.marks.first();
        let page = &self.pages[self.directory[at] as usize];
        self.number(at).wrapping_mul(64).wrapping_add(i64::from(page.open.trailing_zeros()))
    }

    /// The directory has no level left: it moves to the best of those that lie outside.
    #[cold]
    fn come_back(&mut self) {
        let open = self.far.iter().find(|&(_, &page)| self.pages[page as usize].open != 0);
        if let Some((&number, _)) = open {
            self.move_directory(number);
        }
    }

    /// Moves the directory so that page `number` lies in its first quarter: most of it is for worse prices.
    #[cold]
    fn move_directory(&mut self, number: i64) {
        for at in 0..self.directory.len() {
            if self.directory[at] != NIL {
                self.far.insert(self.number(at), self.directory[at]);
            }
        }
        self.directory.clear();
        self.directory.resize(DIRECTORY, NIL);
        self.marks = Marks::NONE;
        self.base = number - i64::try_from(DIRECTORY / 4).unwrap_or(0);
        let inside = self.base..self.number(DIRECTORY);
        let pages: Vec<(i64, u32)> = self.far.range(inside).map(|(&number, &page)| (number, page)).collect();
        for (number, page) in pages {
            self.far.remove(&number);
            self.enter_page(number, page);
        }
    }

    /// Bids are best when high, asks when low: a rank is the price, times minus one for bids. (A product, as the
    /// side of the next order cannot be predicted.)
    #[inline]
    const fn rank(&self, price: Ticks) -> i64 {
        price.0 * self.sign
    }

    #[inline]
    const fn price(&self, rank: i64) -> Ticks {
        Ticks(rank * self.sign)
    }

    /// The place of a rank's page in the directory; beyond its end for one outside.
    #[inline]
    const fn place(&self, rank: i64) -> usize {
        self.place_of(number_of(rank))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a place beyond the directory stays beyond it")]
    const fn place_of(&self, number: i64) -> usize {
        number.wrapping_sub(self.base).cast_unsigned() as usize
    }

    fn number(&self, place: usize) -> i64 {
        self.base.wrapping_add(i64::try_from(place).unwrap_or(0))
    }
}

/// The level of a rank in its page; it joins those to be reported if what it shows will change.
#[inline(always)]
fn touch<'a>(page: &'a mut Page, touched: &mut Vec<i64>, rank: i64, shows: bool) -> &'a mut Level {
    if shows {
        if page.touched == 0 {
            touched.push(number_of(rank));
        }
        page.touched |= 1 << bit_of(rank);
    }
    &mut page.levels[bit_of(rank)]
}

/// The number of a rank's page.
#[inline]
const fn number_of(rank: i64) -> i64 {
    rank >> 6
}

/// The place of a rank in its page.
#[inline]
const fn bit_of(rank: i64) -> usize {
    (rank.cast_unsigned() & 63) as usize
}

/// The numbers of the bits that are set, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(ladder: &Ladder) -> Vec<i64> {
        ladder.iter().map(|(price, _)| price.0).collect()
    }

    fn open(ladder: &mut Ladder, price: i64) {
        ladder.open(Ticks(price), true).append(1, false);
        assert!(ladder.is_consistent(), "after opening {price}");
    }

    /// The only order of a level, of one lot, leaves.
    fn leave(ladder: &mut Ladder, price: i64) {
        ladder.level_mut(Ticks(price), true).quantity = Lots(1);
        ladder.leave(Ticks(price), Lots(1), 1, NIL, NIL);
    }

    fn close(ladder: &mut Ladder, price: i64) {
        leave(ladder, price);
        assert!(ladder.is_consistent(), "after closing {price}");
    }

    #[test]
    fn levels_run_from_the_touch_outwards() {
        let mut bids = Ladder::new(Side::Buy);
        let mut asks = Ladder::new(Side::Sell);
        for price in [5, 9, 7, i64::MAX, 1] {
            open(&mut bids, price);
            open(&mut asks, price);
        }

        assert_eq!((prices(&bids), bids.best_price()), (vec![i64::MAX, 9, 7, 5, 1], Some(Ticks(i64::MAX))));
        assert_eq!((prices(&asks), asks.best_price()), (vec![1, 5, 7, 9, i64::MAX], Some(Ticks(1))));
    }

    #[test]
    fn closing_the_best_level_leaves_no_phantom() {
        let mut asks = Ladder::new(Side::Sell);
        open(&mut asks, 5);
        open(&mut asks, 700);

        close(&mut asks, 5);
        assert_eq!((asks.best_price(), prices(&asks)), (Some(Ticks(700)), vec![700]));

        close(&mut asks, 700);
        assert_eq!(asks.best_price(), None);
    }

    #[test]
    fn the_directory_follows_the_touch() {
        for side in [Side::Buy, Side::Sell] {
            let (mut ladder, mut known) = (Ladder::new(side), std::collections::BTreeSet::new());
            let mut state = 7_u64;
            for round in 0..5_000_i64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let near = 50_000 + round * 240 + i64::try_from(state >> 54).unwrap();
                let price = if state.is_multiple_of(50) { near * 1_000 } else { near };
                if known.remove(&price) {
                    leave(&mut ladder, price);
                } else {
                    known.insert(price);
                    ladder.open(Ticks(price), true).append(1, false);
                }
                if known.len() > 500 {
                    let best = if side == Side::Buy { known.pop_last() } else { known.pop_first() };
                    leave(&mut ladder, best.unwrap());
                }
                let best = if side == Side::Buy { known.last() } else { known.first() };
                assert_eq!(ladder.best_price(), best.copied().map(Ticks));
            }
            assert!(ladder.is_consistent());
            let mut sorted: Vec<i64> = known.into_iter().collect();
            if side == Side::Buy {
                sorted.reverse();
            }
            assert_eq!(prices(&ladder), sorted);
        }
    }

    #[test]
    fn a_level_is_reported_once_however_often_it_opened_and_closed() {
        let (mut bids, mut asks) = (Ladder::new(Side::Buy), Ladder::new(Side::Sell));
        for round in 0..4 {
            for price in [4 + round % 2, 4_000_000 - round % 2, i64::MAX] {
                for ladder in [&mut bids, &mut asks] {
                    open(ladder, price);
                    close(ladder, price);
                }
            }
        }
        for ladder in [&mut bids, &mut asks] {
            let mut changes = Vec::new();
            ladder.drain_touched(|price, lots| changes.push((price.0, lots.0)));
            assert_eq!(changes, [(4, 0), (5, 0), (3_999_999, 0), (4_000_000, 0), (i64::MAX, 0)]);
            assert!(ladder.is_consistent() && ladder.touched.is_empty());
            assert_eq!(ladder.free.len(), ladder.pages.len(), "nobody needs the pages any more");
            ladder.drain_touched(|price, _| panic!("{price:?} has not changed again"));
        }
    }

    #[test]
    fn what_is_hidden_is_not_reported() {
        let mut asks = Ladder::new(Side::Sell);
        asks.open(Ticks(5), false).append(1, true);
        asks.leave(Ticks(5), Lots::ZERO, 1, NIL, NIL);
        asks.drain_touched(|price, _| panic!("{price:?} shows nothing"));
        assert_eq!(asks.free.len(), asks.pages.len());
    }
}
