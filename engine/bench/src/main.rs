//! How fast the matching engine is, and whether it is right: one public workload, one public oracle, and
//! other engines beside it in the same run.

mod allocator; // counts allocations and bytes while asked to
mod clock; // time as the processor spends it
mod contestant; // what is measured, and how it is run
mod file; // the workload as a file, and its hash
mod floor; // reads and acknowledges, nothing else
mod memory; // what engines ask of the allocator
mod message; // what an engine is asked
mod mt19937; // the random words of the workload
mod options; // the command line
mod oracle; // reports as lines, and their hash
mod ours; // our engine
mod peers; // other engines
mod race; // one scenario, everyone in turn
mod random; // numbers drawn from the words
mod records; // a flow from a file
mod report; // what an engine answers
mod results; // what was measured
mod scenario; // the five scenarios, and the published hashes
mod shapes; // our engine in other extremes
mod table; // the results for people
mod workload; // the messages of a scenario

use std::process::ExitCode;

use options::Options;
use results::Results;
use scenario::SCENARIOS;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [option, file, batch] = &words[..]
        && option == "--records"
    {
        let batch = batch.parse().expect("the size of a batch is a number");
        println!("{}", records::seconds(file.as_ref(), batch));
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(words.into_iter()) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::FAILURE;
        }
    };
    let results = measure(options);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&results).expect("results are plain numbers and words"));
    } else {
        println!("{results}");
    }
    if is_right(&results) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(options: Options) -> Results {
    Results {
        rounds: options.rounds,
        shape_rounds: options.shape_rounds(),
        batch: contestant::BATCH,
        orders: options.orders,
        load_before: load(),
        scenarios: SCENARIOS.iter().map(|scenario| race::race(scenario, options)).collect(),
        memory: memory::memory(options),
        shapes: shapes::shapes(options),
        load_after: load(),
    }
}

/// How many processes wanted to run in the last minute, where the system tells.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Whether our engine gave the published reports, as far as that can be known.
fn is_right(results: &Results) -> bool {
    let engines = results.scenarios.iter().flat_map(|scenario| &scenario.engines);
    engines.filter(|engine| engine.engine == race::OURS).all(|engine| engine.reports_right != Some(false))
}
