//! Many books behind one door: batches are checked whole, then executed whole.

use crate::auction::Indicative;
use crate::book::Book;
use crate::codec::{COMMAND_SIZE, EVENT_SIZE, Receiver, decode_commands};
use crate::command::Command;
use crate::error::EngineError;
use crate::open::{OpenOrder, decode_open, encode_open};
use crate::types::{InstrumentId, Lots, Micros, Phase, Seq, Side, Ticks};

/// Instrument ids index a table; the bound keeps it small.
const INSTRUMENT_MAX: u32 = 8191;
/// Far from the end of 64 bits: a book cannot emit so many events that `seq` overflows.
const SEQ_MAX: i64 = 1 << 62;

/// What a book remembers besides its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookState {
    /// The last event's place.
    pub seq: Seq,
    /// The latest time seen; time never runs backwards.
    pub last_time: Micros,
    /// Price of the last trade; zero before the first.
    pub last_price: Ticks,
    /// What the book does with orders.
    pub phase: Phase,
}

impl BookState {
    /// A book to which nothing has happened.
    pub const EMPTY: Self =
        Self { seq: Seq(0), last_time: Micros(0), last_price: Ticks(0), phase: Phase::Open };
}

/// The open lots of one side at one price; zero when the level is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LevelTotal {
    /// The book.
    pub instrument: InstrumentId,
    /// Bid or ask.
    pub side: Side,
    /// The level's price.
    pub price: Ticks,
    /// Its open lots.
    pub quantity: Lots,
}

/// The books of one shard. Deterministic: the same commands on the same state give the same events.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    books: Vec<Option<Box<Book>>>,
}

impl Engine {
    /// An engine without books.
    #[must_use]
    pub const fn new() -> Self {
        Self { books: Vec::new() }
    }

    /// Opens an empty book.
    ///
    /// # Errors
    /// The instrument has a book, is out of range, or the state is impossible.
    pub fn add_book(&mut self, instrument: InstrumentId, state: BookState) -> Result<(), EngineError> {
        if self.book(instrument).is_ok() {
            return Err(EngineError::BookExists(instrument));
        }
        self.install(instrument, Vec::new(), state)
    }

    /// Forgets a book and its orders.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn remove_book(&mut self, instrument: InstrumentId) -> Result<(), EngineError> {
        self.book(instrument)?;
        self.books[instrument.0 as usize] = None;
        Ok(())
    }

    /// Replaces a book, or opens it, with the open orders of `records` in any order.
    /// Nothing is matched or triggered, no event or level change is reported.
    ///
    /// # Errors
    /// Malformed records, records of another version, a crossed book in phase open, ids or priorities that
    /// repeat, or an impossible state.
    pub fn restore(
        &mut self,
        instrument: InstrumentId,
        records: &[u8],
        state: BookState,
    ) -> Result<(), EngineError> {
        self.install(instrument, decode_open(records)?, state)
    }

    fn install(
        &mut self,
        instrument: InstrumentId,
        orders: Vec<OpenOrder>,
        state: BookState,
    ) -> Result<(), EngineError> {
        if !(1..=INSTRUMENT_MAX).contains(&instrument.0) {
            return Err(EngineError::InstrumentRange(instrument.0));
        }
        for (field, value, max) in [
            ("seq", state.seq.0, SEQ_MAX),
            ("last_time", state.last_time.0, i64::MAX),
            ("last_price", state.last_price.0, i64::MAX),
        ] {
            if !(0..=max).contains(&value) {
                return Err(EngineError::State { field, value });
            }
        }
        let book = Book::restored(instrument, orders, state)?;
        let place = instrument.0 as usize;
        if self.books.len() <= place {
            self.books.resize(place + 1, None);
        }
        self.books[place] = Some(Box::new(book));
        Ok(())
    }

    /// Executes a batch of encoded commands and appends the records of its events.
    ///
    /// # Errors
    /// A malformed record or an instrument without a book; then no command has been executed.
    pub fn apply(&mut self, records: &[u8], events: &mut Vec<u8>) -> Result<(), EngineError> {
        // To decode twice is quicker than to write the commands down in between.
        decode_commands(records, &mut Check { engine: self })?;
        events.reserve(records.len() / COMMAND_SIZE * 2 * EVENT_SIZE);
        Ok(decode_commands(records, &mut Execute { engine: self, events })?)
    }

    /// Executes commands and appends the records of their events.
    ///
    /// # Errors
    /// An instrument without a book; then no command has been executed.
    pub fn execute(&mut self, batch: &[Command], events: &mut Vec<u8>) -> Result<(), EngineError> {
        batch.iter().try_for_each(|command| Check { engine: self }.receive(command))?;
        let mut execute = Execute { engine: self, events };
        Ok(batch.iter().try_for_each(|command| execute.receive(command))?)
    }

    /// Levels changed since the last call, by instrument, side and price, with their totals now.
    /// A level may be listed although its total is what it was before.
    pub fn level_changes(&mut self) -> Vec<LevelTotal> {
        let mut changes = Vec::new();
        for book in self.books.iter_mut().flatten() {
            book.drain_changes(&mut changes);
        }
        changes
    }

    /// Up to `limit` bids from the best, then as many asks from the best.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn depth(&self, instrument: InstrumentId, limit: usize) -> Result<Vec<LevelTotal>, EngineError> {
        let book = self.book(instrument)?;
        Ok(book.depth(Side::Buy, limit).chain(book.depth(Side::Sell, limit)).collect())
    }

    /// The records of the open orders, resting and parked, by priority: what `restore` needs.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn open_orders(&self, instrument: InstrumentId) -> Result<Vec<u8>, EngineError> {
        let mut records = Vec::new();
        for order in self.book(instrument)?.open_orders() {
            encode_open(&order, &mut records);
        }
        Ok(records)
    }

    /// The number of open orders.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn order_count(&self, instrument: InstrumentId) -> Result<usize, EngineError> {
        Ok(self.book(instrument)?.order_count())
    }

    /// What an uncross would do now: nothing (all zero) while open, or where bids and asks do not cross.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn indicative(&self, instrument: InstrumentId) -> Result<Indicative, EngineError> {
        Ok(self.book(instrument)?.indicative().unwrap_or_default())
    }

    /// One number for the whole state of a book; see `hash`.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn state_hash(&self, instrument: InstrumentId) -> Result<u128, EngineError> {
        Ok(self.book(instrument)?.state_hash())
    }

    /// What a book remembers besides its orders.
    ///
    /// # Errors
    /// The instrument has no book.
    pub fn state(&self, instrument: InstrumentId) -> Result<BookState, EngineError> {
        Ok(self.book(instrument)?.state)
    }

    /// Instruments with a book, ascending.
    pub fn books(&self) -> impl Iterator<Item = InstrumentId> + '_ {
        self.books.iter().flatten().map(|book| book.instrument)
    }

    /// Recomputes every invariant of every book.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<(), EngineError> {
        self.books.iter().flatten().try_for_each(|book| book.check())
    }

    fn book(&self, instrument: InstrumentId) -> Result<&Book, EngineError> {
        let book = self.books.get(instrument.0 as usize).and_then(Option::as_deref);
        book.ok_or(EngineError::UnknownInstrument(instrument))
    }
}

