//! Command sequences from plain numbers: few prices, few ids, few accounts, so that everything collides.
//!
//! Whole units are drawn as well as single commands: OCO pairs, parents with children, brackets, auctions.
//! One generator serves seeded runs, shrinking property tests and fuzzers; zero is always the plainest choice.
#![allow(dead_code, reason = "every test binary uses its own part of the generator")]

mod orders; // new orders of every kind
mod units; // what is drawn at one time

use crate::model::wire::{Command, Terms, ask, phase};

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

/// What sequences are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Order ids run from 1 to here; that bounds the number of open orders.
    pub(crate) ids: i64,
    /// So many prices there are.
    pub(crate) prices: i64,
    /// Ticks from one of them to the next.
    pub(crate) stretch: i64,
    /// Once in so many a command gets a field that it should not have.
    pub(crate) wild: u64,
}

/// Everything collides all the time.
pub(crate) const CROWDED: Shape = Shape { ids: 12, prices: 10, stretch: 1, wild: 20 };

/// From neighbouring ticks over pages of levels to the far end of 64 bits.
pub(crate) const STRETCHES: [i64; 6] = [1, 1, 1, 40, 87_381, i64::MAX / 10];

/// What a generator remembers from one command to the next.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    pub(crate) commands: Vec<Command>,
    shape: Shape,
    last_id: i64,
    /// The latest orders of each book that could rest or park.
    stayed: [Vec<i64>; BOOKS.len()],
    time: i64,
    command_id: i64,
    /// The phase of each book, as far as commands tell.
    phases: [u8; BOOKS.len()],
    book: usize,
}

/// The instruments that commands are for, most of them for the first.
pub(crate) const BOOKS: [u32; 2] = [1, 7];

impl Draw {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            commands: Vec::new(),
            shape,
            last_id: 0,
            stayed: [Vec::new(), Vec::new()],
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
        // What does not fit stays where it is.
        let stretched = |ticks: i64| ticks.checked_mul(self.shape.stretch).unwrap_or(ticks);
        let Command { terms, group, .. } = command;
        self.commands.push(Command {
            instrument: BOOKS[self.book],
            id: self.command_id,
            time,
            price: stretched(command.price),
            group: if command.kind == ask::AMEND { stretched(group) } else { group },
            terms: Terms {
                trigger_price: stretched(terms.trigger_price),
                budget: stretched(terms.budget),
                ..terms
            },
            ..command
        });
    }
}
