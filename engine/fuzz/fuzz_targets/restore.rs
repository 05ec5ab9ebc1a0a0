//! Real states and commands with some bytes changed: refused without a trace, or a sound book from then on.
#![no_main]

#[path = "../../tests/draw/mod.rs"]
mod draw;
#[path = "../../tests/model/mod.rs"]
mod model;

use draw::{BOOKS, CROWDED, Draw, Given};
use libfuzzer_sys::fuzz_target;
use tradeengine::{BookState, Engine, InstrumentId};

const BOOK: InstrumentId = InstrumentId(BOOKS[0]);

/// Each patch is a place (two bytes), how many bytes it fills, and with what.
fn patch(records: &mut [u8], patches: &[u8]) {
    for patch in patches.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([patch[0], patch[1]]));
        let size = usize::from(patch[2] % 9);
        for byte in records.iter_mut().skip(at).take(size) {
            *byte = patch[3];
        }
    }
}

fuzz_target!(|data: &[u8]| {
    // How many patches of the state and of the commands, these, and numbers to draw commands from.
    let [of_state, of_commands, rest @ ..] = data else { return };
    let (of_state, rest) = rest.split_at(rest.len().min(usize::from(of_state % 8) * 4));
    let (of_commands, rest) = rest.split_at(rest.len().min(usize::from(of_commands % 8) * 4));
    let mut numbers = rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let mut draw = Draw::new(CROWDED);
    while numbers.len() > 0 && draw.commands.len() < 100 {
        draw.unit(&mut Given(numbers.by_ref()));
    }
    let (before, after) = draw.commands.split_at(draw.commands.len() / 2);
    let encode = |commands: &[_]| {
        let mut records = Vec::new();
        commands.iter().for_each(|command: &model::wire::Command| command.encode(&mut records));
        records
    };

    let mut engine = Engine::new();
    for book in BOOKS {
        engine.add_book(InstrumentId(book), BookState::EMPTY).expect("a new book");
    }
    engine.apply(&encode(before), &mut Vec::new()).expect("as they should be");
    let (mut open, state) = (engine.open_orders(BOOK).expect("a book"), engine.state(BOOK).expect("a book"));
    let hash = engine.state_hash(BOOK);
    patch(&mut open, of_state);
    if engine.restore(BOOK, &open, state).is_err() {
        assert_eq!(engine.state_hash(BOOK), hash);
    }
    engine.check().expect("sound after restore");

    let mut commands = encode(after);
    patch(&mut commands, of_commands);
    let (mut events, before) = (Vec::new(), engine.state_hash(BOOK));
    if engine.apply(&commands, &mut events).is_err() {
        assert_eq!((events.len(), engine.state_hash(BOOK)), (0, before));
    }
    engine.check().expect("sound after commands");
});
