//! New orders of every kind.

use super::{Draw, Numbers};
use crate::model::wire::{
    Command, HAS_DISPLAY, Terms, ask, command_flag, link, order_type, side, source, stp, tif, trigger,
};

const FAR: [i64; 7] = [0, -1, i64::MAX, i64::MAX / 2, i64::MIN, -3, 1];

impl Draw {
    pub(super) fn price(&self, numbers: &mut impl Numbers) -> i64 {
        // The middle is where orders meet.
        let middle = self.shape.prices / 2;
        if numbers.once_in(3) {
            numbers.within(1, self.shape.prices)
        } else {
            numbers.within(middle - 1, middle + 2)
        }
    }

    /// The first of some ids in a row: in turn, so that most are free again, or any.
    pub(super) fn new_ids(&mut self, numbers: &mut impl Numbers, how_many: i64) -> i64 {
        if numbers.once_in(10) {
            return numbers.within(1, self.shape.ids - how_many + 1);
        }
        let first = if self.last_id + how_many > self.shape.ids { 1 } else { self.last_id + 1 };
        self.last_id = first + how_many - 1;
        first
    }

    /// An id that may be open: rather one of the latest that could stay.
    pub(super) fn old_id(&self, numbers: &mut impl Numbers) -> i64 {
        let stayed = &self.stayed[self.book];
        if stayed.is_empty() || numbers.once_in(6) {
            return numbers.within(1, self.shape.ids);
        }
        let latest = stayed.len() - 1;
        stayed[latest - usize::try_from(numbers.below(stayed.len() as u64)).expect("small")]
    }

    /// A resting or taking order without trigger and links.
    pub(super) fn plain(&self, numbers: &mut impl Numbers) -> Command {
        let (kind, tif, flags) = numbers.one_of(&[
            (order_type::LIMIT, tif::GTC, 0),
            (order_type::LIMIT, tif::GTC, 0),
            (order_type::LIMIT, tif::GTC, 0),
            (order_type::LIMIT, tif::GTC, 0),
            (order_type::LIMIT, tif::DAY, 0),
            (order_type::LIMIT, tif::GTC, command_flag::POST_ONLY),
            (order_type::LIMIT, tif::IOC, 0),
            (order_type::LIMIT, tif::FOK, 0),
            (order_type::MARKET, tif::IOC, 0),
            (order_type::MARKET, tif::GTC, 0),
            (order_type::MARKET, tif::FOK, 0),
        ]);
        let mut order = Command {
            kind: ask::NEW,
            account: numbers.within(1, 4),
            group: numbers.one_of(&[0, 0, 1, 2]),
            side: numbers.one_of(&[side::BUY, side::SELL]),
            order_type: kind,
            tif,
            flags,
            stp: numbers.one_of(&[
                stp::NONE,
                stp::NONE,
                stp::EXPIRE_TAKER,
                stp::EXPIRE_MAKER,
                stp::EXPIRE_BOTH,
                stp::DECREMENT,
            ]),
            price: self.price(numbers),
            quantity: numbers.within(1, 9),
            ..Command::default()
        };
        if kind == order_type::MARKET && !numbers.once_in(3) {
            order.price = 0;
        }
        if matches!(tif, tif::GTC | tif::DAY) && kind == order_type::LIMIT {
            self.resting_terms(numbers, &mut order);
        } else if kind == order_type::MARKET && tif == tif::IOC && numbers.once_in(3) {
            order.quantity = 0;
            order.terms.budget = numbers.within(1, 90);
        }
        if numbers.once_in(10) && flags == 0 && order.quantity > 0 {
            order.terms.min_quantity = numbers.within(1, order.quantity);
        }
        if numbers.once_in(12) && order.quantity > 0 {
            order.flags |= command_flag::REDUCE_ONLY;
            order.terms.position_limit = numbers.within(0, 9);
        }
        order
    }

    fn resting_terms(&self, numbers: &mut impl Numbers, order: &mut Command) {
        match numbers.below(8) {
            5 => order.terms.flags = HAS_DISPLAY,
            6 | 7 => {
                order.terms.flags = HAS_DISPLAY;
                order.terms.display = numbers.within(1, 4);
            }
            _ => {}
        }
        self.maybe_expires(numbers, order);
    }

