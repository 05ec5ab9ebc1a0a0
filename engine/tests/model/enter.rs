//! New orders: checks, acceptance, going live.

use super::wire::{
    Command, Event, HAS_DISPLAY, command_flag, event_flag, link, order_type, phase, place, reason, said,
    source, stp, tif, trigger,
};
use super::{Model, News, Order, Terms, opposite};

/// The most slices an iceberg may have.
pub(super) const MAX_SLICES: i128 = 1000;

impl Model {
    pub(super) fn enter(&mut self, command: &Command) {
        let order = order_of(command);
        if let Err(why) = self.may_enter(command, &order) {
            let rejected = order.event(said::REJECTED, why);
            self.emit(Event { quantity: command.quantity, leaves: 0, ..rejected });
            if why != reason::DUPLICATE_ORDER {
                self.news.push_back(News::End { id: order.id, partner: order.terms.partner });
            }
            return;
        }
        let mut order = Order { priority: self.next_seq(), ..order };
        let flags = match order.place {
            place::ARMED => event_flag::ARMED,
            place::WAITING => event_flag::WAITING,
            _ => 0,
        };
        let accepted = order.event(said::ACCEPTED, reason::NONE);
        self.emit(Event { quantity: command.quantity, priority: order.priority, flags, ..accepted });
        let live = live_lots(command);
        if live < order.leaves {
            let cut = order.leaves - live;
            order.leaves = live;
            order.executed = cut;
            self.say_reduced(&order, cut, reason::REDUCE_ONLY);
        }
        order.terms.position_limit = 0;
        match order.place {
            place::RESTING => self.go_live(order),
            place::ARMED => {
                self.newly_armed.push(order.id);
                self.orders.push(order);
            }
            _ => self.orders.push(order),
        }
    }

    fn may_enter(&self, command: &Command, order: &Order) -> Result<(), u8> {
        if self.find(order.id).is_some() {
            return Err(reason::DUPLICATE_ORDER);
        }
        if !is_valid(command) || !self.has_room(order.side, command.quantity) {
            return Err(reason::INVALID);
        }
        let live = order.place == place::RESTING;
        let cannot_rest_untraded = order.kind == order_type::MARKET
            || matches!(order.tif, tif::IOC | tif::FOK)
            || order.post_only
            || order.terms.min_quantity > 0;
        match self.phase {
            phase::HALTED => return Err(reason::HALTED),
            phase::CANCEL_ONLY | phase::CLOSED => return Err(reason::WRONG_PHASE),
            phase::PRE_OPEN | phase::AUCTION if live && cannot_rest_untraded => {
                return Err(reason::WRONG_PHASE);
            }
            _ => {}
        }
        if order.terms.expires != 0 && order.terms.expires <= self.time {
            return Err(reason::EXPIRED);
        }
        let partner = order.terms.partner;
        let linked = match self.find(partner) {
            _ if partner == 0 => true,
            Some(other) => other.terms.partner == order.id,
            None => partner > order.id,
        };
        if !linked {
            return Err(reason::LINKED);
        }
        if command.flags & command_flag::REDUCE_ONLY != 0 && order.terms.position_limit == 0 {
            return Err(reason::REDUCE_ONLY);
        }
        if live && self.phase == phase::OPEN {
            return self.may_go_live(&Order { leaves: live_lots(command), ..order.clone() });
        }
        Ok(())
    }

    /// What an order that is about to take has promised.
    fn may_go_live(&self, order: &Order) -> Result<(), u8> {
        let opposite = self.first(opposite(order.side));
        if order.post_only && opposite.is_some_and(|maker| order.reaches(maker.price)) {
            return Err(reason::WOULD_TAKE);
        }
        if order.tif == tif::FOK && self.could_trade(order) < order.leaves {
            return Err(reason::FOK_UNFILLABLE);
        }
        if order.terms.min_quantity > 0 && self.could_trade(order) < order.terms.min_quantity {
            return Err(reason::MIN_QUANTITY);
        }
        Ok(())
    }

    /// Tries it on a copy. A meeting that prevention would stop ends the count; shrinking both is such a stop.
    fn could_trade(&self, order: &Order) -> i64 {
        let mut book = self.clone();
        book.events.clear();
        let stp = if order.stp == stp::DECREMENT { stp::EXPIRE_TAKER } else { order.stp };
        book.take(&mut Order { stp, ..order.clone() });
        book.events.iter().filter(|event| event.kind == said::TRADE).map(|event| event.quantity).sum()
    }

    /// The turn of a triggered or activated order.
    pub(super) fn activate(&mut self, id: i64) {
        let mut order = self.remove(id);
        order.priority = self.next_seq();
        let (kind, quantity) = match order.place {
            place::ARMED => (said::TRIGGERED, 0),
            _ => (said::ACTIVATED, order.leaves + order.executed),
        };
        self.emit(Event { quantity, priority: order.priority, ..order.event(kind, reason::NONE) });
        let refusal = self.may_go_live(&order).err();
        let overflow = (!self.has_room(order.side, order.leaves)).then_some(reason::INVALID);
        match refusal.or(overflow) {
            Some(why) => self.say_cancelled(&order, why),
            None => self.go_live(order),
        }
    }

