//! Taking liquidity: best price first, oldest order first, never against oneself.

use crate::book::{Book, Step};
use crate::event::{Event, EventKind};
use crate::orders::{Order, flag};
use crate::types::{Lots, OrderId, Reason, StpMode, Ticks};

/// Why a taker went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing of it is left: traded, prevented or cancelled.
    Done,
    /// The other side is empty.
    NoLiquidity,
    /// The next price is beyond its limit.
    PriceLimit,
    /// What is left of its amount does not pay for a lot at the next price.
    AmountSpent,
}

/// An order on its way through the other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) order: Order,
    /// The worst price it may trade at.
    pub(crate) limit: Ticks,
    /// What an order by amount may still spend or must still raise, in ticks times lots. Such an order has
    /// as many lots as there can be, and says that it has none.
    pub(crate) budget: Option<i64>,
    pub(crate) partner: OrderId,
}

impl Taker {
    /// The open lots its events show.
    #[inline]
    pub(crate) const fn leaves(&self) -> Lots {
        if self.budget.is_some() { Lots::ZERO } else { self.order.leaves }
    }

    /// The order as its last event shows it.
    pub(crate) const fn visible(&self) -> Order {
        Order { leaves: self.leaves(), ..self.order }
    }
}

/// What happens when a taker meets a maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    Trade,
    ExpireTaker,
    ExpireMaker,
    ExpireBoth,
    Decrement,
}

/// Two orders belong together when they share the account, or the group; a group number is never
/// compared with an account number. The taker's mode decides what happens then.
#[inline]
pub(crate) fn meeting(taker: &Order, maker: &Order) -> Meeting {
    let same_account = taker.account == maker.account;
    let same_group = taker.stp_group == maker.stp_group && taker.stp_group.0 != 0;
    match taker.stp {
        StpMode::None if same_account => Meeting::ExpireTaker,
        StpMode::None => Meeting::Trade,
        _ if !same_account && !same_group => Meeting::Trade,
        StpMode::ExpireTaker => Meeting::ExpireTaker,
        StpMode::ExpireMaker => Meeting::ExpireMaker,
        StpMode::ExpireBoth => Meeting::ExpireBoth,
        StpMode::Decrement => Meeting::Decrement,
    }
}

impl Book {
    /// Matches `taker` against the other side until it is done or may go no further.
    pub(crate) fn take(&mut self, taker: &mut Taker, step: &mut Step<'_>) -> Stop {
        let makers = taker.order.side.opposite();
        while !taker.order.leaves.is_zero() {
            if taker.budget == Some(0) {
                return Stop::AmountSpent;
            }
            let Some(price) = self.ladder(makers).best_price() else { return Stop::NoLiquidity };
            if !taker.order.side.reaches(taker.limit, price) {
                return Stop::PriceLimit;
            }
            let affordable = match taker.budget {
                None => Lots(i64::MAX),
                Some(budget) if budget < price.0 => return Stop::AmountSpent,
                Some(budget) => Lots(budget / price.0),
            };
            let slot = self.ladder(makers).first();
            match meeting(&taker.order, self.order(slot)) {
                Meeting::Trade => self.trade(taker, slot, affordable, step),
                Meeting::Decrement if taker.budget.is_none() => self.decrement(taker, slot, step),
                Meeting::ExpireTaker | Meeting::Decrement => self.expire_taker(taker, step),
                Meeting::ExpireMaker => self.expire_maker(slot, step),
                Meeting::ExpireBoth => {
                    self.expire_maker(slot, step);
                    self.expire_taker(taker, step);
                }
            }
        }
        Stop::Done
    }

    /// Whether `take` would trade at least `wanted` lots of `taker`, without changing anything.
    #[cold]
    pub(crate) fn can_fill(&self, taker: Order, limit: Ticks, wanted: Lots) -> bool {
        if wanted > taker.leaves {
            return false;
        }
        let mut missing = wanted;
        for (price, level) in self.ladder(taker.side.opposite()).iter() {
            if !taker.side.reaches(limit, price) {
                return false;
            }
            // In turn: what is shown, the further slices of what was shown, what is hidden.
            let shows = |slot: &u32| !self.order(*slot).is(flag::HIDDEN);
            let displayed = || self.queue(level.head).take_while(shows);
            let slices = displayed().map(|slot| self.order(slot)).map(|order| (order, self.available(order)));
            let further = displayed()
                .map(|slot| self.order(slot))
                .filter(|order| order.is(flag::ICEBERG))
                .map(|order| (order, order.leaves - self.available(order)));
            let hidden = self.queue(level.hidden).map(|slot| self.order(slot)).map(|o| (o, o.leaves));
            for (maker, lots) in slices.chain(further).chain(hidden) {
                match meeting(&taker, maker) {
                    Meeting::Trade if lots >= missing => return true,
                    Meeting::Trade => missing -= lots,
                    Meeting::ExpireMaker => {}
                    Meeting::ExpireTaker | Meeting::ExpireBoth | Meeting::Decrement => return false,
                }
            }
        }
        false
    }

