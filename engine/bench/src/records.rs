//! Somebody else's records, natively: what the same flow costs without the way through Python.

use std::fs::read;
use std::path::Path;

use tradeengine::{COMMAND_SIZE, Engine};

use crate::clock::Stopwatch;
use crate::ours::{apply, engine, event_buffer};

/// Processor time in seconds of all records of a file, applied to an empty book in batches of so many.
pub(crate) fn seconds(file: &Path, batch: usize) -> f64 {
    let records = read(file).expect("the file can be read");
    let mut events = event_buffer();
    let mut book: Engine = engine(1);
    let watch = Stopwatch::start();
    for commands in records.chunks(batch * COMMAND_SIZE) {
        apply(&mut book, commands, &mut events);
    }
    watch.stop().processor.as_secs_f64()
}
