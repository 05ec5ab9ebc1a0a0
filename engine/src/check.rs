//! Trust and verification: rebuilding a book from its orders, and recomputing every invariant.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::engine::BookState;
use crate::error::EngineError;
use crate::hash::resting_hash;
use crate::level::Level;
use crate::open::OpenOrder;
use crate::orders::{NIL, Order, flag};
use crate::types::{InstrumentId, Lots, Micros, OrderId, Phase, Place, Seq, Side, Ticks};

impl Book {
    /// A book with these open orders, or why there cannot be such a book.
    pub(crate) fn restored(
        instrument: InstrumentId,
        mut orders: Vec<OpenOrder>,
        state: BookState,
    ) -> Result<Self, EngineError> {
        let mut book = Self::new(instrument, state);
        orders.sort_by_key(|order| order.order().priority);
        let mut last = Seq(0);
        for open in orders {
            let &Order { order_id, priority, side, leaves, executed, .. } = open.order();
            if priority == last {
                return Err(EngineError::DuplicatePriority(priority));
            }
            if priority > state.seq {
                return Err(EngineError::PriorityAhead(priority));
            }
            if book.is_open(order_id) {
                return Err(EngineError::DuplicateOrder(order_id));
            }
            let resting =
                if matches!(open, OpenOrder::Resting(..)) { book.ladder(side).total } else { Lots::ZERO };
            if [resting, executed].iter().any(|lots| lots.0.checked_add(leaves.0).is_none()) {
                return Err(EngineError::QuantityOverflow(order_id));
            }
            last = priority;
            match open {
                OpenOrder::Resting(order, extra) => {
                    let slot = book.rest_with(order, extra);
                    if book.parked.has_children(order_id) {
                        book.orders.node_mut(slot).order.flags |= flag::WATCHED;
                    }
                }
                OpenOrder::Parked(parked) => {
                    let armed = parked.place == Place::Armed;
                    book.park(parked);
                    if armed {
                        book.watch(order_id);
                    }
                }
            }
        }
        if let Some((bid, ask)) = book.bids.best_price().zip(book.asks.best_price())
            && bid >= ask
            && state.phase == Phase::Open
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
        ensure(self.agenda.is_empty(), || format!("{:?} is left to do", self.agenda))?;
        let mut priorities = BTreeSet::new();
        let mut hash = 0_u128;
        for side in [Side::Buy, Side::Sell] {
            let ladder = self.ladder(side);
            let mut total = Lots::ZERO;
            for (price, level) in ladder.iter() {
                total += self.verify_level(side, price, level)?;
            }
            ensure(total == ladder.total, || {
                format!("{side:?}: {total:?} open, {:?} counted", ladder.total)
            })?;
            ensure(ladder.is_consistent(), || format!("{side:?}: ladder and levels disagree"))?;
        }
        let (mut extras, mut expiries) = (0, 0);
        for (_, order) in self.resting() {
            let extra = self.extra(order);
            hash = hash.wrapping_add(resting_hash(order, extra));
            self.verify_priority(order, &mut priorities)?;
            let end = extra.map_or(Micros(0), |extra| extra.expires);
            extras += usize::from(extra.is_some());
            expiries += self.verify_expiry(order.order_id, end)?;
            ensure(
                extra.map_or(0, |extra| extra.flags() & flag::EXTRA) == order.flags & flag::EXTRA,
                || format!("{:?}: flags {} and {extra:?} disagree", order.order_id, order.flags),
            )?;
        }
        let resting = priorities.len();
        let (mut armed, mut children) = (0, 0);
        for parked in self.parked.iter() {
            let order = &parked.order;
            hash = hash.wrapping_add(parked.share());
            self.verify_priority(order, &mut priorities)?;
            expiries += self.verify_expiry(order.order_id, parked.terms.expires)?;
            children += usize::from(parked.terms.parent.is_some());
            ensure(!parked.queued, || format!("{:?} is about to go live", order.order_id))?;
            if parked.place == Place::Armed {
                armed += 1;
                ensure(self.parked.triggers.contains(parked), || {
                    format!("{:?} is not watched", order.order_id)
                })?;
            }
        }
        let uncrossed = self.bids.best_price().zip(self.asks.best_price()).is_none_or(|(bid, ask)| bid < ask);
        ensure(uncrossed || self.state.phase != Phase::Open, || "bids and asks are crossed".to_owned())?;
        ensure(hash == self.orders_hash, || "the hash of the orders is stale".to_owned())?;
        let (slots, free) = self.orders.capacity();
        for (what, found, counted) in [
            ("indexed", resting, self.index.len()),
            ("slots", resting + free, slots),
            ("extras", extras, self.extras.len()),
            ("expiries", expiries, self.expiries.len()),
            ("watched", armed, self.parked.triggers.len()),
            ("children", children, self.parked.children_count()),
        ] {
            ensure(found == counted, || format!("{found} found, {counted} {what}"))?;
        }
        Ok(())
    }

