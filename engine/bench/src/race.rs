//! One scenario: every engine is checked first, then all take turns, round by round, so that whatever else
//! the machine does hits all alike.

use crate::clock::Spent;
use crate::contestant::{BEGINNING, Contestant, Entrant, Flow, Pace, all_reports, run_all};
use crate::file::file_hash;
use crate::floor::Floor;
use crate::memory::warm_allocations;
use crate::message::Message;
use crate::options::Options;
use crate::oracle::report_hash;
use crate::ours::Ours;
use crate::peers::peers;
use crate::report::{Answer, Report};
use crate::results::{EngineResult, Rates, ScenarioResult};
use crate::scenario::{ORDERS, SEED, Scenario};
use crate::workload::generate;

/// Our engine's name in all results.
pub(crate) const OURS: &str = "ours";
/// The floor's.
pub(crate) const FLOOR: &str = "acknowledge only";

/// Everyone: our engine, the floor, the peers.
pub(crate) fn entrants() -> Vec<Entrant> {
    let ours = Entrant {
        name: OURS,
        ready: |flow| Box::new(Ours::new(flow.commands.clone(), 1)),
        pace: Pace::Fast,
        departs: None,
    };
    let floor = Entrant { name: FLOOR, ready: |flow| Box::new(Floor::new(flow.commands.clone())), ..ours };
    [ours, floor].into_iter().chain(peers()).collect()
}

/// Checks and measures everyone.
pub(crate) fn race(scenario: &'static Scenario, options: Options) -> ScenarioResult {
    eprintln!("{}: checking", scenario.name);
    let is_published = options.orders == ORDERS;
    let flow = Flow::new(generate(scenario, options.orders, SEED));
    let mut ours = Ours::new(flow.commands.clone(), 1);
    let reports = all_reports(&mut ours, &flow.messages);
    let trades = reports.iter().filter(|report| report.answer == Answer::Trade).count();
    let truth = Truth {
        whole: if is_published { scenario.reports.into() } else { report_hash(reports.clone()) },
        beginning: report_hash(reports_of_beginning(reports)),
        is_published,
    };
    let file_sha256 = file_hash(&flow.messages);

    let entrants = entrants();
    let mut ready: Vec<_> = entrants.iter().map(|entrant| (entrant.ready)(&flow)).collect();
    let checks: Vec<Check> = entrants
        .iter()
        .zip(&mut ready)
        .map(|(entrant, engine)| check(entrant, engine.as_mut(), &flow.messages, &truth, options))
        .collect();
    let parts: Vec<&[Message]> = entrants.iter().map(|entrant| part(entrant, &flow.messages)).collect();
    let times = rounds(scenario, &mut ready, &parts, options);

    let mut all = Spent::default();
    times.iter().flatten().for_each(|&spent| all += spent);
    let engines = entrants.iter().zip(parts).zip(checks).zip(times);
    let engines = engines.map(|(((entrant, part), check), times)| EngineResult {
        engine: entrant.name,
        messages: part.len(),
        rates: Rates::of(part.len(), &times),
        checked_messages: check.messages,
        reports_sha256: check.hash,
        reports_right: check.right,
        departs: entrant.departs,
    });
    ScenarioResult {
        scenario: scenario.name,
        messages: flow.messages.len(),
        trades,
        file_right: is_published.then(|| file_sha256 == scenario.file),
        file_sha256,
        engines: engines.collect(),
        processor_share: all.share(),
        warm_allocations: warm_allocations(&mut ours, &flow.messages),
    }
}

/// Hashes of right reports.
struct Truth {
    whole: String,
    beginning: String,
    /// Someone else found the hash of the whole; otherwise our engine did.
    is_published: bool,
}

/// What the check of one engine gave.
struct Check {
    messages: usize,
    hash: Option<String>,
    right: Option<bool>,
}

fn check(
    entrant: &Entrant,
    engine: &mut dyn Contestant,
    messages: &[Message],
    truth: &Truth,
    options: Options,
) -> Check {
    if entrant.name == FLOOR {
        return Check { messages: 0, hash: None, right: None };
    }
    let in_part = entrant.pace == Pace::VerySlow && !options.whole;
    let messages = if in_part { beginning(messages) } else { messages };
    let hash = report_hash(all_reports(engine, messages));
    let right = hash == if in_part { &*truth.beginning } else { &*truth.whole };
    // Our engine is no witness in its own case.
    let is_evidence = entrant.name != OURS || truth.is_published;
    Check { messages: messages.len(), hash: Some(hash), right: is_evidence.then_some(right) }
}

fn reports_of_beginning(mut reports: Vec<Report>) -> Vec<Report> {
    reports.retain(|report| usize::try_from(report.seq).is_ok_and(|seq| seq < BEGINNING));
    reports
}

/// What an engine takes in each round.
pub(crate) fn part<'a>(entrant: &Entrant, messages: &'a [Message]) -> &'a [Message] {
    if entrant.pace == Pace::Fast { messages } else { beginning(messages) }
}

fn beginning(messages: &[Message]) -> &[Message] {
    &messages[..messages.len().min(BEGINNING)]
}

/// Times by engine and round. Each round starts with another engine.
fn rounds(
    scenario: &Scenario,
    engines: &mut [Box<dyn Contestant>],
    parts: &[&[Message]],
    options: Options,
) -> Vec<Vec<Spent>> {
    let count = engines.len();
    let mut times = vec![Vec::with_capacity(options.rounds); count];
    for round in 0..options.rounds {
        eprintln!("{}: round {} of {}", scenario.name, round + 1, options.rounds);
        for turn in 0..count {
            let place = (round + turn) % count;
            times[place].push(run_all(engines[place].as_mut(), parts[place]));
        }
    }
    times
}
