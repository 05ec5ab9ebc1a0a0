//! Every sequence of five commands over three alphabets of twelve, against the model.
//!
//! The walk goes depth first over copies of engine and model, so that common beginnings are done once.

mod draw;
mod duel;
mod model;

use duel::{Duel, lines};
use model::wire::{
    Command, HAS_DISPLAY, Terms, ask, link, order_type, phase, side, source, stp, tif, trigger,
};

const LENGTH: usize = 5;
const BOOK: u32 = 1;

/// A good-till-cancelled limit order; its owner has the number of the order unless it says otherwise.
fn limit(order_id: i64, side: u8, quantity: i64, price: i64) -> Command {
    Command {
        kind: ask::NEW,
        order_type: order_type::LIMIT,
        tif: tif::GTC,
        account: order_id,
        order_id,
        side,
        quantity,
        price,
        ..Command::default()
    }
}

fn market(order_id: i64, side: u8, quantity: i64) -> Command {
    Command { order_type: order_type::MARKET, tif: tif::IOC, ..limit(order_id, side, quantity, 0) }
}

fn when(trigger: u8, trigger_price: i64) -> Terms {
    let (distance, step) = if trigger == trigger::TRAILING { (1, 1) } else { (0, 0) };
    Terms { trigger, trigger_price, distance, step, ..Terms::default() }
}

fn showing(display: i64) -> Terms {
    Terms { flags: HAS_DISPLAY, display, ..Terms::default() }
}

fn cancel(order_id: i64) -> Command {
    Command { kind: ask::CANCEL, order_id, ..Command::default() }
}

fn amend(order_id: i64, price: i64, quantity: i64) -> Command {
    Command { kind: ask::AMEND, order_id, price, quantity, ..Command::default() }
}

fn phase(phase: u8) -> Command {
    Command { kind: ask::PHASE, phase, ..Command::default() }
}

/// All sequences; each command comes ten microseconds after the one before, and later by its own `time`.
fn walk(duel: &Duel, alphabet: &[Command], sequence: &mut Vec<Command>) -> u64 {
    if sequence.len() == LENGTH {
        return 1;
    }
    let at = i64::try_from(sequence.len()).expect("a short sequence") + 1;
    let mut count = 0;
    for command in alphabet {
        let mut next = duel.clone();
        sequence.push(Command { instrument: BOOK, id: at, time: 10 * at + command.time, ..*command });
        // The invariants take most of the time: once for every twelve sequences.
        let checked = sequence.len() < LENGTH || command == &alphabet[0];
        let compare = if checked { Duel::compare } else { Duel::compare_readings };
        if let Err(how) = next.step(&sequence[sequence.len() - 1]).and_then(|()| compare(&mut next, BOOK)) {
            panic!("engine and model differ:\n{}\n{how}", lines(sequence));
        }
        count += walk(&next, alphabet, sequence);
        sequence.pop();
    }
    count
}

fn walk_all(name: &str, alphabet: &[Command; 12]) {
    let count = walk(&Duel::new(&[BOOK]), alphabet, &mut Vec::new());
    println!("{name}: {count} sequences, no difference");
    assert_eq!(count, 12_u64.pow(5));
}

#[test]
fn crossing_stops_and_icebergs() {
    let fok = Command { tif: tif::FOK, account: 2, stp: stp::EXPIRE_MAKER, ..limit(10, side::BUY, 7, 11) };
    walk_all(
        "crossing, stops, icebergs",
        &[
            limit(1, side::BUY, 5, 10),
            limit(2, side::SELL, 3, 10),
            Command { terms: showing(2), account: 2, ..limit(3, side::SELL, 6, 10) },
            Command { terms: showing(0), account: 1, ..limit(4, side::BUY, 4, 10) },
            limit(5, side::SELL, 2, 11),
            market(6, side::BUY, 4),
            Command { terms: when(trigger::STOP, 10), ..limit(7, side::SELL, 3, 9) },
            Command {
                terms: Terms { source: source::QUOTE, ..when(trigger::STOP, 11) },
                ..market(8, side::BUY, 2)
            },
            Command { terms: when(trigger::TRAILING, 9), ..market(9, side::SELL, 2) },
            amend(1, 11, 0),
            cancel(3),
            fok,
        ],
    );
}

#[test]
fn pairs_parents_and_brackets() {
    let exit = |partner, terms| Terms { link: link::ATTACHED, parent: 5, partner, ..terms };
    walk_all(
        "pairs, parents, brackets",
        &[
            Command {
                terms: Terms { link: link::OCO, partner: 2, ..Terms::default() },
                ..limit(1, side::SELL, 4, 12)
            },
            Command {
                terms: Terms { link: link::OCO, partner: 1, ..when(trigger::STOP, 9) },
                ..market(2, side::SELL, 4)
            },
            Command { terms: exit(4, when(trigger::TAKE_PROFIT, 12)), ..limit(3, side::SELL, 4, 12) },
            Command { terms: exit(3, when(trigger::STOP, 9)), ..market(4, side::SELL, 4) },
            limit(5, side::BUY, 4, 10),
            Command {
                terms: Terms { link: link::OTO, parent: 5, ..Terms::default() },
                ..limit(6, side::SELL, 4, 11)
            },
            limit(7, side::SELL, 2, 10),
            limit(8, side::BUY, 3, 9),
            Command { tif: tif::IOC, ..limit(9, side::SELL, 3, 9) },
            Command { terms: Terms { budget: 45, ..Terms::default() }, ..market(10, side::BUY, 0) },
            cancel(5),
            limit(11, side::BUY, 2, 12),
        ],
    );
}

#[test]
fn phases_auctions_and_expiry() {
    walk_all(
        "phases, auctions, expiry",
        &[
            phase(phase::AUCTION),
            Command { price: 10, ..phase(phase::OPEN) },
            phase(phase::CLOSED),
            Command { tif: tif::DAY, ..limit(1, side::BUY, 5, 11) },
            limit(2, side::SELL, 4, 10),
            Command { terms: showing(2), account: 1, stp: stp::DECREMENT, ..limit(3, side::SELL, 6, 9) },
            Command { terms: Terms { expires: 45, ..Terms::default() }, ..limit(4, side::BUY, 3, 10) },
            Command { terms: showing(0), account: 4, ..limit(5, side::SELL, 2, 11) },
            Command { terms: when(trigger::STOP, 10), ..market(6, side::BUY, 2) },
            Command { kind: ask::TIME, time: 20, ..Command::default() },
            amend(1, 9, 7),
            Command { kind: ask::MASS_CANCEL, side: side::SELL, ..Command::default() },
        ],
    );
}
