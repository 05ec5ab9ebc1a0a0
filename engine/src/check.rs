//! Trust and verification: rebuilding a book from its orders, and recomputing every invariant.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::engine::BookState;
use crate::error::EngineError;
use crate::hash::order_hash;
use crate::level::{Ladder, Level};
use crate::orders::{NIL, Order};
use crate::types::{InstrumentId, Lots, Seq, Side};

impl Book {
    /// A book with these resting orders, or why there cannot be such a book.
    pub(crate) fn restored(
        instrument: InstrumentId,
        orders: &[Order],
        state: BookState,
    ) -> Result<Self, EngineError> {
        let mut book = Self::new(instrument, state);
        let mut by_priority: Vec<&Order> = orders.iter().collect();
        by_priority.sort_unstable_by_key(|order| order.priority);
        let mut last = Seq(0);
        for order in by_priority {
            if order.priority == last {
                return Err(EngineError::DuplicatePriority(order.priority));
            }
            if order.priority > state.seq {
                return Err(EngineError::PriorityAhead(order.priority));
            }
            if book.find(order.order_id).is_some() {
                return Err(EngineError::DuplicateOrder(order.order_id));
            }
            let side_total = book.ladder(order.side).total;
            if [side_total, order.executed].iter().any(|lots| lots.0.checked_add(order.leaves.0).is_none()) {
                return Err(EngineError::QuantityOverflow(order.order_id));
            }
            last = order.priority;
            book.rest(*order);
        }
        if let Some((bid, ask)) = book.bids.best_price().zip(book.asks.best_price())
            && bid >= ask
        {
            return Err(EngineError::Crossed { bid, ask });
        }
        book.forget_changes();
        Ok(book)
    }

    /// Recomputes every invariant from scratch.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.verify().map_err(|what| EngineError::Broken(self.instrument, what))
    }

    fn verify(&self) -> Result<(), String> {
        let mut priorities = BTreeSet::new();
        let mut hash = 0_u128;
        for side in [Side::Buy, Side::Sell] {
            let ladder = self.ladder(side);
            let mut total = Lots::ZERO;
            let best = ladder.iter().next().map(|(id, _)| id);
            ensure(ladder.best() == best, || format!("{side:?}: the best level is stale"))?;
            for (level_id, level) in ladder.iter() {
                total += self.verify_level(side, level_id, level)?;
                for slot in self.queue(level.head) {
                    let order = self.order(slot);
                    hash = hash.wrapping_add(order_hash(order));
                    ensure(priorities.insert(order.priority), || format!("{:?} repeats", order.priority))?;
                    ensure(order.priority <= self.state.seq, || format!("{:?} is ahead", order.priority))?;
                }
            }
            ensure(total == ladder.total, || {
                format!("{side:?}: {total:?} open, {:?} counted", ladder.total)
            })?;
            ensure(ladder.is_sorted_and_complete(), || format!("{side:?}: ladder and levels disagree"))?;
        }
        let uncrossed = self.bids.best_price().zip(self.asks.best_price()).is_none_or(|(bid, ask)| bid < ask);
        ensure(uncrossed, || "bids and asks are crossed".to_owned())?;
        ensure(hash == self.orders_hash, || "the hash of the orders is stale".to_owned())?;
        let found = priorities.len();
        ensure(found == self.index.len(), || format!("{found} queued, {} indexed", self.index.len()))?;
        ensure(found == self.orders.len(), || format!("{found} queued, {} in the slab", self.orders.len()))?;
        let (slots, free) = self.orders.capacity();
        ensure(found + free == slots, || format!("{slots} slots for {found} orders and {free} free"))
    }

    /// The links and sums of one level; returns its open lots.
    fn verify_level(&self, side: Side, level_id: u32, level: &Level) -> Result<Lots, String> {
        let place = || format!("{side:?} level {}", level.price.0);
        let (mut total, mut previous, mut priority) = (Lots::ZERO, NIL, Seq(0));
        for slot in self.queue(level.head) {
            let node = self.orders.node(slot);
            let order = &node.order;
            let linked = node.prev == previous && node.level == level_id;
            let placed = order.side == side && order.price == level.price;
            ensure(linked && placed, || format!("{}: {:?} is misplaced", place(), order.order_id))?;
            ensure(order.leaves > Lots::ZERO && order.executed >= Lots::ZERO, || {
                format!("{}: {order:?}", place())
            })?;
            ensure(order.priority > priority, || {
                format!("{}: {:?} is out of turn", place(), order.order_id)
            })?;
            ensure(self.find(order.order_id) == Some(slot), || {
                format!("{:?} is not indexed", order.order_id)
            })?;
            total += order.leaves;
            (previous, priority) = (slot, order.priority);
        }
        ensure(level.tail == previous && previous != NIL, || format!("{}: wrong tail", place()))?;
        ensure(total == level.quantity, || {
            format!("{}: {total:?} open, {:?} counted", place(), level.quantity)
        })?;
        Ok(total)
    }
}

