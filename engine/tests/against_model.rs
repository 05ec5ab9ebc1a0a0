//! Shrinking random sequences against the naive model: the engine must say the same, byte for byte, and
//! everything that can be read of it must be the same after every command.

mod draw;
mod duel;
mod model;
mod sequences;

use std::collections::BTreeSet;

use draw::{BOOKS, CROWDED, Draw, STRETCHES, Seeded, Shape};
use duel::{CLOSELY, Duel, difference};
use model::Model;
use model::wire::Command;
use proptest::prelude::*;
use sequences::{sequence, settings};
use tradeengine::{BookState, Engine, InstrumentId};

proptest! {
    #![proptest_config(settings(512))]

    #[test]
    fn the_engine_says_what_the_model_says(
        commands in prop::sample::select(STRETCHES.to_vec())
            .prop_flat_map(|stretch| sequence(60, Shape { stretch, ..CROWDED })),
    ) {
        if let Some((at, how)) = difference(&commands, CLOSELY) {
            prop_assert!(false, "command {at}: {how}");
        }
    }

    #[test]
    fn any_cut_into_batches_gives_the_same_events(
        commands in sequence(40, CROWDED),
        cut in any::<prop::sample::Index>(),
    ) {
        let run = |batches: &[&[Command]]| {
            let mut engine = Engine::new();
            for book in BOOKS {
                engine.add_book(InstrumentId(book), BookState::EMPTY).unwrap();
            }
            let mut events = Vec::new();
            for batch in batches {
                let mut records = Vec::new();
                for command in *batch {
                    command.encode(&mut records);
                }
                engine.apply(&records, &mut events).unwrap();
            }
            (events, BOOKS.map(|book| engine.state_hash(InstrumentId(book)).unwrap()))
        };
        let (head, tail) = commands.split_at(cut.index(commands.len()));

        prop_assert_eq!(run(&[head, tail]), run(&[&commands]));
    }

    #[test]
    fn a_restored_engine_goes_on_as_if_nothing_had_happened(
        commands in sequence(40, CROWDED),
        cut in any::<prop::sample::Index>(),
    ) {
        let (head, tail) = commands.split_at(cut.index(commands.len()));
        let mut one = Duel::new(&BOOKS);
        for command in head {
            one.step(command).unwrap();
        }
        let mut other = one.clone();
        for book in BOOKS {
            prop_assert_eq!(other.restore(book), Ok(()));
        }
        for command in tail {
            one.step(command).unwrap();
            other.step(command).unwrap();
        }
        for book in BOOKS.map(InstrumentId) {
            prop_assert_eq!(other.engine.state_hash(book), one.engine.state_hash(book));
        }
    }
}

/// The generator is worth something only if it reaches everything that can be said.
#[test]
fn the_sequences_reach_every_kind_and_reason() {
    let mut seen = BTreeSet::new();
    let mut numbers = Seeded(1);
    for _ in 0..120 {
        let mut draw = Draw::new(Shape { ids: 24, wild: 12, ..CROWDED });
        let mut models = BOOKS.map(Model::new);
        for _ in 0..1000 {
            draw.unit(&mut numbers);
            for command in draw.commands.drain(..) {
                let model = models.iter_mut().find(|model| model.instrument == command.instrument).unwrap();
                model.apply(&command);
                seen.extend(model.events.iter().map(|event| (event.kind, event.reason)));
            }
        }
    }
    assert_eq!(seen, expected());
}

fn expected() -> BTreeSet<(u8, u8)> {
    use model::wire::{reason as why, said};
    let kinds: [(u8, &[u8]); 15] = [
        (said::ACCEPTED, &[why::NONE]),
        (
            said::REJECTED,
            &[
                why::FOK_UNFILLABLE,
                why::WOULD_TAKE,
                why::HALTED,
                why::DUPLICATE_ORDER,
                why::INVALID,
                why::WRONG_PHASE,
                why::EXPIRED,
                why::LINKED,
                why::MIN_QUANTITY,
                why::REDUCE_ONLY,
            ],
        ),
        (said::TRADE, &[why::NONE]),
        (
            said::CANCELLED,
            &[
                why::NONE,
                why::IOC_REMAINDER,
                why::NO_LIQUIDITY,
                why::PRICE_PROTECTION,
                why::FOK_UNFILLABLE,
                why::WOULD_TAKE,
                why::SELF_TRADE_PREVENTION,
                why::INVALID,
                why::OPERATOR,
                why::MASS_CANCEL,
                why::HALT_CANCEL,
                why::MAINTENANCE,
                why::EXPIRED,
                why::SESSION_END,
                why::LINKED,
                why::PARENT_ENDED,
                why::EXIT_TRIGGERED,
                why::AMOUNT_SPENT,
                why::MIN_QUANTITY,
            ],
        ),
        (said::AMENDED, &[why::NONE]),
        (said::CANCEL_REJECTED, &[why::UNKNOWN_ORDER, why::NOT_OWNER]),
        (
            said::AMEND_REJECTED,
            &[
                why::WOULD_TAKE,
                why::HALTED,
                why::WRONG_PHASE,
                why::UNKNOWN_ORDER,
                why::NOT_OWNER,
                why::BELOW_EXECUTED,
                why::INVALID,
                why::NO_CHANGE,
            ],
        ),
        (said::REDUCED, &[why::SELF_TRADE_PREVENTION, why::REDUCE_ONLY]),
        (said::PHASE_CHANGED, &[why::NONE, why::ALREADY_IN_PHASE, why::MAINTENANCE]),
        (said::MASS_CANCELLED, &[why::MASS_CANCEL, why::OPERATOR]),
        (said::TRIGGERED, &[why::NONE]),
        (said::ACTIVATED, &[why::NONE]),
        (said::TRAILED, &[why::NONE]),
        (said::DISPLAYED, &[why::NONE]),
        (said::TIME, &[why::NONE]),
    ];
    kinds.iter().flat_map(|(kind, reasons)| reasons.iter().map(|reason| (*kind, *reason))).collect()
}
