//! The records themselves: what has no meaning is refused whole.
#![allow(clippy::unwrap_used, reason = "this is a test, also outside of test functions")]

mod model;

use model::wire::{Command, Terms, ask, command_flag, link, order_type, phase, side, tif, trigger};
use tradeengine::{
    AccountId, Action, BookState, CommandId, Engine, EngineError, GroupId, InstrumentId, LevelTotal, Lots,
    Micros, NewOrder, OrderId, OrderType, Phase, PhaseChange, Reason, Seq, Side, StpMode, Ticks, TimeInForce,
    encode_command, encode_levels,
};

const BOOK: InstrumentId = InstrumentId(1);

fn engine() -> Engine {
    let mut engine = Engine::new();
    engine.add_book(BOOK, BookState::EMPTY).unwrap();
    engine
}

fn encoded(commands: &[Command]) -> Vec<u8> {
    let mut records = Vec::new();
    for command in commands {
        command.encode(&mut records);
    }
    records
}

fn sample(kind: u8) -> Command {
    let command = Command { kind, instrument: BOOK.0, id: 1, time: 1, ..Command::default() };
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
        (ask::NEW, [7].into_iter().chain(12..16).collect()),
        (ask::CANCEL, (1..6).chain([7]).chain(12..16).chain(stp_group.start..quantity.end).collect()),
        (ask::AMEND, (1..6).chain([7]).chain(12..16).collect()),
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
        (ask::NEW, 6, 31),
        (ask::CANCEL, 6, 31),
        (ask::AMEND, 6, 31),
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

/// Offsets as on the page; the terms of an open order begin at 80.
#[test]
fn parked_orders_that_no_command_could_have_left_are_refused() {
    let terms = Terms {
        trigger: trigger::TRAILING,
        trigger_price: 3,
        distance: 2,
        step: 1,
        link: link::OCO,
        partner: 9,
        ..Terms::default()
    };
    let mut engine = engine();
    engine.apply(&encoded(&[Command { terms, ..sample(ask::NEW) }]), &mut Vec::new()).unwrap();
    let (records, state) = (engine.open_orders(BOOK).unwrap(), engine.state(BOOK).unwrap());
    for (name, at, value) in [
        ("a trigger price", 88, 0),
        ("a distance", 96, 0),
        ("a step", 104, 0),
        ("a budget", 136, 5),
        ("a position limit", 144, 5),
        ("a parent of a pair", 152, 5),
        ("no partner", 160, 0),
        ("itself as partner", 160, 2),
        ("no lots", 40, 0),
        ("a slice", 64, 1),
    ] {
        let mut changed = records.clone();
        changed[at..at + 8].copy_from_slice(&i64::to_le_bytes(value));
        assert!(engine.restore(BOOK, &changed, state).is_err(), "{name}: {value}");
    }
    assert_eq!(engine.restore(BOOK, &records, state), Ok(()));
}

/// The engine's own encoder, which benchmarks use, against the layout of the page.
#[test]
fn typed_commands_are_written_as_the_page_says() {
    for flags in [0, command_flag::POST_ONLY, command_flag::REDUCE_ONLY] {
        let new = NewOrder {
            order_id: OrderId(2),
            account: AccountId(3),
            stp_group: GroupId(0),
            side: Side::Buy,
            order_type: OrderType::Limit,
            tif: TimeInForce::Gtc,
            post_only: flags == command_flag::POST_ONLY,
            reduce_only: flags == command_flag::REDUCE_ONLY,
            stp: StpMode::None,
            price: Ticks(4),
            quantity: Lots(5),
        };
        let written = encode_command(&typed(Action::New(new)));
        assert_eq!(written, encoded(&[Command { flags, ..sample(ask::NEW) }]));
    }
    for cancel_resting in [false, true] {
        let change = PhaseChange {
            phase: Phase::Halted,
            account: AccountId(0),
            reason: Reason::None,
            cancel_resting,
            reference: Ticks(7),
        };
        let flags = if cancel_resting { command_flag::CANCEL_RESTING } else { 0 };
        let expected = Command { flags, price: 7, ..sample(ask::PHASE) };
        assert_eq!(encode_command(&typed(Action::Phase(change))), encoded(&[expected]));
    }
}

fn typed(action: Action) -> tradeengine::Command {
    tradeengine::Command { instrument: BOOK, command_id: CommandId(1), time: Micros(1), action }
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
        (EngineError::DuplicateOrder(OrderId(3)), "order 3 appears twice"),
        (EngineError::DuplicatePriority(Seq(3)), "priority 3"),
        (EngineError::PriorityAhead(Seq(3)), "priority 3 is ahead"),
        (EngineError::QuantityOverflow(OrderId(3)), "order 3"),
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
    assert!(encode_levels(&[]).is_empty());
}
