//! The records themselves: what has no meaning is refused whole, and every byte that is taken counts.
#![allow(clippy::unwrap_used, reason = "this is a test, also outside of test functions")]

mod draw;
mod model;

use draw::{BOOKS, CROWDED, Draw, Numbers, Seeded};
use model::wire::{Command, Terms, ask, command_flag, order_type, phase, side, tif, trigger};
use tradeengine::{
    BookState, Engine, EngineError, InstrumentId, LevelTotal, Lots, Side, Ticks, encode_levels,
};

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

fn sample(kind: u8) -> Command {
    let command = Command { kind, instrument: BOOKS[0], id: 1, time: 1, ..Command::default() };
    match kind {
        ask::NEW => Command {
            side: side::BUY,
            order_type: order_type::LIMIT,
            tif: tif::GTC,
            order_id: 2,
            account: 3,
            price: 4,
            quantity: 5,
            ..command
        },
        ask::CANCEL | ask::AMEND => Command { order_id: 2, ..command },
        ask::PHASE => Command { phase: phase::HALTED, ..command },
        _ => command,
    }
}

fn refused(records: &[u8]) -> bool {
    engine().apply(records, &mut Vec::new()).is_err()
}

/// Of every kind of command, the bytes that mean nothing to it.
#[test]
fn bytes_without_meaning_are_zero() {
    let (stp_group, price, quantity) = (40..48, 48..56, 56..64);
    let without_meaning: [(u8, Vec<usize>); 6] = [
        (ask::NEW, [6, 7].into_iter().chain(12..16).collect()),
        (ask::CANCEL, (1..6).chain([7]).chain(12..16).chain(stp_group.start..quantity.end).collect()),
        (ask::AMEND, (1..8).chain(12..16).collect()),
        (
            ask::PHASE,
            [1, 2, 3, 5]
                .into_iter()
                .chain(12..16)
                .chain(24..32)
                .chain(stp_group.clone())
                .chain(quantity.clone())
                .collect(),
        ),
        (ask::TIME, (1..8).chain(12..16).chain(24..quantity.end).collect()),
        (
            ask::MASS_CANCEL,
            (2..6)
                .chain([7])
                .chain(12..16)
                .chain(24..32)
                .chain(stp_group.start..price.end)
                .chain(quantity)
                .collect(),
        ),
    ];
    for (kind, places) in without_meaning {
        let records = encoded(&[sample(kind)]);
        assert!(!refused(&records), "kind {kind} as it should be");
        for at in places {
            let mut spoilt = records.clone();
            spoilt[at] = 1;
            assert!(refused(&spoilt), "kind {kind}: byte {at} means nothing");
        }
    }
}

#[test]
fn codes_without_meaning_are_refused() {
    for (kind, at, last) in [
        (ask::NEW, 1, side::SELL),
        (ask::NEW, 2, order_type::MARKET),
        (ask::NEW, 3, tif::DAY),
        (ask::NEW, 4, 15),
        (ask::NEW, 5, 4),
        (ask::PHASE, 4, 2),
        (ask::PHASE, 7, phase::CLOSED),
        (ask::CANCEL, 6, 29),
        (ask::MASS_CANCEL, 1, side::SELL),
        (ask::TIME, 0, 6),
    ] {
        let mut records = encoded(&[sample(kind)]);
        records[at] = last + 1;
        assert!(refused(&records), "kind {kind}: byte {at} may not be {}", last + 1);
    }
    for id in [16, 24, 32] {
        let mut records = encoded(&[sample(ask::NEW)]);
        records[id..id + 8].copy_from_slice(&(-1_i64).to_le_bytes());
        assert!(refused(&records), "the id at {id} is negative");
    }
}

#[test]
fn terms_follow_the_new_order_they_belong_to_and_nothing_else() {
    let terms = Terms { trigger: trigger::STOP, trigger_price: 3, ..Terms::default() };
    let with_terms = encoded(&[Command { terms, ..sample(ask::NEW) }]);
    let cancel = encoded(&[sample(ask::CANCEL)]);
    assert!(!refused(&[&with_terms[..], &cancel].concat()));

    assert!(refused(&with_terms[..72]), "they are missing");
    assert!(refused(&with_terms[..144]), "they are cut off");
    assert!(refused(&with_terms[72..]), "they stand alone");
    assert!(refused(&[&cancel[..], &with_terms[72..]].concat()), "they follow a cancel");
    assert!(refused(&[&with_terms[..72], &cancel, &cancel].concat()), "others stand in their place");
    for at in [0].into_iter().chain(5..8).chain(88..144) {
        let mut spoilt = with_terms.clone();
        spoilt[72 + at] = 1;
        assert!(refused(&spoilt), "byte {at} of the terms means nothing");
    }
    for (at, last) in [(1, 4), (2, 1), (3, 3), (4, 1)] {
        let mut spoilt = with_terms.clone();
        spoilt[72 + at] = last + 1;
        assert!(refused(&spoilt), "byte {at} of the terms may not be {}", last + 1);
    }
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut engine = engine();
    let mut apply = |records: &[u8]| engine.apply(records, &mut Vec::new()).unwrap_err().to_string();
    assert!(apply(&[0; 71]).contains("71 bytes"));
    assert!(apply(&[0; 72]).contains("record 0"));
    let elsewhere = Command { instrument: 9, ..sample(ask::TIME) };
    assert_eq!(apply(&encoded(&[elsewhere])), "no book for instrument 9");

    for (error, said) in [
        (EngineError::BookExists(BOOK), "instrument 1 has a book already"),
        (EngineError::InstrumentRange(0), "not 0"),
        (EngineError::State { field: "seq", value: -1 }, "seq may not be -1"),
        (EngineError::Version { given: 1, known: 2 }, "version 1"),
        (EngineError::Crossed { bid: Ticks(5), ask: Ticks(4) }, "best bid 5"),
        (EngineError::DuplicateOrder(tradeengine::OrderId(3)), "order 3 appears twice"),
        (EngineError::DuplicatePriority(tradeengine::Seq(3)), "priority 3"),
        (EngineError::PriorityAhead(tradeengine::Seq(3)), "priority 3 is ahead"),
        (EngineError::QuantityOverflow(tradeengine::OrderId(3)), "order 3"),
        (EngineError::Broken(BOOK, "it hurts".to_owned()), "book 1 is broken: it hurts"),
    ] {
        assert!(error.to_string().contains(said), "{error} should say: {said}");
    }
}

#[test]
fn levels_are_written_as_the_page_says() {
    let level = LevelTotal { instrument: BOOK, side: Side::Sell, price: Ticks(258), quantity: Lots(3) };
    let mut expected = vec![1, 0, 0, 0, 2, 0, 0, 0];
    expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(encode_levels(&[level]), expected);
    assert_eq!(encode_levels(&[]), []);
}
