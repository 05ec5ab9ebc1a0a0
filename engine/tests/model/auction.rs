//! The price of an auction, and the uncross at it.

use super::wire::{event_flag, side};
use super::{Model, Order};

impl Model {
    /// Price, volume and surplus (bids minus asks), if the book is crossed.
    pub(super) fn auction(&self, reference: i64) -> Option<(i64, i64, i64)> {
        let (bid, ask) = (self.first(side::BUY)?, self.first(side::SELL)?);
        if bid.price < ask.price {
            return None;
        }
        let lots = |side: u8, price: i64| -> i64 {
            self.resting(side).filter(|order| order.reaches(price)).map(|order| order.leaves).sum()
        };
        let prices = self.resting(side::BUY).chain(self.resting(side::SELL)).map(|order| order.price);
        let judged = prices.map(|price| (price, lots(side::BUY, price), lots(side::SELL, price)));
        let best = judged.min_by_key(|&(price, bids, asks)| {
            (-bids.min(asks), (bids - asks).abs(), (price - reference).abs(), price)
        });
        best.map(|(price, bids, asks)| (price, bids.min(asks), bids - asks))
    }

    /// Trades until the book is not crossed.
    pub(super) fn uncross(&mut self, reference: i64) {
        let reference_now = |book: &Self| if reference == 0 { book.last_price } else { reference };
        while let Some((price, ..)) = self.auction(reference_now(self)) {
            while let Some((maker, taker)) = self.pair_at(price) {
                let (mut maker, mut taker) = (self.remove(maker), self.remove(taker));
                let wanted = taker.slice();
                self.meet(&mut taker, &mut maker, wanted, price, event_flag::AUCTION);
                self.put_back(maker);
                self.put_back(taker);
            }
        }
    }

    /// The first of both sides, the earlier one first, if both may trade at the price.
    fn pair_at(&self, price: i64) -> Option<(i64, i64)> {
        let (bid, ask) = (self.first(side::BUY)?, self.first(side::SELL)?);
        let by_time = |one: &Order, other: &Order| (one.priority, one.id) < (other.priority, other.id);
        let (maker, taker) = if by_time(bid, ask) { (bid, ask) } else { (ask, bid) };
        (bid.price >= price && ask.price <= price).then_some((maker.id, taker.id))
    }
}
