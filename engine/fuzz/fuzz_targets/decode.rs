//! Any bytes: what is no state or no command is refused without a trace, and the rest leaves a sound book.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tradeengine::{BookState, Engine, InstrumentId, Micros, Phase, Seq, Ticks};

const BOOK: InstrumentId = InstrumentId(1);

fuzz_target!(|data: &[u8]| {
    // Which phase, how many records of open orders, and then these and the commands.
    let [phase, records, rest @ ..] = data else { return };
    let (open, commands) = rest.split_at(rest.len().min(usize::from(*records) * 80));
    let phase = Phase::from_code(phase % 6 + 1).expect("one of six");
    let state = BookState { seq: Seq(1 << 40), last_time: Micros(5), last_price: Ticks(7), phase };

    let mut engine = Engine::new();
    engine.add_book(BOOK, BookState::EMPTY).expect("the first book");
    let empty = engine.state_hash(BOOK);
    if engine.restore(BOOK, open, state).is_err() {
        assert_eq!(engine.state_hash(BOOK), empty);
    }
    engine.check().expect("sound after restore");

    let (mut events, before) = (Vec::new(), engine.state_hash(BOOK));
    if engine.apply(commands, &mut events).is_err() {
        assert_eq!((events.len(), engine.state_hash(BOOK)), (0, before));
    }
    engine.check().expect("sound after commands");

    let (open, state) = (engine.open_orders(BOOK).expect("a book"), engine.state(BOOK).expect("a book"));
    let mut again = Engine::new();
    again.restore(BOOK, &open, state).expect("what it says itself is a state");
    again.check().expect("sound when restored again");
    assert_eq!(again.state_hash(BOOK), engine.state_hash(BOOK));
    assert_eq!(again.open_orders(BOOK), engine.open_orders(BOOK));
});
