//! A book a child could check: one list of orders, searched from the start every time.
//! It shares the vocabulary of the engine and none of its code.

use std::cmp::Reverse;

use tradeengine::{
    AccountId, Action, Amendment, Command, CommandId, Event, EventKind, GroupId, InstrumentId, Lots, Micros,
    NewOrder, Order, OrderId, OrderType, Reason, Seq, Side, StpMode, Ticks, TimeInForce,
};

/// One book. `orders` is in the order in which places were given.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) orders: Vec<Order>,
    pub(crate) seq: i64,
    pub(crate) last_time: i64,
    pub(crate) last_price: i64,
    pub(crate) halted: bool,
}

/// A blank event, to be filled in.
fn event(kind: EventKind, reason: Reason) -> Event {
    Event {
        kind,
        reason,
        side: None,
        flags: 0,
        instrument: InstrumentId(0),
        seq: Seq(0),
        command_id: CommandId(0),
        order_id: OrderId(0),
        account: AccountId(0),
        maker_order_id: OrderId(0),
        maker_account: AccountId(0),
        price: Ticks(0),
        quantity: Lots(0),
        leaves: Lots(0),
        maker_leaves: Lots(0),
        priority: Seq(0),
        time: Micros(0),
    }
}

fn about(kind: EventKind, reason: Reason, order: &Order) -> Event {
    Event {
        side: Some(order.side),
        order_id: order.order_id,
        account: order.account,
        price: order.price,
        leaves: order.leaves,
        ..event(kind, reason)
    }
}

fn cancelled(order: &Order, reason: Reason) -> Event {
    Event { quantity: order.leaves, leaves: Lots(0), ..about(EventKind::Cancelled, reason, order) }
}

impl Model {
    pub(crate) fn execute(&mut self, command: &Command) -> Vec<Event> {
        self.last_time = self.last_time.max(command.time.0);
        let first = self.seq + 1;
        let mut events = match command.action {
            Action::New(new) => self.enter(&new, first),
            Action::Cancel { order_id, account, reason } => match self.owned(order_id, account) {
                Ok(place) => vec![cancelled(&self.orders.remove(place), reason)],
                Err(why) => vec![Event { order_id, account, ..event(EventKind::CancelRejected, why) }],
            },
            Action::Amend(asked) => self.amend(&asked, first),
            Action::Halt { account, reason, cancel_resting } => {
                let no_reason = self.halted && reason == Reason::None;
                self.halted = true;
                let reason = if no_reason { Reason::AlreadyHalted } else { reason };
                let mut events = vec![Event { account, ..event(EventKind::Halted, reason) }];
                if cancel_resting {
                    events.extend(self.orders.drain(..).map(|order| cancelled(&order, Reason::HaltCancel)));
                }
                events
            }
            Action::Resume { account, reason } => {
                let no_reason = !self.halted && reason == Reason::None;
                self.halted = false;
                let reason = if no_reason { Reason::NotHalted } else { reason };
                vec![Event { account, ..event(EventKind::Resumed, reason) }]
            }
        };
        for stamped in &mut events {
            self.seq += 1;
            stamped.seq = Seq(self.seq);
            stamped.instrument = command.instrument;
            stamped.command_id = command.command_id;
            stamped.time = Micros(self.last_time);
            let resting = self.orders.iter().find(|order| order.order_id == stamped.order_id);
            if let (Some(order), true) = (resting, is_refusal_of_change(stamped)) {
                stamped.side = Some(order.side);
                stamped.leaves = order.leaves;
            }
            if resting.is_some() && !matches!(stamped.kind, EventKind::Accepted | EventKind::Amended) {
                stamped.flags |= Event::RESTS;
            }
        }
        events
    }

