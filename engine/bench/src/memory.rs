//! What engines ask of the allocator.

use crate::allocator::counted;
use crate::contestant::{Entrant, Flow, run, run_all};
use crate::message::Message;
use crate::options::Options;
use crate::ours::Ours;
use crate::race::{FLOOR, entrants, part};
use crate::results::{MemoryResult, count_as_f64};
use crate::scenario::{NORMAL, SCENARIOS, SEED};
use crate::shapes::resting_orders;
use crate::workload::generate;

/// Orders that rest when the bytes are counted.
pub(crate) const RESTING: u32 = 100_000;

/// Everyone's memory: bytes held with 100,000 resting orders, and allocations in the second half of the
/// normal scenario (for slow engines, of its beginning). An adapter's own tables are not counted.
pub(crate) fn memory(options: Options) -> Vec<MemoryResult> {
    eprintln!("memory");
    let resting = Flow::new(resting_orders(RESTING));
    let normal = Flow::new(generate(&SCENARIOS[NORMAL], options.orders, SEED));
    let entrants = entrants().into_iter().filter(|entrant| entrant.name != FLOOR);
    let results = entrants.map(|entrant| MemoryResult {
        engine: entrant.name,
        bytes_per_resting_order: bytes_per_order(&entrant, &resting),
        allocations_per_message: allocations_per_message(&entrant, &normal),
    });
    results.collect()
}

/// Allocations of our engine in a second pass over a workload, after the first has left its memory warm and
/// all that still rested was cancelled.
pub(crate) fn warm_allocations(ours: &mut Ours, messages: &[Message]) -> u64 {
    run_all(ours, messages);
    ours.empty(messages);
    let again = counted(|| {
        run(ours, messages, 0..messages.len());
    });
    again.allocations
}

/// What an engine holds for each of the orders of a flow, all of which rest; what it holds when empty is
/// shared out among them.
#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
pub(crate) fn bytes_per_order(entrant: &Entrant, resting: &Flow) -> f64 {
    let mut engine = None;
    let held = counted(|| {
        let engine = engine.insert((entrant.ready)(resting));
        run(engine.as_mut(), &resting.messages, 0..resting.messages.len());
    });
    held.bytes as f64 / count_as_f64(resting.messages.len())
}

#[expect(clippy::cast_precision_loss, reason = "allocations are far below 2^53")]
fn allocations_per_message(entrant: &Entrant, flow: &Flow) -> f64 {
    let mut engine = (entrant.ready)(flow);
    let messages = part(entrant, &flow.messages);
    let half = messages.len() / 2;
    run(engine.as_mut(), messages, 0..half);
    let second = counted(|| {
        run(engine.as_mut(), messages, half..messages.len());
    });
    second.allocations as f64 / count_as_f64(messages.len() - half)
}
