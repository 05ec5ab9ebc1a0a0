//! A book a child could check: one plain list of open orders, searched from the start every time.
//!
//! Written from docs/engine.md alone. It shares no code and no types with the engine: commands and events
//! are compared as the bytes that cross the boundary.
#![allow(dead_code, reason = "every test binary uses its own part of the model")]

mod auction; // the price of an auction, the uncross
mod enter; // new orders: checks, acceptance, going live
mod links; // news of fills and ends: partners and children
mod matching; // meetings of two orders
mod operations; // cancel, amend, mass cancel, phase
mod readings; // what can be read of a book: open orders, depth, auction
mod triggers; // what prices move and trigger
pub(crate) mod wire;

use std::collections::VecDeque;

use wire::{
    Command, Event, HAS_DISPLAY, Terms, ask, link, order_type, phase, place, reason, said, side, trigger,
};

/// An order that is not final.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) account: i64,
    pub(crate) group: i64,
    pub(crate) side: u8,
    /// Limit or market.
    pub(crate) kind: u8,
    pub(crate) tif: u8,
    pub(crate) stp: u8,
    pub(crate) post_only: bool,
    pub(crate) price: i64,
    pub(crate) leaves: i64,
    pub(crate) executed: i64,
    pub(crate) priority: i64,
    /// The lots that count in depth; of an iceberg, the slice.
    pub(crate) shown: i64,
    pub(crate) place: u8,
    /// Triggered or activated, and about to go live within this command.
    pub(crate) queued: bool,
    /// What an order with a budget has paid so far.
    pub(crate) spent: i64,
    pub(crate) terms: Terms,
}

/// What partners and children have to be told.
#[derive(Clone, Debug)]
enum News {
    Fill {
        id: i64,
        partner: i64,
        lots: i64,
        to_the_end: bool,
    },
    /// Lots were taken off it without a trade.
    Reduced {
        id: i64,
    },
    End {
        id: i64,
        partner: i64,
    },
}

/// One book.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) instrument: u32,
    pub(crate) seq: i64,
    pub(crate) time: i64,
    pub(crate) last_price: i64,
    pub(crate) phase: u8,
    pub(crate) orders: Vec<Order>,
    /// What the command in hand has said so far.
    pub(crate) events: Vec<Event>,
    command_id: i64,
    news: VecDeque<News>,
    /// Trade prices since the last pass of settle.
    prices: Vec<i64>,
    /// Orders armed, or amended while armed, since the last pass of settle.
    newly_armed: Vec<i64>,
    activations: VecDeque<i64>,
}

impl Model {
    pub(crate) fn new(instrument: u32) -> Self {
        Self {
            instrument,
            seq: 0,
            time: 0,
            last_price: 0,
            phase: phase::OPEN,
            orders: Vec::new(),
            events: Vec::new(),
            command_id: 0,
            news: VecDeque::new(),
            prices: Vec::new(),
            newly_armed: Vec::new(),
            activations: VecDeque::new(),
        }
    }

    /// Does what is asked; `events` is then the answer.
    pub(crate) fn apply(&mut self, command: &Command) {
        self.events.clear();
        self.command_id = command.id;
        self.time = self.time.max(command.time);
        self.expire();
        self.settle();
        match command.kind {
            ask::NEW => self.enter(command),
            ask::CANCEL => self.cancel(command),
            ask::AMEND => self.amend(command),
            ask::PHASE => self.change_phase(command),
            ask::MASS_CANCEL => self.mass_cancel(command),
            ask::TIME => self.emit(Event { kind: said::TIME, ..Event::default() }),
            other => panic!("no command is {other}"),
        }
        self.settle();
    }

    fn expire(&mut self) {
        let mut ended: Vec<_> = self
            .orders
            .iter()
            .filter(|order| order.terms.expires != 0 && order.terms.expires <= self.time)
            .map(|order| (order.terms.expires, order.id))
            .collect();
        ended.sort_unstable();
        for (_, id) in ended {
            self.end(id, reason::EXPIRED);
        }
    }

    /// Until nothing is left to do: news, then prices, then one order that goes live.
    fn settle(&mut self) {
        loop {
            while let Some(news) = self.news.pop_front() {
                self.tell(&news);
            }
            self.watch_prices();
            if !self.news.is_empty() {
                continue;
            }
            let alive = |id: &i64| self.orders.iter().any(|order| order.id == *id && order.queued);
            while self.activations.front().is_some_and(|id| !alive(id)) {
                self.activations.pop_front();
            }
            let Some(id) = self.activations.pop_front() else { return };
            self.activate(id);
        }
    }

