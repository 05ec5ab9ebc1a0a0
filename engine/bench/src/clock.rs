//! Time as the processor spends it on this thread. Other programs on the machine take turns with the bench;
//! what they take is not in these times, as it would be in those of a clock on the wall. On a quiet machine
//! both are the same, and the share of the one in the other says how quiet it was.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Running since it was made.
pub(crate) struct Stopwatch {
    processor: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), processor: processor() }
    }

    pub(crate) fn stop(&self) -> Spent {
        let processor = processor().saturating_sub(self.processor);
        Spent { processor, wall: self.wall.elapsed() }
    }
}

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Of the processor.
    pub(crate) processor: Duration,
    /// By the clock on the wall.
    pub(crate) wall: Duration,
}

impl Spent {
    /// The part of the time in which the processor was ours.
    pub(crate) fn share(&self) -> f64 {
        self.processor.as_secs_f64() / self.wall.as_secs_f64()
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.processor += other.processor;
        self.wall += other.wall;
    }
}

/// Processor time of this thread so far.
fn processor() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(tv_sec).expect("it counts from zero");
    Duration::new(seconds, u32::try_from(tv_nsec).expect("less than a second"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_takes_time_but_no_processor() {
        let watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(20));
        let spent = watch.stop();
        assert!(spent.wall >= Duration::from_millis(20), "{spent:?}");
        assert!(spent.processor < spent.wall / 2, "{spent:?}");
    }
}
