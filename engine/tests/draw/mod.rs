//! Command sequences from plain numbers: few prices, few ids, few accounts, so that everything collides.
//!
//! Whole units are drawn as well as single commands: OCO pairs, parents with children, brackets, auctions.
//! One generator serves seeded runs, shrinking property tests and fuzzers; zero is always the plainest choice.
#![allow(dead_code, reason = "every test binary uses its own part of the generator")]

mod orders; // new orders of every kind
mod units; // what is drawn at one time

use crate::model::wire::{Command, phase};

/// Where the numbers come from.
pub(crate) trait Numbers {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64;

    /// A number of a range, the first one being the plainest.
    fn within(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.below((last - first).cast_unsigned() + 1)).expect("small")
    }

    /// True once in `times`.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == times - 1
    }

    /// One of a few.
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).expect("small")]
    }
}

/// Numbers that a seed determines (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Seeded(pub(crate) u64);

impl Numbers for Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u64::try_from((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64).expect("below the bound")
    }
}

/// Numbers that are given one by one; after the last only zeros.
pub(crate) struct Given<I>(pub(crate) I);

impl<I: Iterator<Item = u16>> Numbers for Given<I> {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next().map_or(0, |number| u64::from(number) % bound)
    }
}

/// What a generator remembers from one command to the next.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) commands: Vec<Command>,
    /// Order ids run from 1 to here; that bounds the number of open orders.
    ids: i64,
    last_id: i64,
    /// The latest orders of each book that could rest or park.
    stayed: [Vec<i64>; BOOKS.len()],
    /// Prices run from 1 to here.
    prices: i64,
    /// Once in so many a command gets a field that it should not have.
    wild: u64,
    time: i64,
    command_id: i64,
    /// The phase of each book, as far as commands tell.
    phases: [u8; BOOKS.len()],
    book: usize,
}

/// The instruments that commands are for, most of them for the first.
pub(crate) const BOOKS: [u32; 2] = [1, 7];

impl Draw {
    pub(crate) fn new(ids: i64, prices: i64, wild: u64) -> Self {
        Self {
            commands: Vec::new(),
            ids,
            last_id: 0,
            stayed: [Vec::new(), Vec::new()],
            prices,
            wild,
            time: 0,
            command_id: 0,
            phases: [phase::OPEN; 2],
            book: 0,
        }
    }

    /// Stamps a command and adds it.
    fn add(&mut self, numbers: &mut impl Numbers, command: Command) {
        self.command_id += 1;
        self.time += numbers.one_of(&[0, 1, 1, 2]);
        let late = if numbers.once_in(30) { 3 } else { 0 };
        let time = (self.time - late).max(0);
        self.commands.push(Command { instrument: BOOKS[self.book], id: self.command_id, time, ..command });
    }
}