    // --- What is said

    fn emit(&mut self, event: Event) {
        self.seq += 1;
        let (instrument, command_id) = (self.instrument, self.command_id);
        self.events.push(Event { instrument, command_id, seq: self.seq, time: self.time, ..event });
    }

    fn next_seq(&self) -> i64 {
        self.seq + 1
    }

    /// Says that an order has ended with all lots it has, and makes it news.
    fn say_cancelled(&mut self, order: &Order, reason: u8) {
        self.emit(Event { quantity: order.leaves, leaves: 0, ..order.event(said::CANCELLED, reason) });
        self.news.push_back(News::End { id: order.id, partner: order.terms.partner });
    }

    /// Says that lots were taken off an order without a trade, and makes it news.
    fn say_reduced(&mut self, order: &Order, lots: i64, reason: u8) {
        self.emit(Event { quantity: lots, ..order.event(said::REDUCED, reason) });
        self.news.push_back(News::Reduced { id: order.id });
    }

    /// Ends an open order.
    fn end(&mut self, id: i64, reason: u8) {
        let order = self.remove(id);
        self.say_cancelled(&order, reason);
    }

    // --- The list

    pub(crate) fn find(&self, id: i64) -> Option<&Order> {
        self.orders.iter().find(|order| order.id == id)
    }

    fn find_mut(&mut self, id: i64) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    fn remove(&mut self, id: i64) -> Order {
        let at = self.orders.iter().position(|order| order.id == id).expect("the order is open");
        self.orders.swap_remove(at)
    }

    /// Ids of the open orders that are `wanted`, by priority.
    fn by_priority(&self, wanted: impl Fn(&Order) -> bool) -> Vec<i64> {
        let mut found: Vec<_> = self
            .orders
            .iter()
            .filter(|order| wanted(order))
            .map(|order| (order.priority, order.id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn resting(&self, side: u8) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(move |order| order.side == side && order.place == place::RESTING)
    }

    /// Whether `more` lots have room beside what rests on a side.
    fn has_room(&self, side: u8, more: i64) -> bool {
        let resting: i128 = self.resting(side).map(|order| i128::from(order.leaves)).sum();
        resting + i128::from(more) <= i128::from(i64::MAX)
    }

    /// The order that is met first: the best price, there displayed before hidden, there the earliest.
    fn first(&self, side: u8) -> Option<&Order> {
        self.resting(side).min_by_key(|order| {
            let price = if side == side::BUY { -order.price } else { order.price };
            (price, order.is_hidden(), order.priority)
        })
    }
}

impl Order {
    fn event(&self, kind: u8, reason: u8) -> Event {
        Event {
            kind,
            reason,
            side: self.side,
            order_id: self.id,
            account: self.account,
            price: self.price,
            leaves: self.leaves,
            ..Event::default()
        }
    }

    fn is_parked(&self) -> bool {
        self.place != place::RESTING
    }

    fn is_hidden(&self) -> bool {
        self.terms.flags & HAS_DISPLAY != 0 && self.terms.display == 0
    }

    fn is_iceberg(&self) -> bool {
        self.terms.display > 0
    }

    fn is_attached(&self) -> bool {
        self.is_parked() && self.terms.link == link::ATTACHED
    }

    fn is_trailing(&self) -> bool {
        matches!(self.terms.trigger, trigger::TRAILING | trigger::TRAILING_BPS)
    }

    /// Whether it is spent by amount instead of lots.
    fn has_budget(&self) -> bool {
        self.terms.budget > 0
    }

    /// What one meeting may take from it while it rests.
    fn slice(&self) -> i64 {
        if self.is_iceberg() { self.shown } else { self.leaves }
    }

    /// Whether it may trade at a price.
    fn reaches(&self, price: i64) -> bool {
        match (self.kind, self.price) {
            (order_type::MARKET, 0) => true,
            (_, limit) if self.side == side::BUY => price <= limit,
            (_, limit) => price >= limit,
        }
    }
}

fn opposite(side: u8) -> u8 {
    if side == side::BUY { side::SELL } else { side::BUY }
}