    fn enter(&mut self, new: &NewOrder, seq: i64) -> Vec<Event> {
        let order = Order {
            order_id: new.order_id,
            account: new.account,
            stp_group: new.stp_group,
            side: new.side,
            post_only: new.post_only,
            stp: new.stp,
            price: new.price,
            leaves: new.quantity,
            executed: Lots(0),
            priority: Seq(seq),
            time: Micros(self.last_time),
        };
        let limit = (new.order_type == OrderType::Limit || new.price.0 != 0).then_some(new.price.0);
        if let Some(why) = self.why_not(new, &order, limit) {
            let rejected = about(EventKind::Rejected, why, &order);
            return vec![Event { quantity: new.quantity, leaves: Lots(0), ..rejected }];
        }
        let accepted = about(EventKind::Accepted, Reason::None, &order);
        let mut events = vec![Event { quantity: new.quantity, priority: Seq(seq), ..accepted }];
        let rest = self.take(order, limit, &mut events);
        if rest.leaves.0 > 0 {
            match (new.order_type, new.tif) {
                (OrderType::Limit, TimeInForce::Gtc) => self.orders.push(rest),
                (OrderType::Limit, _) => events.push(cancelled(&rest, Reason::IocRemainder)),
                (OrderType::Market, _) => {
                    let empty = !self.orders.iter().any(|order| order.side != rest.side);
                    let why = if empty { Reason::NoLiquidity } else { Reason::PriceProtection };
                    events.push(cancelled(&rest, why));
                }
            }
        }
        events
    }

    fn why_not(&self, new: &NewOrder, order: &Order, limit: Option<i64>) -> Option<Reason> {
        let passive = new.order_type == OrderType::Limit && new.tif == TimeInForce::Gtc;
        if self.orders.iter().any(|other| other.order_id == new.order_id) {
            Some(Reason::DuplicateOrder)
        } else if limit.is_some_and(|price| price <= 0)
            || new.quantity.0 <= 0
            || (new.post_only && !passive)
            || self.side_total(new.side) + i128::from(new.quantity.0) > i128::from(i64::MAX)
        {
            Some(Reason::Invalid)
        } else if self.halted {
            Some(Reason::Halted)
        } else if new.post_only && self.best_for(order, limit).is_some() {
            Some(Reason::WouldTake)
        } else if new.tif == TimeInForce::Fok && self.would_trade(*order, limit) != new.quantity {
            Some(Reason::FokUnfillable)
        } else {
            None
        }
    }

    fn amend(&mut self, asked: &Amendment, seq: i64) -> Vec<Event> {
        let place = match self.amendable(asked) {
            Ok(place) => place,
            Err(why) => {
                let &Amendment { order_id, account, price, quantity } = asked;
                return vec![Event {
                    order_id,
                    account,
                    price,
                    quantity,
                    ..event(EventKind::AmendRejected, why)
                }];
            }
        };
        let old = self.orders[place];
        let new = changed(&old, asked);
        if new.price == old.price && new.leaves < old.leaves {
            self.orders[place] = new;
            let amended = about(EventKind::Amended, Reason::None, &new);
            let quantity = Lots(new.leaves.0 + new.executed.0);
            return vec![Event { quantity, priority: new.priority, flags: Event::KEPT_PLACE, ..amended }];
        }
        self.orders.remove(place);
        let new = Order { priority: Seq(seq), time: Micros(self.last_time), ..new };
        let amended = about(EventKind::Amended, Reason::None, &new);
        let quantity = Lots(new.leaves.0 + new.executed.0);
        let mut events = vec![Event { quantity, priority: Seq(seq), ..amended }];
        let rest = self.take(new, Some(new.price.0), &mut events);
        if rest.leaves.0 > 0 {
            self.orders.push(rest);
        }
        events
    }

    fn amendable(&self, asked: &Amendment) -> Result<usize, Reason> {
        let place = self.owned(asked.order_id, asked.account)?;
        let old = self.orders[place];
        if asked.price.0 < 0 || asked.quantity.0 < 0 {
            return Err(Reason::Invalid);
        }
        let new = changed(&old, asked);
        let others = self.side_total(old.side) - i128::from(old.leaves.0);
        if others + i128::from(new.leaves.0) > i128::from(i64::MAX) {
            return Err(Reason::Invalid);
        }
        if self.halted {
            return Err(Reason::Halted);
        }
        if new.leaves.0 <= 0 {
            return Err(Reason::BelowExecuted);
        }
        if new == old {
            return Err(Reason::NoChange);
        }
        if old.post_only && self.best_for(&new, Some(new.price.0)).is_some() {
            return Err(Reason::WouldTake);
        }
        Ok(place)
    }

    /// How many lots `taker` would trade, if it were let in.
    fn would_trade(&self, taker: Order, limit: Option<i64>) -> Lots {
        let mut events = Vec::new();
        self.clone().take(taker, limit, &mut events);
        Lots(events.iter().filter(|event| event.kind == EventKind::Trade).map(|event| event.quantity.0).sum())
    }