/// Sees whether there is a book for each command.
struct Check<'a> {
    engine: &'a Engine,
}

impl Receiver for Check<'_> {
    #[inline(always)]
    fn receive(&mut self, command: &Command) -> Result<(), Box<EngineError>> {
        match self.engine.books.get(command.instrument.0 as usize) {
            Some(Some(_)) => Ok(()),
            _ => Err(unknown(command.instrument)),
        }
    }
}

/// Executes commands that have been checked.
struct Execute<'a> {
    engine: &'a mut Engine,
    events: &'a mut Vec<u8>,
}

impl Receiver for Execute<'_> {
    #[inline(always)]
    fn receive(&mut self, command: &Command) -> Result<(), Box<EngineError>> {
        match self.engine.books.get_mut(command.instrument.0 as usize) {
            Some(Some(book)) => book.execute(command, self.events),
            _ => return Err(unknown(command.instrument)),
        }
        Ok(())
    }
}

#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "what passes must not make room for errors")]
fn unknown(instrument: InstrumentId) -> Box<EngineError> {
    Box::new(EngineError::UnknownInstrument(instrument))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Action;
    use crate::hash::tests::sample;
    use crate::orders::Extra;
    use crate::types::CommandId;

    const FIRST: InstrumentId = InstrumentId(1);

    #[test]
    fn books_open_once_within_range_and_with_possible_numbers() {
        let mut engine = Engine::new();
        for id in [0, 8192, u32::MAX] {
            let refused = engine.add_book(InstrumentId(id), BookState::EMPTY);
            assert_eq!(refused, Err(EngineError::InstrumentRange(id)));
        }
        let ahead = BookState { seq: Seq(SEQ_MAX + 1), ..BookState::EMPTY };
        assert_eq!(
            engine.add_book(FIRST, ahead),
            Err(EngineError::State { field: "seq", value: SEQ_MAX + 1 })
        );
        assert_eq!(engine.books().count(), 0);

        engine.add_book(InstrumentId(8191), BookState::EMPTY).unwrap();
        engine.add_book(FIRST, BookState::EMPTY).unwrap();

        assert_eq!(engine.add_book(FIRST, BookState::EMPTY), Err(EngineError::BookExists(FIRST)));
        assert_eq!(engine.books().collect::<Vec<_>>(), [FIRST, InstrumentId(8191)]);
        engine.remove_book(FIRST).unwrap();
        assert_eq!(engine.remove_book(FIRST), Err(EngineError::UnknownInstrument(FIRST)));
    }

    #[test]
    fn an_unknown_book_anywhere_in_a_batch_changes_nothing() {
        let mut engine = Engine::new();
        engine.add_book(FIRST, BookState::EMPTY).unwrap();
        let before = engine.state(FIRST);
        let tick = |instrument| Command {
            instrument,
            command_id: CommandId(1),
            time: Micros(1),
            action: Action::Time,
        };

        let unknown = InstrumentId(2);
        let mut events = Vec::new();
        let refused = engine.execute(&[tick(FIRST), tick(unknown)], &mut events);

        assert_eq!((refused, events), (Err(EngineError::UnknownInstrument(unknown)), vec![]));
        assert_eq!(engine.state(FIRST), before);
    }

    #[test]
    fn a_refused_restore_leaves_the_old_book() {
        let mut engine = Engine::new();
        let state = BookState { seq: Seq(9), ..BookState::EMPTY };
        let mut once = Vec::new();
        encode_open(&OpenOrder::Resting(sample(), Extra::default()), &mut once);
        engine.restore(FIRST, &once, state).unwrap();
        let before = engine.state_hash(FIRST).unwrap();

        let twice = once.repeat(2);
        for records in [&twice[..], &twice[1..]] {
            assert!(engine.restore(FIRST, records, state).is_err());
            assert_eq!(engine.state_hash(FIRST), Ok(before));
            assert_eq!(engine.open_orders(FIRST).as_ref(), Ok(&once));
        }
    }
}