    /// Takes if the book is open, and then rests or ends.
    pub(super) fn go_live(&mut self, mut order: Order) {
        order.place = place::RESTING;
        order.queued = false;
        if self.phase == phase::OPEN && self.take(&mut order) {
            return;
        }
        let empty = self.first(opposite(order.side)).is_none();
        match (order.kind, order.tif) {
            (order_type::MARKET, _) if empty => self.say_cancelled(&order, reason::NO_LIQUIDITY),
            (order_type::MARKET, _) => self.say_cancelled(&order, reason::PRICE_PROTECTION),
            (_, tif::IOC | tif::FOK) => self.say_cancelled(&order, reason::IOC_REMAINDER),
            _ => {
                order.terms = Terms {
                    flags: order.terms.flags,
                    display: order.terms.display,
                    expires: order.terms.expires,
                    partner: order.terms.partner,
                    ..Terms::default()
                };
                order.shown = if order.is_hidden() { 0 } else { order.leaves };
                if order.is_iceberg() {
                    self.show_slice(&mut order, false);
                }
                self.orders.push(order);
            }
        }
    }
}

/// The order as it is when it has just been accepted.
fn order_of(command: &Command) -> Order {
    let terms = command.terms;
    let place = match (terms.parent, terms.trigger) {
        (0, trigger::NONE) => place::RESTING,
        (0, _) => place::ARMED,
        _ => place::WAITING,
    };
    Order {
        id: command.order_id,
        account: command.account,
        group: command.group,
        side: command.side,
        kind: command.order_type,
        tif: command.tif,
        stp: command.stp,
        post_only: command.flags & command_flag::POST_ONLY != 0,
        price: command.price,
        leaves: if terms.link == link::ATTACHED || terms.budget != 0 { 0 } else { command.quantity },
        place,
        terms,
        ..Order::default()
    }
}

/// The lots with which it waits, is armed or goes live: a reduce-only order is cut to its position limit.
fn live_lots(command: &Command) -> i64 {
    let lots = order_of(command).leaves;
    if command.flags & command_flag::REDUCE_ONLY == 0 { lots } else { lots.min(command.terms.position_limit) }
}

fn is_valid(command: &Command) -> bool {
    let Terms { display, min_quantity, expires, budget, position_limit, parent, partner, .. } = command.terms;
    let limit = command.order_type == order_type::LIMIT;
    let post_only = command.flags & command_flag::POST_ONLY != 0;
    let reduce_only = command.flags & command_flag::REDUCE_ONLY != 0;
    let has_display = command.terms.flags & HAS_DISPLAY != 0;
    let has_trigger = command.terms.trigger != trigger::NONE;
    let link = command.terms.link;
    let can_rest = limit && matches!(command.tif, tif::GTC | tif::DAY);

    let slices = i128::from(display) * MAX_SLICES;
    let too_many_slices = display > 0 && i128::from(command.quantity) > slices;
    let market_ioc = !limit && command.tif == tif::IOC;
    let wrong = [
        command.price < i64::from(limit),
        if budget == 0 { command.quantity < 1 } else { command.quantity != 0 },
        post_only && (!can_rest || min_quantity != 0),
        has_display && (display < 0 || !can_rest || too_many_slices),
        min_quantity < 0 || min_quantity > command.quantity,
        budget < 0,
        budget > 0 && (!market_ioc || has_trigger || link != link::NONE || min_quantity != 0 || reduce_only),
        expires < 0,
        expires != 0 && !has_trigger && parent == 0 && !can_rest,
        !is_valid_trigger(&command.terms),
        link == link::OCO && (partner == 0 || parent != 0),
        matches!(link, link::OTO | link::ATTACHED) && parent == 0,
        link == link::NONE && (partner != 0 || parent != 0),
        [partner, parent].iter().any(|&other| other < 0 || other == command.order_id),
        link == link::ATTACHED && (!has_trigger || has_display || min_quantity != 0 || reduce_only),
        position_limit < 0 || (position_limit != 0 && !reduce_only),
    ];
    !wrong.contains(&true)
}

fn is_valid_trigger(terms: &Terms) -> bool {
    let Terms { trigger, source, trigger_price, distance, step, .. } = *terms;
    let largest = match trigger {
        trigger::NONE => return (source, trigger_price, distance, step) == (source::LAST, 0, 0, 0),
        trigger::STOP | trigger::TAKE_PROFIT => return trigger_price > 0 && distance == 0 && step == 0,
        trigger::TRAILING_BPS => 9_999,
        _ => i64::MAX,
    };
    trigger_price > 0 && source == source::LAST && (1..=largest).contains(&distance) && step >= 1
}
