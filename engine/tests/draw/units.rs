//! What is drawn at one time: single commands, and orders that belong together.

use super::{Draw, Numbers};
use crate::model::wire::{Command, ask, command_flag, link, order_type, phase, reason, side, tif, trigger};

impl Draw {
    /// Adds one or several commands.
    pub(crate) fn unit(&mut self, numbers: &mut impl Numbers) {
        self.book = usize::from(numbers.once_in(6));
        if self.phases[self.book] != phase::OPEN && numbers.once_in(4) {
            return self.phase(numbers, phase::OPEN);
        }
        match numbers.below(100) {
            0..30 => self.single(numbers, Self::plain),
            30..42 => self.single(numbers, Self::triggered),
            42..50 => self.cancel(numbers),
            50..64 => self.amend(numbers),
            64..70 => self.oco(numbers),
            70..76 => self.oto(numbers),
            76..85 => self.bracket(numbers),
            85..88 => self.two_children(numbers),
            88..90 => self.mass_cancel(numbers),
            90..93 => {
                let reached = numbers.one_of(&[
                    phase::OPEN,
                    phase::HALTED,
                    phase::PRE_OPEN,
                    phase::AUCTION,
                    phase::CANCEL_ONLY,
                    phase::CLOSED,
                ]);
                self.phase(numbers, reached);
            }
            93..97 => self.auction(numbers),
            _ => {
                self.time += numbers.within(0, 20);
                self.add(numbers, Command { kind: ask::TIME, ..Command::default() });
            }
        }
    }

    fn single<N: Numbers>(&mut self, numbers: &mut N, drawn: impl FnOnce(&Self, &mut N) -> Command) {
        let order = Command { order_id: self.new_ids(numbers, 1), ..drawn(self, numbers) };
        self.order(numbers, order);
    }

    fn order(&mut self, numbers: &mut impl Numbers, mut order: Command) {
        self.spoil(numbers, &mut order);
        self.add(numbers, order);
        let rests = order.order_type == order_type::LIMIT && matches!(order.tif, tif::GTC | tif::DAY);
        if rests || order.terms.trigger != trigger::NONE || order.terms.parent != 0 {
            let stayed = &mut self.stayed[self.book];
            stayed.push(order.order_id);
            stayed.drain(..stayed.len().saturating_sub(10));
        }
    }

    fn cancel(&mut self, numbers: &mut impl Numbers) {
        let cancel = Command {
            kind: ask::CANCEL,
            order_id: self.old_id(numbers),
            account: numbers.one_of(&[0, 0, 1, 2, 3, 4]),
            reason: numbers.one_of(&[reason::NONE, reason::OPERATOR, reason::MAINTENANCE]),
            ..Command::default()
        };
        self.add(numbers, cancel);
    }

    fn amend(&mut self, numbers: &mut impl Numbers) {
        let mut amend = Command {
            kind: ask::AMEND,
            order_id: self.old_id(numbers),
            account: numbers.one_of(&[0, 0, 0, 1, 2, 3, 4]),
            ..Command::default()
        };
        if !numbers.once_in(3) {
            amend.price = self.price(numbers);
        }
        if !numbers.once_in(3) {
            amend.quantity = numbers.within(1, 12);
        }
        if numbers.once_in(3) {
            amend.group = self.price(numbers);
        }
        if numbers.once_in(self.shape.wild / 3) {
            let far = numbers.one_of(&[-1, i64::MAX, i64::MIN, i64::MAX / 2, 4000]);
            match numbers.below(3) {
                0 => amend.price = far,
                1 => amend.quantity = far,
                _ => amend.group = far,
            }
        }
        self.add(numbers, amend);
    }

