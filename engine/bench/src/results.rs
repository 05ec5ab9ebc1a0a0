//! What was measured, ready to be printed either way.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Spent;

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) rounds: usize,
    pub(crate) shape_rounds: usize,
    pub(crate) batch: usize,
    /// New orders of each scenario.
    pub(crate) orders: u32,
    /// Processes that wanted to run in the minute before the start and before the end, where that is known.
    pub(crate) load_before: Option<f64>,
    pub(crate) load_after: Option<f64>,
    pub(crate) scenarios: Vec<ScenarioResult>,
    pub(crate) memory: Vec<MemoryResult>,
    pub(crate) shapes: Vec<ShapeResult>,
}

/// One scenario: all engines side by side.
#[derive(Debug, Serialize)]
pub(crate) struct ScenarioResult {
    pub(crate) scenario: &'static str,
    pub(crate) messages: usize,
    pub(crate) trades: usize,
    pub(crate) file_sha256: String,
    /// Against the published hash; there is none for a part of the workload.
    pub(crate) file_right: Option<bool>,
    /// Of our engine, with its memory warm; see `memory`.
    pub(crate) warm_allocations: u64,
    /// The part of the measured time in which the bench had a processor for itself.
    pub(crate) processor_share: f64,
    pub(crate) engines: Vec<EngineResult>,
}

/// One engine in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct EngineResult {
    pub(crate) engine: &'static str,
    /// Messages a round.
    pub(crate) messages: usize,
    #[serde(flatten)]
    pub(crate) rates: Rates,
    /// The messages whose reports were hashed.
    pub(crate) checked_messages: usize,
    pub(crate) reports_sha256: Option<String>,
    /// Against the published hash; for a part of the workload against our engine.
    pub(crate) reports_right: Option<bool>,
    /// Why its reports cannot be right, where that is known.
    pub(crate) departs: Option<&'static str>,
}

/// Millions a second, by processor time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Rates {
    #[serde(rename = "best_millions_per_second")]
    pub(crate) best: f64,
    #[serde(rename = "median_millions_per_second")]
    pub(crate) median: f64,
}

impl Rates {
    /// Of rounds that did `count` each.
    pub(crate) fn of(count: usize, rounds: &[Spent]) -> Self {
        let mut rounds: Vec<Duration> = rounds.iter().map(|spent| spent.processor).collect();
        rounds.sort_unstable();
        let rate = |time: Duration| count_as_f64(count) / time.as_secs_f64() / 1e6;
        let (lower, upper) = ((rounds.len() - 1) / 2, rounds.len() / 2);
        Self { best: rate(rounds[0]), median: rate((rounds[lower] + rounds[upper]) / 2) }
    }
}

/// Memory of one engine.
#[derive(Debug, Serialize)]
pub(crate) struct MemoryResult {
    pub(crate) engine: &'static str,
    pub(crate) bytes_per_resting_order: f64,
    pub(crate) allocations_per_message: f64,
}

/// Our engine in one extreme.
#[derive(Debug, Serialize)]
pub(crate) struct ShapeResult {
    pub(crate) shape: String,
    /// What there are millions of a second.
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) rates: Rates,
    pub(crate) bytes_per_resting_order: Option<f64>,
}

/// Counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) const fn count_as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spent = |seconds| Spent { processor: Duration::from_secs(seconds), ..Spent::default() };
        let rounds = [4, 1, 3, 9].map(spent);
        assert_eq!(Rates::of(7_000_000, &rounds), Rates { best: 7.0, median: 2.0 });
        assert_eq!(Rates::of(1_000_000, &[spent(2)]), Rates { best: 0.5, median: 0.5 });
    }
}
