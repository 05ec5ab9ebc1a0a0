//! Phases, and the call auction that uncrosses a book when it opens.

use crate::book::{Book, Step};
use crate::command::PhaseChange;
use crate::event::{Event, EventKind};
use crate::matching::{Meeting, meeting};
use crate::orders::flag;
use crate::types::{Lots, Phase, Reason, Side, Ticks};

/// What an uncross would do, or does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indicative {
    /// The one price of all its trades.
    pub price: Ticks,
    /// The lots that can trade at it.
    pub volume: Lots,
    /// Bids that reach it less asks that do: what one side lacks.
    pub surplus: Lots,
}

impl Book {
    pub(crate) fn change_phase(&mut self, change: &PhaseChange, step: &mut Step<'_>) {
        let &PhaseChange { phase, account, reason, cancel_resting, reference } = change;
        let before = std::mem::replace(&mut self.state.phase, phase);
        let reason = if before == phase { reason.or(Reason::AlreadyInPhase) } else { reason };
        let opens = phase == Phase::Open && !cancel_resting;
        let uncross = if opens { self.equilibrium(reference) } else { None };
        let Indicative { price, volume, .. } = uncross.unwrap_or_default();
        let changed = Event::of(EventKind::PhaseChanged, reason);
        self.emit(step, Event { account, flags: phase.code(), price, quantity: volume, ..changed });
        if cancel_resting {
            let everything = self.by_priority(|_| true);
            self.end_all(everything, Reason::HaltCancel, step);
        } else if phase == Phase::Closed {
            let today = self.by_priority(|order| order.is(flag::DAY));
            self.end_all(today, Reason::SessionEnd, step);
        } else if phase == Phase::Open {
            let mut next = uncross;
            while let Some(Indicative { price, .. }) = next {
                self.uncross(price, step);
                next = self.equilibrium(reference);
            }
        }
        if phase == Phase::Open && self.state.last_price.0 > 0 {
            self.note_price(self.state.last_price);
        }
    }

    /// What an uncross would do now; none if bids and asks do not cross.
    pub(crate) fn indicative(&self) -> Option<Indicative> {
        if self.state.phase == Phase::Open { None } else { self.equilibrium(Ticks(0)) }
    }

    /// Greatest executable volume, then least surplus, then nearest the reference, then the lower price.
    /// The reference is the last trade price unless another is stated.
    fn equilibrium(&self, stated: Ticks) -> Option<Indicative> {
        let (bid, ask) = self.bids.best_price().zip(self.asks.best_price())?;
        if bid < ask {
            return None;
        }
        let reference = if stated.0 > 0 { stated } else { self.state.last_price };
        let demand = self.crossing(Side::Buy, ask);
        let supply = self.crossing(Side::Sell, bid);
        let mut prices: Vec<Ticks> = demand.iter().chain(&supply).map(|&(price, _)| price).collect();
        prices.sort_unstable();
        prices.dedup();
        // Walking upwards, supply grows and demand shrinks.
        let (mut bids, mut asks) = (sum(&demand), Lots::ZERO);
        let (mut next_bid, mut next_ask) = (demand.iter().rev().peekable(), supply.iter().peekable());
        let mut best: Option<Indicative> = None;
        for price in prices {
            while let Some(&(_, lots)) = next_ask.next_if(|&&(ask, _)| ask <= price) {
                asks += lots;
            }
            while let Some(&(_, lots)) = next_bid.next_if(|&&(bid, _)| bid < price) {
                bids -= lots;
            }
            let found = Indicative { price, volume: bids.min(asks), surplus: bids - asks };
            if best.is_none_or(|best| rank(&found, reference) < rank(&best, reference)) {
                best = Some(found);
            }
        }
        best
    }

    /// Levels of a side, best first, as far as they reach `price`, with all their lots, hidden ones too.
    fn crossing(&self, side: Side, price: Ticks) -> Vec<(Ticks, Lots)> {
        let levels = self.ladder(side).iter();
        levels
            .take_while(|&(reached, _)| side.reaches(reached, price))
            .map(|(reached, level)| {
                let lots = self.queue(level.head).map(|slot| self.order(slot).leaves);
                (reached, lots.fold(Lots::ZERO, |total, leaves| total + leaves))
            })
            .collect()
    }

    /// Lets all that reaches the price meet at it, in turn.
    fn uncross(&mut self, price: Ticks, step: &mut Step<'_>) {
        while let Some((bid, ask)) = self.first(Side::Buy, price).zip(self.first(Side::Sell, price)) {
            // The younger of the two counts as the taker.
            let (maker, taker) =
                if self.order(bid).priority < self.order(ask).priority { (bid, ask) } else { (ask, bid) };
            match meeting(self.order(taker), self.order(maker)) {
                Meeting::Trade => self.meet(maker, taker, price, step),
                Meeting::ExpireTaker => self.expire_maker(taker, step),
                Meeting::ExpireMaker => self.expire_maker(maker, step),
                Meeting::ExpireBoth => {
                    self.expire_maker(maker, step);
                    self.expire_maker(taker, step);
                }
                Meeting::Decrement => {
                    let lots = self.common_lots(maker, taker);
                    let (older, maker_partner) = self.consume(maker, lots);
                    let (younger, taker_partner) = self.consume(taker, lots);
                    self.emit_decrement((&older, maker_partner), (&younger, taker_partner), lots, step);
                    self.refill(maker, &older, step);
                    self.refill(taker, &younger, step);
                }
            }
        }
    }

    /// The first order in turn of a side that reaches `price`.
    fn first(&self, side: Side, price: Ticks) -> Option<u32> {
        let ladder = self.ladder(side);
        side.reaches(ladder.best_price()?, price).then(|| ladder.first())
    }

    fn common_lots(&self, one: u32, other: u32) -> Lots {
        self.available(self.order(one)).min(self.available(self.order(other)))
    }

    fn meet(&mut self, maker: u32, taker: u32, price: Ticks, step: &mut Step<'_>) {
        let quantity = self.common_lots(maker, taker);
        let (older, maker_partner) = self.consume(maker, quantity);
        let (younger, taker_partner) = self.consume(taker, quantity);
        self.state.last_price = price;
        let trade = Event {
            price,
            quantity,
            flags: Event::AUCTION,
            maker_order_id: older.order_id,
            maker_account: older.account,
            maker_leaves: older.leaves,
            ..Event::about(&younger, EventKind::Trade, Reason::None)
        };
        self.emit(step, trade);
        self.note_price(price);
        for (order, partner) in [(&older, maker_partner), (&younger, taker_partner)] {
            self.report_fill(order, partner, quantity, order.leaves.is_zero());
        }
        self.refill(maker, &older, step);
        self.refill(taker, &younger, step);
    }
}

fn sum(levels: &[(Ticks, Lots)]) -> Lots {
    levels.iter().fold(Lots::ZERO, |total, &(_, lots)| total + lots)
}

/// Smaller is better.
fn rank(found: &Indicative, reference: Ticks) -> (i64, u64, u64, i64) {
    let distance = found.price.0.abs_diff(reference.0);
    (-found.volume.0, found.surplus.0.unsigned_abs(), distance, found.price.0)
}
