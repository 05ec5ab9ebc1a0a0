//! The results as text for people.

use std::fmt::{self, Display, Formatter};

use tradeengine::{COMMAND_SIZE, EVENT_SIZE};

use crate::contestant::BEGINNING;
use crate::memory::RESTING;
use crate::race::{FLOOR, OURS};
use crate::report::Report;
use crate::results::{EngineResult, Rates, Results, count_as_f64};

const NAME: usize = 22;
const COLUMN: usize = 12;

impl Display for Results {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.workloads(out)?;
        let rounds = self.rounds;
        writeln!(out, "\nM messages/s, best of {rounds} rounds, each from an empty book")?;
        self.rates(out, |rates| rates.best)?;
        writeln!(out, "\nM messages/s, median of {rounds} rounds, each from an empty book")?;
        self.rates(out, |rates| rates.median)?;
        writeln!(out, "\nOurs as a multiple of each, by median")?;
        self.ratios(out)?;
        self.footnotes(out)?;
        self.memory(out)?;
        self.shapes(out)
    }
}

impl Results {
    fn workloads(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "Five scenarios of {} new orders, batches of {}",
            grouped(self.orders),
            grouped(self.batch)
        )?;
        let shares = self.scenarios.iter().map(|scenario| scenario.processor_share);
        let share = 100.0 * shares.sum::<f64>() / count_as_f64(self.scenarios.len());
        write!(out, "Times are the processor's; the bench had one for {share:.0} % of the time")?;
        if let (Some(before), Some(after)) = (self.load_before, self.load_after) {
            write!(out, " (load of the machine: {before:.2} at the start, {after:.2} at the end)")?;
        }
        writeln!(out, "\n")?;
        for scenario in &self.scenarios {
            let file = match scenario.file_right {
                Some(true) => "file as published",
                Some(false) => "FILE NOT AS PUBLISHED (another C library?)",
                None => "part of the published file, so its hashes are not checked",
            };
            writeln!(
                out,
                "{:<NAME$}{:>COLUMN$} messages {:>8} trades   {file}",
                scenario.scenario,
                grouped(scenario.messages),
                grouped(scenario.trades)
            )?;
        }
        Ok(())
    }

    fn header(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{:NAME$}", "")?;
        for scenario in &self.scenarios {
            write!(out, "{:>COLUMN$}", scenario.scenario)?;
        }
        writeln!(out, "{:>COLUMN$}   reports", "worst")
    }

    fn rates(&self, out: &mut Formatter<'_>, figure: fn(&Rates) -> f64) -> fmt::Result {
        self.header(out)?;
        for rows in self.by_engine() {
            let figures: Vec<f64> = rows.iter().map(|row| figure(&row.rates)).collect();
            self.line(out, &rows, &figures)?;
        }
        Ok(())
    }

    fn ratios(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.header(out)?;
        let medians =
            |rows: &[&EngineResult]| -> Vec<f64> { rows.iter().map(|row| row.rates.median).collect() };
        let Some(ours) = self.by_engine().into_iter().find(|rows| rows[0].engine == OURS) else {
            return Ok(());
        };
        let ours = medians(&ours);
        for rows in self.by_engine().into_iter().filter(|rows| rows[0].engine != OURS) {
            let theirs = medians(&rows);
            let mut figures: Vec<f64> =
                ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
            figures.push(least(&ours) / least(&theirs));
            self.line(out, &rows, &figures)?;
        }
        Ok(())
    }

    /// Figures of one engine; the worst of the rates is added unless the caller has one of his own.
    fn line(&self, out: &mut Formatter<'_>, rows: &[&EngineResult], figures: &[f64]) -> fmt::Result {
        write!(out, "{:<NAME$}", rows[0].engine)?;
        for figure in figures {
            write!(out, "{figure:>COLUMN$.2}")?;
        }
        if figures.len() == self.scenarios.len() {
            write!(out, "{:>COLUMN$.2}", least(figures))?;
        }
        writeln!(out, "   {}", verdict(rows))
    }

    fn footnotes(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "\n{OURS} and {FLOOR}: read records of {COMMAND_SIZE} bytes and write records of {EVENT_SIZE}; others: are \
             called directly, and\n  write reports of {} bytes",
            size_of::<Report>()
        )?;
        for rows in self.by_engine() {
            if let Some(reason) = rows[0].departs {
                writeln!(out, "{}: {reason}", rows[0].engine)?;
            }
            if rows[0].messages == BEGINNING {
                writeln!(
                    out,
                    "{}: slow; its rates are those of the first {} messages",
                    rows[0].engine,
                    grouped(BEGINNING)
                )?;
            }
        }
        Ok(())
    }

    fn memory(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "\nMemory: bytes for each of {} resting orders; allocations a message in the second half of normal",
            grouped(RESTING)
        )?;
        for row in &self.memory {
            let (bytes, allocations) = (row.bytes_per_resting_order, row.allocations_per_message);
            writeln!(out, "{:<NAME$}{bytes:>COLUMN$.0}{allocations:>COLUMN$.4}", row.engine)?;
        }
        write!(out, "ours, allocations in a second pass over a scenario, its book emptied after the first:")?;
        for scenario in &self.scenarios {
            write!(out, " {} {}", scenario.scenario, scenario.warm_allocations)?;
        }
        writeln!(out)
    }

    fn shapes(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nOurs in other shapes: M/s, best and median of {} rounds", self.shape_rounds)?;
        for shape in &self.shapes {
            let Rates { best, median } = shape.rates;
            write!(out, "{:<56}{best:>8.2}{median:>8.2} M {}/s", shape.shape, shape.unit)?;
            if let Some(bytes) = shape.bytes_per_resting_order {
                write!(out, ", {bytes:.0} bytes a resting order")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// The results of each engine, by scenario.
    fn by_engine(&self) -> Vec<Vec<&EngineResult>> {
        let count = self.scenarios.first().map_or(0, |scenario| scenario.engines.len());
        (0..count)
            .map(|place| self.scenarios.iter().map(|scenario| &scenario.engines[place]).collect())
            .collect()
    }
}

fn verdict(rows: &[&EngineResult]) -> String {
    if rows[0].engine == FLOOR {
        return "none".into();
    }
    let right = rows.iter().filter(|row| row.reports_right == Some(true)).count();
    let checked = rows.iter().filter(|row| row.reports_right.is_some()).count();
    if checked == 0 {
        return "measure of the others".into();
    }
    let beginning = rows.iter().any(|row| row.checked_messages == BEGINNING);
    format!("{right} of {checked} right{}", if beginning { " (of the beginning)" } else { "" })
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A number with commas.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_threes() {
        assert_eq!([7, 999, 1_000, 1_996_097].map(grouped), ["7", "999", "1,000", "1,996,097"]);
    }
}