impl Ladder {
    fn is_sorted_and_complete(&self) -> bool {
        self.iter().all(|(id, level)| self.find(level.price) == Some(id))
    }
}

fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;
    use crate::types::{OrderId, Ticks};

    const STATE: BookState = BookState { seq: Seq(9), ..BookState::EMPTY };

    /// Bids 7 and 8 at one price, ask 9 above.
    fn orders() -> [Order; 3] {
        let bid = sample();
        let behind = Order { order_id: OrderId(2), priority: Seq(8), ..bid };
        let ask = Order { order_id: OrderId(3), priority: Seq(9), side: Side::Sell, price: Ticks(5), ..bid };
        [bid, behind, ask]
    }

    fn book() -> Book {
        Book::restored(InstrumentId(1), &orders(), STATE).unwrap()
    }

    #[test]
    fn a_book_is_the_same_whatever_the_order_of_its_records() {
        let [bid, behind, ask] = orders();
        let other = Book::restored(InstrumentId(1), &[ask, behind, bid], STATE).unwrap();

        assert_eq!(book().check(), Ok(()));
        assert_eq!(other.open_orders(), book().open_orders());
        assert_eq!(other.state_hash(), book().state_hash());
    }

    #[test]
    fn impossible_books_are_refused() {
        let [bid, behind, ask] = orders();
        let refusals = [
            (
                [bid, behind, Order { price: bid.price, ..ask }],
                EngineError::Crossed { bid: Ticks(4), ask: Ticks(4) },
            ),
            ([bid, behind, Order { order_id: OrderId(2), ..ask }], EngineError::DuplicateOrder(OrderId(2))),
            ([bid, behind, Order { priority: Seq(7), ..ask }], EngineError::DuplicatePriority(Seq(7))),
            ([bid, behind, Order { priority: Seq(10), ..ask }], EngineError::PriorityAhead(Seq(10))),
            (
                [bid, Order { leaves: Lots(i64::MAX - 5), ..behind }, ask],
                EngineError::QuantityOverflow(OrderId(2)),
            ),
            (
                [Order { executed: Lots(i64::MAX - 4), ..bid }, behind, ask],
                EngineError::QuantityOverflow(OrderId(1)),
            ),
        ];
        for (orders, refusal) in refusals {
            assert_eq!(Book::restored(InstrumentId(1), &orders, STATE).err(), Some(refusal));
        }
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        type Damage = fn(&mut Book);
        let damages: [(&str, Damage); 9] = [
            ("open", |book| book.orders.node_mut(0).order.leaves += Lots(1)),
            ("hash", |book| book.orders.node_mut(0).order.executed += Lots(1)),
            ("out of turn", |book| book.orders.node_mut(0).order.priority = Seq(9)),
            ("misplaced", |book| book.orders.node_mut(1).prev = NIL),
            ("tail", |book| book.orders.node_mut(0).next = NIL),
            ("counted", |book| book.bids.total += Lots(1)),
            ("indexed", |book| book.index.clear()),
            ("ahead", |book| book.state.seq = Seq(8)),
            ("crossed", |book| {
                let ask = book.remove(2);
                book.rest(Order { price: Ticks(3), ..ask });
            }),
        ];
        for (complaint, damage) in damages {
            let mut book = book();
            damage(&mut book);
            let Err(EngineError::Broken(_, said)) = book.check() else { panic!("not found: {complaint}") };
            assert!(said.contains(complaint), "{said} should mention: {complaint}");
        }
    }
}
