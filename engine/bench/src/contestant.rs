//! What is measured: anything that takes the messages of a workload in batches and reports on each batch.

use std::ops::Range;

use crate::clock::{Spent, Stopwatch};
use crate::message::Message;
use crate::ours::{Commands, encode};
use crate::report::Report;

/// Messages handed over at once; what they cause is reported at once.
pub(crate) const BATCH: usize = 1_000;

/// Messages a slow engine gets of each workload.
pub(crate) const BEGINNING: usize = 20_000;

/// A workload for everyone: the messages, and the same as our engine's records.
pub(crate) struct Flow {
    pub(crate) messages: Vec<Message>,
    pub(crate) commands: Commands,
}

impl Flow {
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let commands = encode(&messages, 1);
        Self { messages, commands }
    }
}

/// How much of a workload an engine gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All of it, in every round.
    Fast,
    /// All of it once, to see whether it is right; in the rounds the beginning.
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "only peers are slow"))]
    Slow,
    /// The beginning; all of it only if the caller insists.
    VerySlow,
}

/// One who takes part.
#[derive(Clone, Copy)]
pub(crate) struct Entrant {
    /// With its version, unless it is from here.
    pub(crate) name: &'static str,
    /// Makes it ready for a workload.
    pub(crate) ready: fn(&Flow) -> Box<dyn Contestant>,
    pub(crate) pace: Pace,
    /// Why its reports cannot be right, if that is known.
    pub(crate) departs: Option<&'static str>,
}

/// An engine made ready for one workload.
pub(crate) trait Contestant {
    /// Starts anew from an empty book. Not timed.
    fn reset(&mut self);

    /// Takes the messages from place `first` on. Its reports replace those of the batch before. Timed.
    fn take(&mut self, first: usize, batch: &[Message]);

    /// Appends the reports of the last batch. Not timed.
    fn reports(&self, into: &mut Vec<Report>);
}

/// Takes part of a workload, batch by batch; returns how long that took.
pub(crate) fn run(contestant: &mut dyn Contestant, messages: &[Message], part: Range<usize>) -> Spent {
    let watch = Stopwatch::start();
    let mut first = part.start;
    for batch in messages[part].chunks(BATCH) {
        contestant.take(first, batch);
        first += batch.len();
    }
    watch.stop()
}

/// Takes a whole workload from an empty book; returns how long that took.
pub(crate) fn run_all(contestant: &mut dyn Contestant, messages: &[Message]) -> Spent {
    contestant.reset();
    run(contestant, messages, 0..messages.len())
}

/// Everything a contestant has to say about a workload.
pub(crate) fn all_reports(contestant: &mut dyn Contestant, messages: &[Message]) -> Vec<Report> {
    let mut reports = Vec::with_capacity(2 * messages.len());
    contestant.reset();
    let mut first = 0;
    for batch in messages.chunks(BATCH) {
        contestant.take(first, batch);
        contestant.reports(&mut reports);
        first += batch.len();
    }
    reports
}
