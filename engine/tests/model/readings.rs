//! What can be read of a book: open orders, depth, the auction as it would be.

use super::wire::{self, phase, side};
use super::{Model, Terms};

impl Model {
    /// OPEN records by priority.
    pub(crate) fn open_orders(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for id in self.by_priority(|_| true) {
            let order = self.find(id).expect("it is open");
            let has_terms = order.terms != Terms::default();
            let flags = u8::from(order.post_only) | if has_terms { wire::command_flag::TERMS } else { 0 };
            out.extend([order.side, flags, order.stp, 2, order.place, order.kind, order.tif, 0]);
            wire::put(&mut out, &[order.id, order.account, order.group, order.price]);
            wire::put(&mut out, &[order.leaves, order.executed, order.priority, order.shown, 0]);
            if has_terms {
                order.terms.encode(&mut out);
                out.extend([0; 16]);
            }
        }
        out
    }

    /// (side, price, displayed lots): bids from the best, then asks from the best.
    pub(crate) fn depth(&self) -> Vec<(u8, i64, i64)> {
        let mut levels: Vec<(u8, i64, i64)> = Vec::new();
        for side in [side::BUY, side::SELL] {
            let mut orders: Vec<_> = self.resting(side).filter(|order| order.shown > 0).collect();
            orders.sort_by_key(|order| if side == side::BUY { -order.price } else { order.price });
            for order in orders {
                match levels.last_mut() {
                    Some(level) if (level.0, level.1) == (side, order.price) => level.2 += order.shown,
                    _ => levels.push((side, order.price, order.shown)),
                }
            }
        }
        levels
    }

    /// Price, volume and surplus of the auction as it would be now; zeros where there is none.
    pub(crate) fn indicative(&self) -> (i64, i64, i64) {
        let auction = if self.phase == phase::OPEN { None } else { self.auction(self.last_price) };
        auction.unwrap_or_default()
    }
}
