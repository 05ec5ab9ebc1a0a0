//! Taking liquidity: best price first, oldest order first, never against oneself.

use crate::book::{Book, Step};
use crate::event::{Event, EventKind};
use crate::orders::Order;
use crate::types::{Lots, Reason, Side, StpMode, Ticks};

/// Why a taker went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing of it is left: traded, prevented or cancelled.
    Done,
    /// The other side is empty.
    NoLiquidity,
    /// The next price is beyond its limit.
    PriceLimit,
}

/// What happens when a taker meets a maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meeting {
    Trade,
    ExpireTaker,
    ExpireMaker,
    ExpireBoth,
    Decrement,
}

/// Two orders belong together when they share the account, or the group; a group number is never
/// compared with an account number. The taker's mode decides what happens then.
fn meeting(taker: &Order, maker: &Order) -> Meeting {
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

/// Whether an order may trade at `price`; no limit means any price.
fn crosses(side: Side, limit: Option<Ticks>, price: Ticks) -> bool {
    limit.is_none_or(|limit| side.reaches(limit, price))
}

impl Book {
    /// Matches `taker` against the other side until it is done or may go no further.
    pub(crate) fn take(&mut self, taker: &mut Order, limit: Option<Ticks>, step: &mut Step<'_>) -> Stop {
        let makers = taker.side.opposite();
        while !taker.leaves.is_zero() {
            let Some(level_id) = self.ladder(makers).best() else { return Stop::NoLiquidity };
            let level = self.ladder(makers).level(level_id);
            if !crosses(taker.side, limit, level.price) {
                return Stop::PriceLimit;
            }
            let slot = level.head;
            match meeting(taker, self.order(slot)) {
                Meeting::Trade => self.trade(taker, slot, step),
                Meeting::ExpireTaker => self.expire_taker(taker, step),
                Meeting::ExpireMaker => self.expire_maker(slot, step),
                Meeting::ExpireBoth => {
                    self.expire_maker(slot, step);
                    self.expire_taker(taker, step);
                }
                Meeting::Decrement => self.decrement(taker, slot, step),
            }
        }
        Stop::Done
    }

    /// Whether `take` would trade all of `taker`, without changing anything.
    pub(crate) fn can_fill(&self, taker: &Order, limit: Option<Ticks>) -> bool {
        let mut missing = taker.leaves;
        for (_, level) in self.ladder(taker.side.opposite()).iter() {
            if !crosses(taker.side, limit, level.price) {
                return false;
            }
            for slot in self.queue(level.head) {
                let maker = self.order(slot);
                match meeting(taker, maker) {
                    Meeting::Trade if maker.leaves >= missing => return true,
                    Meeting::Trade => missing -= maker.leaves,
                    Meeting::ExpireMaker => {}
                    Meeting::ExpireTaker | Meeting::ExpireBoth | Meeting::Decrement => return false,
                }
            }
        }
        false
    }

    fn trade(&mut self, taker: &mut Order, slot: u32, step: &mut Step<'_>) {
        let quantity = taker.leaves.min(self.order(slot).leaves);
        let maker = self.consume(slot, quantity);
        taker.leaves -= quantity;
        taker.executed += quantity;
        self.state.last_price = maker.price;
        let trade = Event {
            price: maker.price,
            quantity,
            maker_order_id: maker.order_id,
            maker_account: maker.account,
            maker_leaves: maker.leaves,
            ..Event::about(taker, EventKind::Trade, Reason::None)
        };
        self.emit(step, trade);
    }

    fn expire_taker(&mut self, taker: &mut Order, step: &mut Step<'_>) {
        self.emit(step, Event::cancelled(taker, taker.leaves, Reason::SelfTradePrevention));
        taker.leaves = Lots::ZERO;
    }

    fn expire_maker(&mut self, slot: u32, step: &mut Step<'_>) {
        let maker = self.remove(slot);
        self.emit(step, Event::cancelled(&maker, maker.leaves, Reason::SelfTradePrevention));
    }

    /// Both shrink by the smaller open quantity; whoever reaches zero ends with a cancellation of nothing.
    fn decrement(&mut self, taker: &mut Order, slot: u32, step: &mut Step<'_>) {
        let prevented = taker.leaves.min(self.order(slot).leaves);
        let maker = self.consume(slot, prevented);
        taker.leaves -= prevented;
        taker.executed += prevented;
        let reduced = |order: &Order, flags: u8| Event {
            quantity: prevented,
            flags,
            ..Event::about(order, EventKind::Reduced, Reason::SelfTradePrevention)
        };
        self.emit(step, reduced(&maker, if maker.leaves.is_zero() { 0 } else { Event::RESTS }));
        self.emit(step, reduced(taker, 0));
        for order in [&maker, taker] {
            if order.leaves.is_zero() {
                self.emit(step, Event::cancelled(order, Lots::ZERO, Reason::SelfTradePrevention));
            }
        }
    }

    /// Takes lots from a maker, and the maker from the book with its last lot; returns it as it is now.
    fn consume(&mut self, slot: u32, lots: Lots) -> Order {
        if lots < self.order(slot).leaves {
            return self.shrink(slot, lots, Lots::ZERO);
        }
        let mut maker = self.remove(slot);
        maker.leaves -= lots;
        maker.executed += lots;
        maker
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