    /// Trades `taker` as far as it may; returns it as it is then.
    fn take(&mut self, mut taker: Order, limit: Option<i64>, events: &mut Vec<Event>) -> Order {
        while taker.leaves.0 > 0 {
            let Some(place) = self.best_for(&taker, limit) else { break };
            let maker = self.orders[place];
            let quantity = Lots(taker.leaves.0.min(maker.leaves.0));
            let mode = match (taker.stp, related(&taker, &maker)) {
                (StpMode::None, _) if taker.account == maker.account => StpMode::ExpireTaker,
                (_, false) => StpMode::None,
                (mode, true) => mode,
            };
            match mode {
                StpMode::None => {
                    taker.leaves.0 -= quantity.0;
                    taker.executed.0 += quantity.0;
                    self.orders[place].executed.0 += quantity.0;
                    let maker_leaves = self.lower(place, quantity);
                    self.last_price = maker.price.0;
                    events.push(Event {
                        price: maker.price,
                        quantity,
                        maker_order_id: maker.order_id,
                        maker_account: maker.account,
                        maker_leaves,
                        ..about(EventKind::Trade, Reason::None, &taker)
                    });
                }
                StpMode::Decrement => {
                    taker.leaves.0 -= quantity.0;
                    taker.executed.0 += quantity.0;
                    self.orders[place].executed.0 += quantity.0;
                    let maker = Order { leaves: self.lower(place, quantity), ..maker };
                    for order in [&maker, &taker] {
                        let reduced = about(EventKind::Reduced, Reason::SelfTradePrevention, order);
                        events.push(Event { quantity, ..reduced });
                    }
                    for order in [&maker, &taker] {
                        if order.leaves.0 == 0 {
                            events.push(cancelled(order, Reason::SelfTradePrevention));
                        }
                    }
                }
                StpMode::ExpireTaker | StpMode::ExpireMaker | StpMode::ExpireBoth => {
                    if mode != StpMode::ExpireTaker {
                        events.push(cancelled(&self.orders.remove(place), Reason::SelfTradePrevention));
                    }
                    if mode != StpMode::ExpireMaker {
                        events.push(cancelled(&taker, Reason::SelfTradePrevention));
                        taker.leaves = Lots(0);
                    }
                }
            }
        }
        taker
    }

    /// Takes lots from a resting order; an order without lots leaves the list.
    fn lower(&mut self, place: usize, by: Lots) -> Lots {
        self.orders[place].leaves.0 -= by.0;
        let leaves = self.orders[place].leaves;
        if leaves.0 == 0 {
            self.orders.remove(place);
        }
        leaves
    }

    /// Where the order is that `taker` would meet first.
    fn best_for(&self, taker: &Order, limit: Option<i64>) -> Option<usize> {
        let makers = self.orders.iter().enumerate().filter(|(_, maker)| maker.side != taker.side);
        match taker.side {
            Side::Buy => {
                let (place, maker) = makers.min_by_key(|(place, maker)| (maker.price, *place))?;
                limit.is_none_or(|limit| maker.price.0 <= limit).then_some(place)
            }
            Side::Sell => {
                let (place, maker) = makers.max_by_key(|(place, maker)| (maker.price, Reverse(*place)))?;
                limit.is_none_or(|limit| maker.price.0 >= limit).then_some(place)
            }
        }
    }

    fn owned(&self, order_id: OrderId, account: AccountId) -> Result<usize, Reason> {
        let place = self.orders.iter().position(|order| order.order_id == order_id);
        match place {
            None => Err(Reason::UnknownOrder),
            Some(place) if account.0 == 0 || account == self.orders[place].account => Ok(place),
            Some(_) => Err(Reason::NotOwner),
        }
    }

    fn side_total(&self, side: Side) -> i128 {
        self.orders.iter().filter(|order| order.side == side).map(|order| i128::from(order.leaves.0)).sum()
    }
}

fn related(taker: &Order, maker: &Order) -> bool {
    let in_group = taker.stp_group != GroupId(0) && taker.stp_group == maker.stp_group;
    in_group || taker.account == maker.account
}

fn changed(order: &Order, asked: &Amendment) -> Order {
    Order {
        price: if asked.price.0 == 0 { order.price } else { asked.price },
        leaves: match asked.quantity.0 {
            0 => order.leaves,
            total => Lots(total - order.executed.0),
        },
        ..*order
    }
}

fn is_refusal_of_change(event: &Event) -> bool {
    matches!(event.kind, EventKind::CancelRejected | EventKind::AmendRejected)
}
