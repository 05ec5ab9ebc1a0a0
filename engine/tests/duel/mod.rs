//! Engine and model side by side: the same commands, the same bytes, or a short sequence that shows why not.
#![allow(dead_code, reason = "every test binary uses its own part of the duel")]
#![allow(clippy::unwrap_used, reason = "this is a test, although no test function")]

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tradeengine::{BookState, Engine, InstrumentId, LevelTotal};

use crate::draw::BOOKS;
use crate::model::Model;
use crate::model::wire::{Command, Event, Terms};

/// One engine, and one model for each of its books.
#[derive(Clone)]
pub(crate) struct Duel {
    pub(crate) engine: Engine,
    pub(crate) models: Vec<Model>,
    /// The depth as a reader of level changes has it.
    followed: Vec<LevelTotal>,
    asked: Vec<u8>,
    said: Vec<u8>,
    expected: Vec<u8>,
}

impl Duel {
    pub(crate) fn new(books: &[u32]) -> Self {
        let mut engine = Engine::new();
        for &book in books {
            engine.add_book(InstrumentId(book), BookState::EMPTY).unwrap();
        }
        Self {
            engine,
            models: books.iter().copied().map(Model::new).collect(),
            followed: Vec::new(),
            asked: Vec::new(),
            said: Vec::new(),
            expected: Vec::new(),
        }
    }

    pub(crate) fn model(&self, book: u32) -> &Model {
        self.models.iter().find(|model| model.instrument == book).unwrap()
    }

    /// Both do as they are told, and must say the same.
    pub(crate) fn step(&mut self, command: &Command) -> Result<(), String> {
        for bytes in [&mut self.asked, &mut self.said, &mut self.expected] {
            bytes.clear();
        }
        command.encode(&mut self.asked);
        let model = self.models.iter_mut().find(|model| model.instrument == command.instrument).unwrap();
        model.apply(command);
        for event in &model.events {
            event.encode(&mut self.expected);
        }
        self.engine.apply(&self.asked, &mut self.said).map_err(|error| format!("refused: {error}"))?;
        if self.said == self.expected {
            return Ok(());
        }
        let said = lines(&Event::decode_all(&self.said));
        Err(format!("engine:\n{said}model:\n{}", lines(&Event::decode_all(&self.expected))))
    }

    /// Everything that can be read of a book, and the engine's own invariants.
    pub(crate) fn compare(&mut self, book: u32) -> Result<(), String> {
        self.engine.check().map_err(|error| error.to_string())?;
        self.compare_readings(book)
    }

    /// Everything that can be read of a book.
    pub(crate) fn compare_readings(&mut self, book: u32) -> Result<(), String> {
        let (engine, instrument) = (&mut self.engine, InstrumentId(book));
        let model = self.models.iter().find(|model| model.instrument == book).unwrap();

        let state = engine.state(instrument).unwrap();
        let numbers = (state.seq.0, state.last_time.0, state.last_price.0, state.phase.code());
        same("state", &numbers, &(model.seq, model.time, model.last_price, model.phase))?;
        same("open orders", &engine.open_orders(instrument).unwrap(), &model.open_orders())?;
        same("number of orders", &engine.order_count(instrument).unwrap(), &model.orders.len())?;

        let depth = engine.depth(instrument, usize::MAX).unwrap();
        let plain = |level: &LevelTotal| (level.side.code(), level.price.0, level.quantity.0);
        same("depth", &depth.iter().map(plain).collect::<Vec<_>>(), &model.depth())?;

        for change in engine.level_changes() {
            let level = |level: &LevelTotal| (level.instrument, level.side, level.price);
            self.followed.retain(|old| level(old) != level(&change));
            if change.quantity.0 > 0 {
                self.followed.push(change);
            }
        }
        let mut followed: Vec<_> =
            self.followed.iter().filter(|level| level.instrument == instrument).map(plain).collect();
        followed.sort_unstable();
        let mut depth = model.depth();
        depth.sort_unstable();
        same("level changes", &followed, &depth)?;

        let found = engine.indicative(instrument).unwrap();
        same("auction", &(found.price.0, found.volume.0, found.surplus.0), &model.indicative())
    }