    fn verify_priority(&self, order: &Order, seen: &mut BTreeSet<Seq>) -> Result<(), String> {
        ensure(seen.insert(order.priority), || format!("{:?} repeats", order.priority))?;
        ensure(order.priority <= self.state.seq, || format!("{:?} is ahead", order.priority))
    }

    fn verify_expiry(&self, order_id: OrderId, expires: Micros) -> Result<usize, String> {
        let noted = expires.0 == 0 || self.expiries.contains(expires, order_id);
        ensure(noted && (expires.0 == 0 || self.expiries.next <= expires), || {
            format!("the end of {order_id:?} is not noted")
        })?;
        Ok(usize::from(expires.0 != 0))
    }

    /// The links and sums of one level; returns its open lots.
    fn verify_level(&self, side: Side, price: Ticks, level: &Level) -> Result<Lots, String> {
        let place = || format!("{side:?} level {}", price.0);
        let (mut total, mut shown, mut previous) = (Lots::ZERO, Lots::ZERO, NIL);
        let (mut turn, mut first_hidden) = ((false, Seq(0)), NIL);
        for slot in self.queue(level.head) {
            let node = self.orders.node(slot);
            let order = &node.order;
            let linked = node.prev == previous;
            let placed = order.side == side && order.price == price;
            ensure(linked && placed, || format!("{}: {:?} is misplaced", place(), order.order_id))?;
            let slice = self.shown(order);
            let sized = order.leaves > Lots::ZERO
                && order.executed >= Lots::ZERO
                && slice <= order.leaves
                && (slice > Lots::ZERO) != order.is(flag::HIDDEN);
            ensure(sized, || format!("{}: {order:?}", place()))?;
            let next = (order.is(flag::HIDDEN), order.priority);
            ensure(next > turn, || format!("{}: {:?} is out of turn", place(), order.order_id))?;
            if next.0 && !turn.0 {
                first_hidden = slot;
            }
            ensure(self.find(order.order_id) == Some(slot), || {
                format!("{:?} is not indexed", order.order_id)
            })?;
            total += order.leaves;
            shown += slice;
            (previous, turn) = (slot, next);
        }
        ensure(level.tail == previous && previous != NIL, || format!("{}: wrong tail", place()))?;
        ensure(level.hidden == first_hidden, || format!("{}: wrong first hidden order", place()))?;
        ensure(shown == level.quantity, || {
            format!("{}: {shown:?} shown, {:?} counted", place(), level.quantity)
        })?;
        Ok(total)
    }
}

fn ensure(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(complaint()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;
    use crate::ids::IdMap;
    use crate::orders::Extra;

    const STATE: BookState = BookState { seq: Seq(9), ..BookState::EMPTY };

    /// Bids 7 and 8 at one price, ask 9 above.
    fn orders() -> [Order; 3] {
        let bid = sample();
        let behind = Order { order_id: OrderId(2), priority: Seq(8), ..bid };
        let ask = Order { order_id: OrderId(3), priority: Seq(9), side: Side::Sell, price: Ticks(5), ..bid };
        [bid, behind, ask]
    }

    fn restored(orders: &[Order]) -> Result<Book, EngineError> {
        let orders = orders.iter().map(|&order| OpenOrder::Resting(order, Extra::default()));
        Book::restored(InstrumentId(1), orders.collect(), STATE)
    }

    fn book() -> Book {
        restored(&orders()).unwrap()
    }

    #[test]
    fn a_book_is_the_same_whatever_the_order_of_its_records() {
        let [bid, behind, ask] = orders();
        let other = restored(&[ask, behind, bid]).unwrap();

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
            assert_eq!(restored(&orders).err(), Some(refusal));
        }
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        type Damage = fn(&mut Book);
        let damages: [(&str, Damage); 9] = [
            ("shown", |book| book.orders.node_mut(0).order.leaves += Lots(1)),
            ("hash", |book| book.orders.node_mut(0).order.executed += Lots(1)),
            ("out of turn", |book| book.orders.node_mut(0).order.priority = Seq(9)),
            ("misplaced", |book| book.orders.node_mut(1).prev = NIL),
            ("tail", |book| book.orders.node_mut(0).next = NIL),
            ("counted", |book| book.bids.total += Lots(1)),
            ("indexed", |book| book.index = IdMap::new()),
            ("ahead", |book| book.state.seq = Seq(8)),
            ("crossed", |book| {
                let ask = book.remove(2);
                book.rest(&Order { price: Ticks(3), ..ask });
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