    fn mass_cancel(&mut self, numbers: &mut impl Numbers) {
        let cancel = Command {
            kind: ask::MASS_CANCEL,
            account: numbers.one_of(&[1, 2, 3, 4, 1, 2, 3, 0]),
            side: numbers.one_of(&[side::BUY, side::SELL, 0]),
            reason: numbers.one_of(&[reason::NONE, reason::OPERATOR]),
            ..Command::default()
        };
        self.add(numbers, cancel);
    }

    fn phase(&mut self, numbers: &mut impl Numbers, reached: u8) {
        self.phases[self.book] = reached;
        let change = Command {
            kind: ask::PHASE,
            phase: reached,
            account: numbers.one_of(&[0, 1]),
            reason: numbers.one_of(&[reason::NONE, reason::NONE, reason::MAINTENANCE]),
            price: if numbers.once_in(3) { self.price(numbers) } else { 0 },
            flags: if numbers.once_in(40) { command_flag::CANCEL_RESTING } else { 0 },
            ..Command::default()
        };
        self.add(numbers, change);
    }

    /// A call phase in which orders gather, and its end.
    fn auction(&mut self, numbers: &mut impl Numbers) {
        let call = numbers.one_of(&[phase::AUCTION, phase::PRE_OPEN]);
        self.phase(numbers, call);
        for _ in 0..numbers.within(2, 9) {
            self.single(numbers, Self::any_order);
        }
        self.phase(numbers, phase::OPEN);
    }

    fn oco(&mut self, numbers: &mut impl Numbers) {
        let first = self.new_ids(numbers, 2);
        let (mut legs, same_side) = ([self.any_order(numbers), self.any_order(numbers)], !numbers.once_in(3));
        if same_side {
            legs[1].side = legs[0].side;
        }
        for (mut leg, id, partner) in [(legs[0], first, first + 1), (legs[1], first + 1, first)] {
            leg.order_id = id;
            // Now and then one knows nothing of the other.
            if !numbers.once_in(8) {
                (leg.terms.link, leg.terms.partner) = (link::OCO, partner);
            }
            if leg.terms.budget > 0 {
                (leg.terms.budget, leg.quantity) = (0, 3);
            }
            self.order(numbers, leg);
        }
    }

    fn child(&self, numbers: &mut impl Numbers, id: i64, parent: i64, partner: i64) -> Command {
        let mut child = self.any_order(numbers);
        child.order_id = id;
        (child.terms.link, child.terms.parent, child.terms.partner) = (link::OTO, parent, partner);
        if child.terms.budget > 0 {
            (child.terms.budget, child.quantity) = (0, 3);
        }
        child
    }

    fn oto(&mut self, numbers: &mut impl Numbers) {
        let first = self.new_ids(numbers, 2);
        let child = self.child(numbers, first, first + 1, 0);
        self.order(numbers, child);
        self.parent(numbers, first + 1);
    }

    fn two_children(&mut self, numbers: &mut impl Numbers) {
        let first = self.new_ids(numbers, 3);
        let linked = i64::from(!numbers.once_in(4));
        let one = self.child(numbers, first, first + 2, (first + 1) * linked);
        let other = self.child(numbers, first + 1, first + 2, first * linked);
        self.order(numbers, one);
        self.order(numbers, other);
        self.parent(numbers, first + 2);
    }

    fn parent(&mut self, numbers: &mut impl Numbers, id: i64) {
        let parent = Command { order_id: id, ..self.any_order(numbers) };
        self.order(numbers, parent);
    }

    /// Take-profit and stop-loss, partners of each other, and then the order they protect.
    fn bracket(&mut self, numbers: &mut impl Numbers) {
        let first = self.new_ids(numbers, 3);
        let order = if numbers.once_in(6) { self.triggered(numbers) } else { self.plain(numbers) };
        let parent = Command { order_id: first + 2, ..order };
        for (id, partner) in [(first, first + 1), (first + 1, first)] {
            let mut exit = self.attached(numbers, &parent, id);
            exit.terms.partner = partner;
            self.order(numbers, exit);
        }
        self.order(numbers, parent);
    }
}
