//! A long run of random commands against the model.
//!
//! `DIFFERENTIAL_COMMANDS` and `DIFFERENTIAL_SEED` make it longer or another one; see `make soak`.

mod draw;
mod duel;
mod model;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use draw::{BOOKS, Draw, Numbers, STRETCHES, Seeded, Shape};
use duel::{Duel, Watch, assert_same};
use tradeengine::{EventKind, Reason};

/// Books are begun anew after so many commands, so that a difference can be shortened.
const EPISODE: usize = 4_000;
const WATCH: Watch = Watch { compare_every: 16, restore_every: 400 };

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn engine_and_model_agree_for_long() {
    let wanted = from_environment("DIFFERENTIAL_COMMANDS", 200_000);
    let seed = from_environment("DIFFERENTIAL_SEED", 1);
    let mut numbers = Seeded(seed);
    let mut counts = BTreeMap::new();
    let (mut commands, mut events, mut reported) = (0, 0_u64, Instant::now());
    while commands < wanted {
        // Mostly narrow and crowded; now and then many orders at many prices.
        let (ids, prices) = numbers.one_of(&[(12, 10), (60, 10), (60, 10), (60, 30), (300, 100)]);
        let stretch = numbers.one_of(&STRETCHES);
        let mut draw = Draw::new(Shape { ids, prices, stretch, wild: 25 });
        while draw.commands.len() < EPISODE {
            draw.unit(&mut numbers);
        }
        // Once to count what is said; only if that differs, again to find out why.
        let mut duel = Duel::new(&BOOKS);
        for (at, command) in draw.commands.iter().enumerate() {
            let watched = duel.step(command).is_ok()
                && ((at + 1) % WATCH.compare_every != 0 || duel.compare(command.instrument).is_ok())
                && ((at + 1) % WATCH.restore_every != 0 || duel.restore(command.instrument).is_ok());
            if !watched {
                assert_same(&draw.commands, WATCH);
            }
            for event in &duel.model(command.instrument).events {
                *counts.entry((event.kind, event.reason)).or_insert(0_u64) += 1;
                events += 1;
            }
        }
        commands += draw.commands.len() as u64;
        if reported.elapsed() > Duration::from_secs(60) {
            println!("{commands} commands so far");
            reported = Instant::now();
        }
    }
    for (&(kind, reason), count) in &counts {
        let kind = EventKind::from_code(kind).expect("known");
        println!("{count:>10} {kind:?} {:?}", Reason::from_code(reason).expect("known"));
    }
    println!("seed {seed}: {commands} commands, {events} events, no difference");
}
