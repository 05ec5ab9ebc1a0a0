//! What all adapters share: a book that takes one message at a time becomes a contestant.

use crate::allocator::uncounted;
use crate::contestant::{BATCH, Contestant, Flow};
use crate::message::{Message, highest_id};
use crate::report::Report;

/// A peer's book behind the one call that all of them can be brought to.
pub(super) trait Book {
    /// An empty book, with room in the adapter's tables for a workload.
    fn empty(room: Room) -> Self;

    /// Takes one message and reports what it caused.
    fn take(&mut self, message: &Message, reports: &mut Vec<Report>);
}

/// How large an adapter's tables must be.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) highest_id: usize,
}

/// A peer's book and the reports of the last batch.
struct Adapter<B> {
    book: B,
    room: Room,
    reports: Vec<Report>,
}

impl<B: Book> Contestant for Adapter<B> {
    fn reset(&mut self) {
        self.book = B::empty(self.room);
    }

    fn take(&mut self, _: usize, batch: &[Message]) {
        self.reports.clear();
        for message in batch {
            self.book.take(message, &mut self.reports);
        }
    }

    fn reports(&self, into: &mut Vec<Report>) {
        into.extend_from_slice(&self.reports);
    }
}

/// A peer ready for a workload.
pub(super) fn ready<B: Book + 'static>(flow: &Flow) -> Box<dyn Contestant> {
    let room = Room { messages: flow.messages.len(), highest_id: highest_id(&flow.messages) };
    let reports = uncounted(|| Vec::with_capacity(3 * BATCH + 5_000));
    Box::new(Adapter { book: B::empty(room), room, reports })
}
