//! The public workload: a day's flow of one share, the same for everyone who draws the same random numbers.
//!
//! Orders are priced along a random walk, buys in its first half and sells in its second, each some levels
//! away from the middle. Then they are shuffled, and each lives its life: immediate, or modified, cancelled,
//! and now and then asked about once too often. All that is sorted by time.

use crate::message::{Kind, Message, Side};
use crate::random::Random;
use crate::scenario::Scenario;

/// Dollars a tick.
const TICK: f64 = 0.005;
/// Dollars the walk starts from.
const START: f64 = 167.52;
/// Levels an order may lie away from the middle.
const LEVELS: u32 = 800;
const LIFETIME_MICROS: f64 = 431.0;

const IMMEDIATE: f64 = 0.15;
const MODIFIED: f64 = 0.20;
const REPRICED: f64 = 0.80;
const CANCELLED: f64 = 0.95;
const CANCELLED_TWICE: f64 = 0.02;
const MODIFIED_TOO_LATE: f64 = 0.02;

/// An order before it arrives.
struct Plan {
    side: Side,
    price: i64,
    quantity: u32,
    level: u32,
}

/// The messages of a scenario with so many new orders.
pub(crate) fn generate(scenario: &Scenario, orders: u32, seed: u32) -> Vec<Message> {
    let mut random = Random::new(seed);
    let plans = plans(scenario, orders, &mut random);
    let arrivals = shuffled(orders, &mut random);
    let mut timeline = Timeline::default();
    for place in arrivals {
        timeline.live(u64::from(place) + 1, &plans[place as usize], &mut random);
    }
    timeline.messages()
}

/// Prices orders along the walk.
fn plans(scenario: &Scenario, orders: u32, random: &mut Random) -> Vec<Plan> {
    let time_step = if scenario.volatility > 0.0 {
        (scenario.swing / scenario.volatility).powf(2.0) / f64::from(orders)
    } else {
        0.0
    };
    let step = scenario.volatility * time_step.sqrt();
    let depths = Depths::new();
    let mut middle = START;
    let mut plan = |place| {
        middle *= (-0.5 * step * step + step * random.normal()).exp();
        let level = depths.draw(random);
        let away = i64::from(level) + 1;
        let side = if place < orders / 2 { Side::Buy } else { Side::Sell };
        let price = match side {
            Side::Buy => ticks(middle) - away,
            Side::Sell => ticks(middle) + away,
        };
        Plan { side, price: price.max(1), quantity: 1 + random.below(100), level }
    };
    (0..orders).map(&mut plan).collect()
}

/// The price in ticks; rounded twice, as dollars in between, because the original does.
#[expect(clippy::cast_possible_truncation, reason = "prices stay far below 2^53")]
fn ticks(dollars: f64) -> i64 {
    let rounded = (dollars / TICK).round() * TICK;
    (rounded / TICK).round() as i64
}

/// How far from the middle orders lie: a power law with a hump eight ticks out.
struct Depths {
    /// Sums of the weights up to each level.
    sums: Vec<f64>,
}

impl Depths {
    fn new() -> Self {
        let mut sum = 0.0;
        let sums = (0..LEVELS).map(|level| {
            let from_hump = f64::from(level) - 8.0;
            sum += 1.0 / (f64::from(level) + 1.0).powf(2.23) + 5.0 * (-0.5 * from_hump * from_hump).exp();
            sum
        });
        Self { sums: sums.collect() }
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let total = self.sums.last().copied().unwrap_or_default();
        let wanted = random.uniform() * total;
        let level = self.sums.partition_point(|&sum| sum < wanted);
        u32::try_from(level).map_or(LEVELS - 1, |level| level.min(LEVELS - 1))
    }
}

/// The numbers below `count` in an order drawn by Fisher and Yates' method, from the top.
fn shuffled(count: u32, random: &mut Random) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    for place in (1..count).rev() {
        let other = random.below(place + 1);
        numbers.swap(place as usize, other as usize);
    }
    numbers
}

/// Messages with the microsecond at which each is sent, and the clock that orders advance in turn.
#[derive(Default)]
struct Timeline {
    now: i64,
    sent: Vec<(i64, Message)>,
}

impl Timeline {
    /// The life of one order.
    fn live(&mut self, order_id: u64, plan: &Plan, random: &mut Random) {
        let &Plan { side, price, quantity, level } = plan;
        let immediate = random.happens(IMMEDIATE);
        let new = Message { kind: Kind::New, side, immediate, quantity, seq: 0, order_id, price };
        self.send(0, new);
        if immediate {
            self.now += 1;
            return;
        }

        let modified = random.happens(MODIFIED);
        let mut modify = Message { kind: Kind::Modify, quantity: quantity + 1, ..new };
        if modified {
            let wait = 30 + i64::from(random.below(70));
            if random.happens(REPRICED) {
                modify.price += if side == Side::Buy { 1 } else { -1 };
            }
            self.send(wait, modify);
        }

        let cancelled = random.happens(CANCELLED);
        if cancelled {
            let rate = 2f64.ln() / LIFETIME_MICROS / (1.0 + f64::from(level)).sqrt();
            let cancel = Message { kind: Kind::Cancel, ..new };
            self.send(whole(random.exponential(rate)), cancel);
            if random.happens(CANCELLED_TWICE) {
                self.send(1 + i64::from(random.below(20)), cancel);
            }
        }

        if modified && cancelled && random.happens(MODIFIED_TOO_LATE) {
            self.send(1 + i64::from(random.below(20)), modify);
        }
        self.now += 1;
    }

    /// Lets the clock run for a while, then sends.
    fn send(&mut self, wait: i64, message: Message) {
        self.now += wait;
        self.sent.push((self.now, message));
    }

    /// All messages by time; those of one microsecond in the order in which they were planned.
    fn messages(mut self) -> Vec<Message> {
        self.sent.sort_by_key(|&(at, _)| at);
        let numbered = (0..).zip(self.sent);
        numbered.map(|(seq, (_, message))| Message { seq, ..message }).collect()
    }
}

/// Whole microseconds.
#[expect(clippy::cast_possible_truncation, reason = "rounding down is meant; lifetimes are seconds at most")]
fn whole(micros: f64) -> i64 {
    micros as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::file_hash;
    use crate::scenario::{NORMAL, SCENARIOS, SEED};

    #[test]
    fn ten_thousand_orders_give_the_published_file() {
        let messages = generate(&SCENARIOS[NORMAL], 10_000, SEED);
        assert_eq!(file_hash(&messages), "689910d562891df8b62e310a55ac91c299f5a5b5726f5b29f6dda69804b3215f");
    }
}
