//! Our engine in the extremes that the scenarios do not reach.

use std::ops::Range;

use crate::clock::Spent;
use crate::contestant::{Contestant, Flow, run};
use crate::memory::bytes_per_order;
use crate::message::{Kind, Message, Side};
use crate::options::Options;
use crate::ours::{Ours, encode};
use crate::race::entrants;
use crate::random::Random;
use crate::results::{Rates, ShapeResult};
use crate::scenario::{NORMAL, SCENARIOS, SEED};
use crate::table::grouped;
use crate::workload::generate;

/// Prices on each side that resting orders are spread over.
const RESTING_LEVELS: u32 = 1_000;
/// Orders one sweep takes.
const SWEPT: u32 = 5_000;
const INSTRUMENTS: u32 = 1_000;
/// Ids of orders that are not part of a scenario start here.
const OTHER_IDS: u64 = 10_000_000;

/// A workload, the parts of it that are timed, and how many of the unit they make.
struct Shape {
    name: String,
    unit: &'static str,
    messages: Vec<Message>,
    timed: Vec<Range<usize>>,
    count: usize,
    instruments: u32,
    /// So many messages at the start leave one resting order each, whose memory is of interest.
    resting: usize,
}

impl Shape {
    /// Everything from one place on is timed.
    fn timed_from(name: String, messages: Vec<Message>, start: usize) -> Self {
        let end = messages.len();
        let timed = std::iter::once(start..end).collect();
        Self { name, unit: "messages", messages, timed, count: end - start, instruments: 1, resting: 0 }
    }
}

/// All shapes, measured.
pub(crate) fn shapes(options: Options) -> Vec<ShapeResult> {
    let makers = [insert_only, cancel_only, |_| sweep(1), |_| sweep(50), far_orders, many_instruments];
    makers.iter().map(|make| measure(&make(options.orders), options.shape_rounds())).collect()
}

fn measure(shape: &Shape, rounds: usize) -> ShapeResult {
    eprintln!("shape: {}", shape.name);
    let commands = encode(&shape.messages, shape.instruments);
    let mut ours = Ours::new(commands, shape.instruments);
    let times: Vec<Spent> = (0..rounds).map(|_| round(&mut ours, shape)).collect();
    ShapeResult {
        shape: shape.name.clone(),
        unit: shape.unit,
        rates: Rates::of(shape.count, &times),
        bytes_per_resting_order: (shape.resting > 0).then(|| {
            let resting = Flow::new(shape.messages[..shape.resting].to_vec());
            bytes_per_order(&entrants()[0], &resting)
        }),
    }
}

fn round(ours: &mut Ours, shape: &Shape) -> Spent {
    ours.reset();
    let mut spent = Spent::default();
    let mut done = 0;
    for part in &shape.timed {
        run(ours, &shape.messages, done..part.start);
        spent += run(ours, &shape.messages, part.clone());
        done = part.end;
    }
    spent
}

/// Orders that never trade, bids and asks in turn, at prices drawn from a thousand on each side.
pub(crate) fn resting_orders(count: u32) -> Vec<Message> {
    numbered(resting(count, 20_000, 20_001, RESTING_LEVELS))
}

fn insert_only(orders: u32) -> Shape {
    let name = format!("insert only: {} orders, {} prices a side", grouped(orders), grouped(RESTING_LEVELS));
    let resting = usize::try_from(orders).unwrap_or(0);
    Shape { resting, ..Shape::timed_from(name, resting_orders(orders), 0) }
}

fn cancel_only(orders: u32) -> Shape {
    let mut messages = resting_orders(orders);
    let start = messages.len();
    let mut cancels: Vec<Message> =
        messages.iter().map(|&order| Message { kind: Kind::Cancel, ..order }).collect();
    let mut random = Random::new(SEED);
    for place in (1..orders).rev() {
        cancels.swap(place as usize, random.below(place + 1) as usize);
    }
    messages.extend(cancels);
    Shape::timed_from(
        format!("cancel only: {} orders in random order", grouped(orders)),
        numbered(messages),
        start,
    )
}

/// Again and again, one order takes all that rests. Only its time counts.
fn sweep(levels: u32) -> Shape {
    const SWEEPS: u32 = 100;
    let mut messages = Vec::new();
    let mut timed = Vec::new();
    for _ in 0..SWEEPS {
        let first_id = 1 + messages.len() as u64;
        let maker = Message {
            kind: Kind::New,
            side: Side::Sell,
            immediate: false,
            quantity: 1,
            seq: 0,
            order_id: 0,
            price: 0,
        };
        messages.extend((0..SWEPT).map(|place| Message {
            order_id: first_id + u64::from(place),
            price: 20_000 + i64::from(place % levels),
            ..maker
        }));
        timed.push(messages.len()..messages.len() + 1);
        messages.push(Message {
            side: Side::Buy,
            quantity: SWEPT,
            order_id: first_id + u64::from(SWEPT),
            price: 20_000 + i64::from(levels),
            ..maker
        });
    }
    let prices = if levels == 1 { "one price".into() } else { format!("{levels} prices") };
    Shape {
        name: format!("sweep: one order takes {} at {prices}", grouped(SWEPT)),
        unit: "fills",
        messages: numbered(messages),
        timed,
        count: (SWEEPS * SWEPT) as usize,
        instruments: 1,
        resting: 0,
    }
}

/// The normal flow between orders that rest just beyond its reach.
fn far_orders(orders: u32) -> Shape {
    let flow = generate(&SCENARIOS[NORMAL], orders, SEED);
    let prices = || flow.iter().map(|message| message.price);
    let (low, high) = (prices().min().unwrap_or(2), prices().max().unwrap_or(2));
    let mut messages = resting(orders, low - 1, high + 1, 10 * RESTING_LEVELS);
    let start = messages.len();
    messages.extend(flow);
    let name = format!("normal flow in a book of {} resting orders", grouped(orders));
    Shape { resting: start, ..Shape::timed_from(name, numbered(messages), start) }
}

/// A short normal flow in every book, each message in another book than the one before.
fn many_instruments(orders: u32) -> Shape {
    let flow = generate(&SCENARIOS[NORMAL], orders / INSTRUMENTS, SEED);
    let ids = u64::from(orders / INSTRUMENTS);
    let copies = flow.iter().flat_map(|&message| {
        (0..u64::from(INSTRUMENTS))
            .map(move |copy| Message { order_id: copy * ids + message.order_id, ..message })
    });
    let messages = numbered(copies.collect());
    let name = format!("normal flow in {} instruments in turn", grouped(INSTRUMENTS));
    Shape { instruments: INSTRUMENTS, ..Shape::timed_from(name, messages, 0) }
}

fn resting(count: u32, best_bid: i64, best_ask: i64, levels: u32) -> Vec<Message> {
    let mut random = Random::new(SEED);
    let order = |place: u32| {
        let away = i64::from(random.below(levels));
        let side = if place.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        Message {
            kind: Kind::New,
            side,
            immediate: false,
            quantity: 1 + random.below(100),
            seq: 0,
            order_id: OTHER_IDS + u64::from(place),
            price: if side == Side::Buy { best_bid - away } else { best_ask + away },
        }
    };
    (0..count).map(order).collect()
}

fn numbered(mut messages: Vec<Message>) -> Vec<Message> {
    for (seq, message) in (0..).zip(&mut messages) {
        message.seq = seq;
    }
    messages
}