    #[inline]
    fn trade(&mut self, taker: &mut Taker, slot: u32, most: Lots, step: &mut Step<'_>) {
        let quantity = taker.order.leaves.min(self.available(self.order(slot))).min(most);
        let (maker, partner) = self.consume(slot, quantity);
        taker.order.leaves -= quantity;
        taker.order.executed += quantity;
        if let Some(budget) = &mut taker.budget {
            *budget -= quantity.0 * maker.price.0;
        }
        self.state.last_price = maker.price;
        let trade = Event {
            price: maker.price,
            quantity,
            maker_order_id: maker.order_id,
            maker_account: maker.account,
            maker_leaves: maker.leaves,
            leaves: taker.leaves(),
            ..Event::about(&taker.order, EventKind::Trade, Reason::None)
        };
        self.emit(step, trade);
        self.note_price(maker.price);
        self.report_fill(&maker, partner, quantity, maker.leaves.is_zero());
        self.report_fill(&taker.order, taker.partner, quantity, taker.order.leaves.is_zero());
        self.refill(slot, &maker, step);
    }

    /// Tells those who depend on an order that it traded.
    #[inline]
    pub(crate) fn report_fill(&mut self, order: &Order, partner: OrderId, lots: Lots, whole: bool) {
        if order.is(flag::WATCHED) {
            self.agenda.filled(order.order_id, partner, lots, whole);
        }
    }

    fn expire_taker(&mut self, taker: &mut Taker, step: &mut Step<'_>) {
        self.emit_end(&taker.visible(), taker.partner, Reason::SelfTradePrevention, step);
        taker.order.leaves = Lots::ZERO;
    }

    pub(crate) fn expire_maker(&mut self, slot: u32, step: &mut Step<'_>) {
        let maker = self.remove(slot);
        let extra = self.take_extra(&maker);
        self.emit_end(&maker, extra.partner, Reason::SelfTradePrevention, step);
    }

    fn decrement(&mut self, taker: &mut Taker, slot: u32, step: &mut Step<'_>) {
        let prevented = taker.order.leaves.min(self.available(self.order(slot)));
        let (maker, partner) = self.consume(slot, prevented);
        taker.order.leaves -= prevented;
        taker.order.executed += prevented;
        self.emit_decrement((&maker, partner), (&taker.order, taker.partner), prevented, step);
        self.refill(slot, &maker, step);
    }

    /// Both shrink by the same lots; whoever reaches zero ends with a cancellation of nothing.
    pub(crate) fn emit_decrement(
        &mut self,
        maker: (&Order, OrderId),
        taker: (&Order, OrderId),
        prevented: Lots,
        step: &mut Step<'_>,
    ) {
        let reason = Reason::SelfTradePrevention;
        for (order, _) in [maker, taker] {
            let reduced = Event::about(order, EventKind::Reduced, reason);
            self.emit(step, Event { quantity: prevented, ..reduced });
            self.report_reduction(order);
        }
        for (order, partner) in [maker, taker] {
            if order.leaves.is_zero() {
                self.emit_end(order, partner, reason, step);
            }
        }
    }

    /// Takes lots from a resting order, and the order from the book with its last lot; returns it as it is
    /// now, and its partner.
    #[inline]
    pub(crate) fn consume(&mut self, slot: u32, lots: Lots) -> (Order, OrderId) {
        let before = *self.order(slot);
        if lots < before.leaves {
            let partner = self.partner(&before);
            return (self.shrink(slot, lots, Lots::ZERO), partner);
        }
        let mut maker = self.remove(slot);
        let extra = self.take_extra(&maker);
        maker.leaves -= lots;
        maker.executed += lots;
        (maker, extra.partner)
    }

    /// Shows the next slice of an iceberg order whose slice was used up.
    #[inline]
    pub(crate) fn refill(&mut self, slot: u32, order: &Order, step: &mut Step<'_>) {
        if order.is(flag::ICEBERG) && !order.leaves.is_zero() && self.shown(order).is_zero() {
            self.display_next(slot, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;
    use crate::types::{AccountId, GroupId};

    fn order(account: i64, group: i64, stp: StpMode) -> Order {
        Order { account: AccountId(account), stp_group: GroupId(group), stp, ..sample() }
    }

    #[test]
    fn groups_and_accounts_are_different_numbers() {
        let taker = order(1, 5, StpMode::ExpireTaker);
        assert_eq!(meeting(&taker, &order(5, 0, StpMode::None)), Meeting::Trade);
        assert_eq!(meeting(&taker, &order(2, 5, StpMode::None)), Meeting::ExpireTaker);
        let taker = order(5, 0, StpMode::ExpireTaker);
        assert_eq!(meeting(&taker, &order(1, 5, StpMode::None)), Meeting::Trade);
    }

    #[test]
    fn an_account_never_trades_with_itself() {
        for stp in [StpMode::None, StpMode::ExpireTaker] {
            assert_eq!(meeting(&order(1, 0, stp), &order(1, 0, StpMode::None)), Meeting::ExpireTaker);
            let moved_group = order(1, 5, StpMode::None);
            assert_eq!(meeting(&order(1, 0, stp), &moved_group), Meeting::ExpireTaker);
        }
    }

    #[test]
    fn without_a_mode_a_group_may_trade_within_itself() {
        assert_eq!(meeting(&order(1, 5, StpMode::None), &order(2, 5, StpMode::Decrement)), Meeting::Trade);
    }
}
