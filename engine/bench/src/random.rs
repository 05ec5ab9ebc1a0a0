//! Numbers drawn from the word stream. How many words a draw takes, and in which order, is part of the
//! workload; so is the C library's mathematics, which `f64` calls on Linux.

use crate::mt19937::Mt19937;

/// 2 to the power of 26: what the higher of two words counts for.
const LOW_BITS: f64 = 67_108_864.0;
/// 2 to the power of 53: the number of values a uniform draw can have.
const VALUES: f64 = 9_007_199_254_740_992.0;
/// Stands in for zero where a logarithm is taken.
const TINY: f64 = 1e-300;

/// A source of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    words: Mt19937,
}

impl Random {
    pub(crate) fn new(seed: u32) -> Self {
        Self { words: Mt19937::new(seed) }
    }

    /// At least 0, less than 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        let high = f64::from(self.words.word() >> 5);
        let low = f64::from(self.words.word() >> 6);
        (high * LOW_BITS + low) / VALUES
    }

    /// Whether something happens that has this probability.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A whole number below `count`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounding down is meant")]
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        (self.uniform() * f64::from(count)) as u32
    }

    /// From the normal distribution: the cosine half of Box and Muller's pair.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = self.uniform().max(TINY);
        let angle = self.uniform();
        (-2.0 * radius.ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
    }

    /// From the exponential distribution.
    pub(crate) fn exponential(&mut self, rate: f64) -> f64 {
        -self.uniform().max(TINY).ln() / rate
    }
}
