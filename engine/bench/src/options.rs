//! What the caller wants.

use crate::scenario::ORDERS;

const USAGE: &str = "\
Measures the matching engine, and others beside it if built with `--features peers`.

  --quick   two rounds of a tenth of the workload: does it still run?
  --whole   slow peers take the whole workload once, to see whether they are right (minutes)
  --json    the results as JSON instead of tables
  --records FILE SIZE   nothing but the seconds our engine takes for a file of command records, in batches of SIZE";

/// How much is measured, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// New orders of each scenario, and of each shape.
    pub(crate) orders: u32,
    /// Slow peers are checked on whole workloads too.
    pub(crate) whole: bool,
    pub(crate) json: bool,
}

impl Options {
    /// Rounds of each shape.
    pub(crate) const fn shape_rounds(self) -> usize {
        self.rounds.div_ceil(2)
    }

    /// From the command line.
    ///
    /// # Errors
    /// What to tell a caller who wrote something else, or asked for help.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { rounds: 8, orders: ORDERS, whole: false, json: false };
        for word in words {
            match word.as_str() {
                "--quick" => (options.rounds, options.orders) = (2, ORDERS / 10),
                "--whole" => options.whole = true,
                "--json" => options.json = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(words.iter().map(ToString::to_string))
    }

    #[test]
    fn words_are_understood_or_answered_with_help() {
        let full = Options { rounds: 8, orders: 1_000_000, whole: false, json: false };
        assert_eq!(parse(&[]), Ok(full));
        assert_eq!(
            parse(&["--json", "--quick", "--whole"]),
            Ok(Options { rounds: 2, orders: 100_000, whole: true, json: true })
        );
        assert_eq!(parse(&["--help"]), Err(USAGE.into()));
    }
}
