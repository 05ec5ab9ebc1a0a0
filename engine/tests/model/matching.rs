//! Meetings of two orders: trades, self-trade prevention, slices.

use super::wire::{Event, reason, said, stp};
use super::{Model, News, Order, opposite};

impl Model {
    /// Lets an order that is in no queue meet makers. Says whether that was its end.
    pub(super) fn take(&mut self, taker: &mut Order) -> bool {
        loop {
            if taker.has_budget() && taker.spent == taker.terms.budget {
                self.say_cancelled(taker, reason::AMOUNT_SPENT);
                return true;
            }
            if taker.leaves == 0 && !taker.has_budget() {
                return true;
            }
            let Some(maker) = self.first(opposite(taker.side)) else { return false };
            if !taker.reaches(maker.price) {
                return false;
            }
            let (id, price) = (maker.id, maker.price);
            let mut wanted = taker.leaves;
            if taker.has_budget() {
                wanted = (taker.terms.budget - taker.spent) / price;
                if wanted == 0 {
                    self.say_cancelled(taker, reason::AMOUNT_SPENT);
                    return true;
                }
            }
            let mut maker = self.remove(id);
            let ended = self.meet(taker, &mut maker, wanted, price, 0);
            self.put_back(maker);
            if ended {
                return true;
            }
        }
    }

    /// One meeting of at most `wanted` lots. Says whether prevention ended the taker.
    pub(super) fn meet(
        &mut self,
        taker: &mut Order,
        maker: &mut Order,
        wanted: i64,
        price: i64,
        flags: u8,
    ) -> bool {
        let lots = wanted.min(maker.slice());
        match meeting(taker, maker) {
            stp::NONE => {
                self.trade(taker, maker, lots, price, flags);
                false
            }
            stp::DECREMENT => {
                taker.use_up(lots);
                maker.use_up(lots);
                for order in [&*maker, &*taker] {
                    self.say_reduced(order, lots, reason::SELF_TRADE_PREVENTION);
                }
                for order in [&*maker, &*taker] {
                    if order.leaves == 0 {
                        self.say_cancelled(order, reason::SELF_TRADE_PREVENTION);
                    }
                }
                taker.leaves == 0
            }
            mode => {
                if mode != stp::EXPIRE_TAKER {
                    self.say_cancelled(maker, reason::SELF_TRADE_PREVENTION);
                    maker.leaves = 0;
                }
                if mode != stp::EXPIRE_MAKER {
                    self.say_cancelled(taker, reason::SELF_TRADE_PREVENTION);
                    taker.leaves = 0;
                }
                mode != stp::EXPIRE_MAKER
            }
        }
    }

    fn trade(&mut self, taker: &mut Order, maker: &mut Order, lots: i64, price: i64, flags: u8) {
        maker.use_up(lots);
        if taker.has_budget() {
            taker.spent += lots * price;
        } else {
            taker.use_up(lots);
        }
        self.last_price = price;
        self.prices.push(price);
        self.emit(Event {
            price,
            quantity: lots,
            flags,
            maker_order_id: maker.id,
            maker_account: maker.account,
            maker_leaves: maker.leaves,
            ..taker.event(said::TRADE, reason::NONE)
        });
        for order in [&*maker, &*taker] {
            let to_the_end = order.leaves == 0 && !order.has_budget();
            self.news.push_back(News::Fill { id: order.id, partner: order.terms.partner, lots, to_the_end });
        }
    }

    /// Puts an order back that has met another: with a new slice if the old one is used up, or not at all.
    pub(super) fn put_back(&mut self, mut order: Order) {
        if order.leaves == 0 {
            return;
        }
        if order.is_iceberg() && order.shown == 0 {
            self.show_slice(&mut order, true);
        }
        self.orders.push(order);
    }

    pub(super) fn show_slice(&mut self, order: &mut Order, at_the_back: bool) {
        order.shown = order.terms.display.min(order.leaves);
        if at_the_back {
            order.priority = self.next_seq();
        }
        let displayed = order.event(said::DISPLAYED, reason::NONE);
        self.emit(Event { quantity: order.shown, priority: order.priority, ..displayed });
    }
}

impl Order {
    fn use_up(&mut self, lots: i64) {
        self.leaves -= lots;
        self.executed += lots;
        self.shown = if self.is_hidden() { 0 } else { self.shown - lots };
    }
}

/// NONE where the two trade; otherwise what prevention does.
fn meeting(taker: &Order, maker: &Order) -> u8 {
    let mode = match taker.stp {
        stp::DECREMENT if taker.has_budget() => stp::EXPIRE_TAKER,
        mode => mode,
    };
    let one_group = taker.group != 0 && taker.group == maker.group;
    match mode {
        stp::NONE if taker.account == maker.account => stp::EXPIRE_TAKER,
        _ if one_group || taker.account == maker.account => mode,
        _ => stp::NONE,
    }
}
