//! Meaningful commands, chosen by the bytes, against the naive model of the tests.
#![no_main]

#[path = "../../tests/draw/mod.rs"]
mod draw;
#[path = "../../tests/duel/mod.rs"]
mod duel;
#[path = "../../tests/model/mod.rs"]
mod model;

use draw::{CROWDED, Draw, Given, STRETCHES, Shape};
use duel::{Watch, assert_same};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // How far prices lie apart, and then numbers to draw from.
    let [stretch, numbers @ ..] = data else { return };
    let stretch = STRETCHES[usize::from(*stretch) % STRETCHES.len()];
    let mut draw = Draw::new(Shape { stretch, ..CROWDED });
    let mut numbers = numbers.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    while numbers.len() > 0 && draw.commands.len() < 200 {
        draw.unit(&mut Given(numbers.by_ref()));
    }
    assert_same(&draw.commands, Watch { compare_every: 1, restore_every: 11 });
});