    fn maybe_expires(&self, numbers: &mut impl Numbers, order: &mut Command) {
        if numbers.once_in(8) {
            order.terms.expires = self.time + numbers.within(0, 25);
        }
    }

    /// An order that waits for a trigger.
    pub(super) fn triggered(&self, numbers: &mut impl Numbers) -> Command {
        let mut order = self.plain(numbers);
        if order.terms.budget > 0 {
            order.terms.budget = 0;
            order.quantity = numbers.within(1, 9);
        }
        order.terms.trigger_price = numbers.within(1, self.shape.prices);
        order.terms.trigger = numbers.one_of(&[
            trigger::STOP,
            trigger::STOP,
            trigger::TAKE_PROFIT,
            trigger::TRAILING,
            trigger::TRAILING_BPS,
        ]);
        match order.terms.trigger {
            trigger::TRAILING => order.terms.distance = numbers.within(1, 4),
            trigger::TRAILING_BPS => order.terms.distance = numbers.one_of(&[2500, 500, 5000, 9999, 1]),
            _ => order.terms.source = numbers.one_of(&[source::LAST, source::LAST, source::QUOTE]),
        }
        if order.terms.distance > 0 {
            order.terms.step = numbers.within(1, 2);
        }
        self.maybe_expires(numbers, &mut order);
        order
    }

    /// With or without a trigger.
    pub(super) fn any_order(&self, numbers: &mut impl Numbers) -> Command {
        if numbers.once_in(3) { self.triggered(numbers) } else { self.plain(numbers) }
    }

    /// A take-profit or stop-loss that follows the fills of its parent.
    pub(super) fn attached(&self, numbers: &mut impl Numbers, parent: &Command, id: i64) -> Command {
        let mut order = self.triggered(numbers);
        order.order_id = id;
        order.flags &= !command_flag::REDUCE_ONLY;
        order.account = parent.account;
        if !numbers.once_in(6) {
            order.side = side::BUY + side::SELL - parent.side;
        }
        let kept = order.terms;
        order.terms = Terms {
            link: link::ATTACHED,
            parent: parent.order_id,
            flags: 0,
            display: 0,
            min_quantity: 0,
            position_limit: 0,
            ..kept
        };
        order
    }

    /// Once in a while: a field, or a few, as they should not be.
    pub(super) fn spoil(&self, numbers: &mut impl Numbers, order: &mut Command) {
        if numbers.once_in(self.shape.wild) {
            self.spoil_field(numbers, order);
            while numbers.once_in(3) {
                self.spoil_field(numbers, order);
            }
        }
    }

    fn spoil_field(&self, numbers: &mut impl Numbers, order: &mut Command) {
        let far = numbers.one_of(&FAR);
        let other = numbers.within(-1, self.shape.ids);
        let terms = &mut order.terms;
        match numbers.below(21) {
            0 => order.price = far,
            1 => order.quantity = far,
            2 => order.tif = numbers.one_of(&[tif::GTC, tif::IOC, tif::FOK, tif::DAY]),
            3 => order.order_type = order_type::LIMIT + order_type::MARKET - order.order_type,
            4 => order.flags ^= command_flag::POST_ONLY,
            5 => order.flags ^= command_flag::REDUCE_ONLY,
            6 => (terms.flags, terms.display) = (HAS_DISPLAY, far),
            7 => terms.min_quantity = far,
            8 => terms.expires = far,
            9 => terms.budget = far,
            10 => terms.position_limit = far,
            11 => terms.trigger_price = far,
            12 => terms.distance = far,
            13 => terms.step = far,
            14 => terms.parent = other,
            15 => terms.partner = other,
            16 => terms.link = numbers.one_of(&[link::NONE, link::OCO, link::OTO, link::ATTACHED]),
            17 => terms.source ^= source::QUOTE,
            18 => {
                terms.trigger = numbers.one_of(&[
                    trigger::NONE,
                    trigger::STOP,
                    trigger::TAKE_PROFIT,
                    trigger::TRAILING,
                    trigger::TRAILING_BPS,
                ]);
            }
            19 => (terms.parent, terms.partner) = (order.order_id, order.order_id),
            _ => (order.quantity, order.price) = (i64::MAX / 2, far),
        }
    }
}
