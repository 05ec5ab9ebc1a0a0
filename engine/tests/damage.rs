//! Records damaged at random: refused without a trace, or every byte that is taken counts.
#![allow(clippy::unwrap_used, reason = "this is a test, also outside of test functions")]

mod draw;
mod model;

use draw::{BOOKS, CROWDED, Draw, Numbers, Seeded};
use model::wire::{Command, command_flag};
use tradeengine::{BookState, Engine, InstrumentId};

const BOOK: InstrumentId = InstrumentId(BOOKS[0]);

fn engine() -> Engine {
    let mut engine = Engine::new();
    for book in BOOKS {
        engine.add_book(InstrumentId(book), BookState::EMPTY).unwrap();
    }
    engine
}

fn encoded(commands: &[Command]) -> Vec<u8> {
    let mut records = Vec::new();
    for command in commands {
        command.encode(&mut records);
    }
    records
}

/// What may stand in a number: near the ends and near nothing.
fn number(numbers: &mut impl Numbers) -> i64 {
    numbers.one_of(&[0, 1, 2, 3, 4, 7, 9999, 10_000, -1, i64::MAX, i64::MAX - 1, i64::MIN])
}

/// Another byte, or another number, anywhere in some records of 80 or 72 bytes.
fn changed(numbers: &mut impl Numbers, records: &[u8]) -> Vec<u8> {
    let mut changed = records.to_vec();
    let places = records.len() as u64 / 8;
    let at = usize::try_from(numbers.below(places)).unwrap() * 8;
    if numbers.once_in(2) {
        let at = at + usize::try_from(numbers.below(8)).unwrap();
        changed[at] = changed[at].wrapping_add(numbers.one_of(&[1, 2, 3, 4, 255, 128]));
    } else {
        changed[at..at + 8].copy_from_slice(&number(numbers).to_le_bytes());
    }
    changed
}

/// Open orders in the order in which the engine tells them.
fn by_priority(records: &[u8]) -> Vec<u8> {
    let mut orders = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let size = if rest[1] & command_flag::TERMS == 0 { 80 } else { 240 };
        let (order, behind) = rest.split_at(size);
        orders.push(order);
        rest = behind;
    }
    orders.sort_by_key(|order| i64::from_le_bytes(order[56..64].try_into().unwrap()));
    orders.concat()
}

/// A state is refused without a trace, or it is a sound book that says what it was told, under another hash.
#[test]
fn a_changed_state_is_refused_or_counts() {
    let mut numbers = Seeded(3);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..150 {
        let mut draw = Draw::new(CROWDED);
        for _ in 0..numbers.within(5, 40) {
            draw.unit(&mut numbers);
        }
        let mut engine = engine();
        engine.apply(&encoded(&draw.commands), &mut Vec::new()).unwrap();
        let (records, state) = (engine.open_orders(BOOK).unwrap(), engine.state(BOOK).unwrap());
        let hash = engine.state_hash(BOOK).unwrap();
        let later = encoded(&{
            let mut more = Draw::new(CROWDED);
            (0..10).for_each(|_| more.unit(&mut numbers));
            more.commands
        });
        for _ in 0..40 {
            let changed = if records.is_empty() { Vec::new() } else { changed(&mut numbers, &records) };
            if changed == records {
                continue;
            }
            let mut other = engine.clone();
            if other.restore(BOOK, &changed, state).is_err() {
                refused += 1;
                assert_eq!(other.state_hash(BOOK), Ok(hash));
                assert_eq!(other.open_orders(BOOK).as_ref(), Ok(&records));
                continue;
            }
            taken += 1;
            assert_eq!(other.check(), Ok(()));
            assert_eq!(other.open_orders(BOOK), Ok(by_priority(&changed)));
            assert_ne!(other.state_hash(BOOK), Ok(hash), "{changed:?} and {records:?}");
            other.apply(&later, &mut Vec::new()).unwrap();
            assert_eq!(other.check(), Ok(()));
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken > 300 && refused > 300);
}

/// Commands are refused all together and without a trace, or all of them are done.
#[test]
fn changed_commands_are_refused_or_done() {
    let mut numbers = Seeded(4);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..2000 {
        let mut draw = Draw::new(CROWDED);
        for _ in 0..numbers.within(1, 20) {
            draw.unit(&mut numbers);
        }
        let records = changed(&mut numbers, &encoded(&draw.commands));
        let (mut engine, mut events) = (engine(), Vec::new());
        let before = BOOKS.map(|book| engine.state_hash(InstrumentId(book)));
        if engine.apply(&records, &mut events).is_ok() {
            taken += 1;
            assert_eq!(engine.check(), Ok(()));
        } else {
            refused += 1;
            assert!(events.is_empty());
            assert_eq!(BOOKS.map(|book| engine.state_hash(InstrumentId(book))), before);
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken > 300 && refused > 300);
}