    /// The book again from its own records: the same hash, and from now on it is the restored one that runs.
    pub(crate) fn restore(&mut self, book: u32) -> Result<(), String> {
        let (engine, instrument) = (&mut self.engine, InstrumentId(book));
        let (records, state) = (engine.open_orders(instrument).unwrap(), engine.state(instrument).unwrap());
        let hash = engine.state_hash(instrument).unwrap();
        engine.restore(instrument, &records, state).map_err(|error| format!("not restored: {error}"))?;
        same("hash after restore", &engine.state_hash(instrument).unwrap(), &hash)?;
        engine.check().map_err(|error| error.to_string())
    }
}

fn same<T: PartialEq + Debug>(what: &str, engine: &T, model: &T) -> Result<(), String> {
    if engine == model { Ok(()) } else { Err(format!("{what}\nengine: {engine:?}\nmodel:  {model:?}")) }
}

/// How closely a run is watched: everything is compared after so many commands, and restored after so many.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) compare_every: usize,
    pub(crate) restore_every: usize,
}

pub(crate) const CLOSELY: Watch = Watch { compare_every: 1, restore_every: 7 };

/// Where the two first differ, and how. A panic is a difference too.
pub(crate) fn difference(commands: &[Command], watch: Watch) -> Option<(usize, String)> {
    let mut duel = Duel::new(&BOOKS);
    commands.iter().enumerate().find_map(|(at, command)| {
        let watched = catch_unwind(AssertUnwindSafe(|| {
            duel.step(command)?;
            if (at + 1) % watch.compare_every == 0 {
                duel.compare(command.instrument)?;
            }
            if (at + 1) % watch.restore_every == 0 {
                duel.restore(command.instrument)?;
            }
            Ok(())
        }));
        watched.unwrap_or_else(|_| Err("panic".to_owned())).err().map(|how| (at, how))
    })
}

/// Fails with the shortest sequence found that still shows a difference.
pub(crate) fn assert_same(commands: &[Command], watch: Watch) {
    if difference(commands, watch).is_none() {
        return;
    }
    // A difference that does not depend on how often one looks stays when others are left out.
    let stable = [(usize::MAX, usize::MAX), (1, usize::MAX), (1, 1)]
        .map(|(compare_every, restore_every)| Watch { compare_every, restore_every })
        .into_iter()
        .find(|&stable| difference(commands, stable).is_some());
    let watch = stable.unwrap_or(watch);
    let shortest = shortest(commands, watch);
    let (_, how) = difference(&shortest, watch).expect("it differs");
    panic!("engine and model differ after {} commands:\n{}\n{how}", shortest.len(), lines(&shortest));
}

/// Leaves out whatever is not needed for a difference.
fn shortest(commands: &[Command], watch: Watch) -> Vec<Command> {
    let differs = |commands: &[Command]| difference(commands, watch).map(|(at, _)| at);
    let mut kept = commands.to_vec();
    kept.truncate(differs(&kept).map_or(kept.len(), |at| at + 1));
    let (mut piece, mut before) = (kept.len() / 2, kept.len());
    while piece > 0 {
        let mut at = 0;
        while at < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + piece).min(kept.len()));
            if let Some(last) = differs(&fewer) {
                fewer.truncate(last + 1);
                kept = fewer;
            } else {
                at += piece;
            }
        }
        piece /= 2;
        if piece == 0 && kept.len() < before {
            (piece, before) = (kept.len() / 2, kept.len());
        }
    }
    kept
}

/// One line each, without what is zero.
pub(crate) fn lines<T: Debug>(records: &[T]) -> String {
    let line = |record: &T| {
        let text = format!("{record:?}").replace(&format!(", terms: {:?}", Terms::default()), "");
        let (head, tail) = text.split_once('{').unwrap_or((&text, ""));
        let parts: Vec<_> = tail.split(", ").filter(|part| !part.ends_with(": 0")).collect();
        format!("  {head}{{{}\n", parts.join(", "))
    };
    records.iter().map(line).collect()
}
