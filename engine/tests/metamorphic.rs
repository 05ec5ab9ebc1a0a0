//! What must not matter: the same sequence told differently gives the same events told differently.
//!
//! These need no model. Each test first makes the sequence tame, that is, leaves out what the relation does
//! not hold for, and says why.
#![allow(clippy::unwrap_used, reason = "this is a test, also outside of test functions")]

mod draw;
mod model;
mod sequences;

use std::collections::BTreeMap;

use draw::{BOOKS, CROWDED, Shape};
use model::wire::{Command, Event, Terms, ask, phase, said, side, trigger};
use proptest::prelude::*;
use sequences::{sequence, settings};
use tradeengine::{BookState, Engine, InstrumentId};

/// Nothing is spoilt: most relations are about orders that make sense.
const SENSIBLE: Shape = Shape { wild: 1 << 40, ..CROWDED };

fn run(commands: &[Command]) -> Vec<Event> {
    let mut engine = Engine::new();
    for book in BOOKS {
        engine.add_book(InstrumentId(book), BookState::EMPTY).unwrap();
    }
    let mut records = Vec::new();
    for command in commands {
        command.encode(&mut records);
    }
    let mut events = Vec::new();
    engine.apply(&records, &mut events).unwrap();
    engine.check().unwrap();
    Event::decode_all(&events)
}

/// The command with every price changed; 0 means that there is none.
fn with_prices(command: &Command, change: impl Fn(i64) -> i64) -> Command {
    let change = |price| if price == 0 { 0 } else { change(price) };
    Command {
        price: change(command.price),
        // Of an amendment, this is the new trigger price.
        group: if command.kind == ask::AMEND { change(command.group) } else { command.group },
        terms: Terms { trigger_price: change(command.terms.trigger_price), ..command.terms },
        ..*command
    }
}

/// A distance in basis points depends on the price itself, and so does what an amount buys.
fn without_proportions(command: &Command) -> Command {
    let mut tame = *command;
    if tame.terms.trigger == trigger::TRAILING_BPS {
        (tame.terms.trigger, tame.terms.distance) = (trigger::TRAILING, 2);
    }
    without_amount(&tame)
}

fn without_amount(command: &Command) -> Command {
    let mut tame = *command;
    if tame.terms.budget > 0 {
        (tame.terms.budget, tame.quantity) = (0, 5);
    }
    tame
}

/// Far enough from zero that no trailing order is held back there.
fn lifted(command: &Command) -> Command {
    with_prices(&without_proportions(command), |price| price + 1000)
}

fn all(commands: &[Command], change: impl Fn(&Command) -> Command) -> Vec<Command> {
    commands.iter().map(change).collect()
}

