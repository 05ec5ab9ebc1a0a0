//! What prices do to armed orders: trailing moves, triggering.

use super::wire::{Event, phase, place, reason, said, side, source, trigger};
use super::{Model, Order};

impl Model {
    /// One pass over the prices since the last one, over what was armed since, and over the touch.
    pub(super) fn watch_prices(&mut self) {
        if self.phase != phase::OPEN {
            self.newly_armed.clear();
            return;
        }
        let mut moved = Vec::new();
        let mut prices = std::mem::take(&mut self.prices);
        prices.dedup();
        for price in prices {
            for id in self.armed(Order::is_trailing) {
                if self.trail(id, price) {
                    moved.push(id);
                }
            }
            for id in self.armed(|order| order.terms.source == source::LAST) {
                self.trigger_at(id, price);
            }
        }
        for id in self.armed(|order| moved.contains(&order.id)) {
            self.say_trailed(id);
        }
        for id in std::mem::take(&mut self.newly_armed) {
            let Some(order) = self.find(id) else { continue };
            if self.last_price == 0 {
                continue;
            }
            let (is_trailing, watches_trades) = (order.is_trailing(), order.terms.source == source::LAST);
            if is_trailing && self.trail(id, self.last_price) {
                self.say_trailed(id);
            }
            if watches_trades {
                self.trigger_at(id, self.last_price);
            }
        }
        let (best_bid, best_ask) = (self.touch(side::BUY), self.touch(side::SELL));
        for id in self.armed(|order| order.terms.source == source::QUOTE) {
            let Some(order) = self.find(id) else { continue };
            let touch = if order.side == side::BUY { best_ask } else { best_bid };
            if let Some(touch) = touch {
                self.trigger_at(id, touch);
            }
        }
    }

    /// Ids of the orders among the armed, in entry order.
    fn armed(&self, wanted: impl Fn(&Order) -> bool) -> Vec<i64> {
        self.by_priority(|order| {
            let among = order.place == place::ARMED && !order.queued && !self.newly_armed.contains(&order.id);
            among && wanted(order)
        })
    }

    /// The best displayed price of a side.
    fn touch(&self, side: u8) -> Option<i64> {
        let shown = self.resting(side).filter(|order| order.shown > 0).map(|order| order.price);
        if side == side::BUY { shown.max() } else { shown.min() }
    }

    /// Triggers the order if the price has reached its trigger and it has not ended meanwhile.
    fn trigger_at(&mut self, id: i64, price: i64) {
        let Some(order) = self.find(id) else { return };
        let rising = (order.side == side::BUY) != (order.terms.trigger == trigger::TAKE_PROFIT);
        let limit = order.terms.trigger_price;
        let reached = if rising { price >= limit } else { price <= limit };
        if !reached || order.queued {
            return;
        }
        let (partner, parent, attached) = (order.terms.partner, order.terms.parent, order.is_attached());
        self.find_mut(id).expect("it is open").queued = true;
        self.activations.push_back(id);
        self.cut_link(id);
        self.end_partner(id, partner);
        if attached && self.find(parent).is_some() {
            self.end(parent, reason::EXIT_TRIGGERED);
        }
    }

    /// Lets a trailing order follow a price. Says whether it moved.
    fn trail(&mut self, id: i64, price: i64) -> bool {
        let order = self.find_mut(id).expect("it is armed");
        let wide = |number: i64| i128::from(number);
        let terms = &mut order.terms;
        let distance = match terms.trigger {
            trigger::TRAILING => wide(terms.distance),
            _ => wide(price) * wide(terms.distance) / 10_000,
        };
        // Towards better: down for a buy, up for a sell.
        let sign = if order.side == side::BUY { -1 } else { 1 };
        let candidate = wide(price) - sign * distance;
        let better_by = sign * (candidate - wide(terms.trigger_price));
        let by = sign * (better_by / wide(terms.step) * wide(terms.step));
        let trigger = wide(terms.trigger_price) + by;
        let limit = if order.price == 0 { 0 } else { wide(order.price) + by };
        let possible = |price: i128| (1..=wide(i64::MAX)).contains(&price);
        if better_by < wide(terms.step) || !possible(trigger) || (order.price != 0 && !possible(limit)) {
            return false;
        }
        terms.trigger_price = i64::try_from(trigger).expect("possible");
        order.price = i64::try_from(limit).expect("possible");
        true
    }

    pub(super) fn say_trailed(&mut self, id: i64) {
        let order = self.find(id).expect("it is armed");
        let price = order.terms.trigger_price;
        self.emit(Event { price, ..order.event(said::TRAILED, reason::NONE) });
    }
}