proptest! {
    #![proptest_config(settings(192))]

    /// With every price higher by the same ticks, every event is the same but for its price, if it has one.
    #[test]
    fn prices_may_be_shifted(commands in sequence(60, SENSIBLE)) {
        let here = all(&commands, lifted);
        let there = all(&here, |command| with_prices(command, |price| price + 5000));

        let expected = run(&here).into_iter().map(|event| {
            Event { price: if event.price == 0 { 0 } else { event.price + 5000 }, ..event }
        });
        prop_assert_eq!(run(&there), expected.collect::<Vec<_>>());
    }

    /// With buys and sells exchanged and prices counted from the other end, so are those of the events.
    /// Without auctions, as of several prices equally good for all the lower one is taken.
    #[test]
    fn sides_may_be_mirrored(commands in sequence(60, SENSIBLE)) {
        let other_side = |side| if side == 0 { 0 } else { side::BUY + side::SELL - side };
        let here = all(&commands, |command| {
            let call = matches!(command.phase, phase::PRE_OPEN | phase::AUCTION);
            Command { phase: if call { phase::HALTED } else { command.phase }, ..lifted(command) }
        });
        let there = all(&here, |command| {
            let mirrored = with_prices(command, |price| 2000 - price);
            Command { side: other_side(command.side), ..mirrored }
        });

        let expected = run(&here).into_iter().map(|event| {
            let price = if event.price == 0 { 0 } else { 2000 - event.price };
            Event { price, side: other_side(event.side), ..event }
        });
        prop_assert_eq!(run(&there), expected.collect::<Vec<_>>());
    }

    /// With three times the lots everywhere, every event speaks of three times the lots.
    #[test]
    fn quantities_may_be_scaled(commands in sequence(60, SENSIBLE)) {
        let here = all(&commands, without_amount);
        let there = all(&here, |command| {
            let terms = command.terms;
            Command {
                quantity: 3 * command.quantity,
                terms: Terms {
                    display: 3 * terms.display,
                    min_quantity: 3 * terms.min_quantity,
                    position_limit: 3 * terms.position_limit,
                    ..terms
                },
                ..*command
            }
        });

        let expected = run(&here).into_iter().map(|event| {
            // A mass cancel counts orders, not lots.
            let factor = if event.kind == said::MASS_CANCELLED { 1 } else { 3 };
            Event {
                quantity: factor * event.quantity,
                leaves: 3 * event.leaves,
                maker_leaves: 3 * event.maker_leaves,
                ..event
            }
        });
        prop_assert_eq!(run(&there), expected.collect::<Vec<_>>());
    }

    /// Accounts and groups are only compared with each other; 0 stays the operator, or no group.
    #[test]
    fn accounts_may_be_renamed(commands in sequence(60, CROWDED)) {
        let account = |account: i64| if account == 0 { 0 } else { 1000 - 7 * account };
        let there = all(&commands, |command| {
            let group = if command.kind == ask::NEW { account(command.group) } else { command.group };
            Command { account: account(command.account), group, ..*command }
        });

        let expected = run(&commands).into_iter().map(|event| {
            let (owner, maker_account) = (account(event.account), account(event.maker_account));
            Event { account: owner, maker_account, ..event }
        });
        prop_assert_eq!(run(&there), expected.collect::<Vec<_>>());
    }

    /// Of order ids only the order among them matters.
    #[test]
    fn orders_may_be_renamed(commands in sequence(60, CROWDED)) {
        let id = |id: i64| if id <= 0 { id } else { 3 * id + 5 };
        let there = all(&commands, |command| {
            let terms = command.terms;
            let terms = Terms { parent: id(terms.parent), partner: id(terms.partner), ..terms };
            Command { order_id: id(command.order_id), terms, ..*command }
        });

        let expected = run(&commands).into_iter().map(|event| {
            let (order_id, maker_order_id) = (id(event.order_id), id(event.maker_order_id));
            Event { order_id, maker_order_id, ..event }
        });
        prop_assert_eq!(run(&there), expected.collect::<Vec<_>>());
    }

    /// A book hears nothing of what is asked of another one.
    #[test]
    fn books_do_not_know_each_other(commands in sequence(80, CROWDED)) {
        let together = run(&commands);
        for book in BOOKS {
            let mut alone = commands.clone();
            alone.retain(|command| command.instrument == book);
            let mut of_book = together.clone();
            of_book.retain(|event| event.instrument == book);

            prop_assert_eq!(run(&alone), of_book);
        }
    }

    /// A hidden bid far below everything, entered and at once cancelled, leaves all other events as they
    /// are, but for the numbers it took from the sequence. (A displayed one could be a touch.)
    #[test]
    fn a_far_order_that_goes_again_leaves_no_trace(
        commands in sequence(60, SENSIBLE),
        at in any::<prop::sample::Index>(),
    ) {
        let mut commands = all(&commands, lifted);
        commands.retain(|command| command.instrument == BOOKS[0]);
        let at = at.index(commands.len() + 1);
        let time = commands[..at].iter().map(|command| command.time).max().unwrap_or(0);
        let far = Command { instrument: BOOKS[0], id: 1, time, order_id: 9999, account: 9999, ..enter_hidden() };
        let mut disturbed = commands.clone();
        disturbed.insert(at, far);
        disturbed.insert(at + 1, Command { kind: ask::CANCEL, instrument: BOOKS[0], id: 1, time, order_id: 9999, ..Command::default() });

        let expected = run(&commands);
        let mut events = run(&disturbed);
        events.retain(|event| event.order_id != 9999);
        let renumbered: BTreeMap<i64, i64> = events.iter().map(|event| event.seq).zip(1..).collect();
        for event in &mut events {
            event.seq = renumbered[&event.seq];
            if event.priority != 0 {
                event.priority = renumbered[&event.priority];
            }
        }
        prop_assert_eq!(events, expected);
    }
}

fn enter_hidden() -> Command {
    use model::wire::{HAS_DISPLAY, order_type, tif};
    Command {
        kind: ask::NEW,
        side: side::BUY,
        order_type: order_type::LIMIT,
        tif: tif::GTC,
        price: 1,
        quantity: 1,
        terms: Terms { flags: HAS_DISPLAY, ..Terms::default() },
        ..Command::default()
    }
}
