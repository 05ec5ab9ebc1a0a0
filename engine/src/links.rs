//! Orders that depend on others: one cancels other, one triggers other, exits that follow their entry.

use crate::agenda::{Happened, News};
use crate::book::{Book, Step};
use crate::event::{Event, EventKind};
use crate::orders::{Order, flag};
use crate::parked::Parked;
use crate::types::{Link, Lots, OrderId, Place, Reason, TriggerKind};

impl Book {
    /// Does what a command has caused, until nothing is left to do.
    ///
    /// It ends, because an order goes live from where it was parked at most once.
    pub(crate) fn settle(&mut self, step: &mut Step<'_>) {
        loop {
            while let Some(news) = self.agenda.news.pop_front() {
                self.hear(news, step);
            }
            self.examine(step);
            if self.agenda.news.is_empty() && !self.activate_next(step) {
                self.agenda.is_busy = false;
                return;
            }
        }
    }

    fn hear(&mut self, News { order_id, partner, what }: News, step: &mut Step<'_>) {
        self.end_partner(order_id, partner, step);
        match what {
            Happened::Filled { lots, whole } => {
                self.cut_link(order_id);
                for child in self.parked.children(order_id) {
                    self.follow_fill(child, lots, whole, step);
                }
            }
            Happened::Reduced => self.orphan(order_id, |child| !child.is_attached(), step),
            Happened::Ended => self.orphan(order_id, |_| true, step),
        }
    }

    /// Ends the children that still wait for an order and can no longer get what they wait for.
    fn orphan(&mut self, parent: OrderId, whom: impl Fn(&Parked) -> bool, step: &mut Step<'_>) {
        for child in self.parked.children(parent) {
            let waits = self
                .parked
                .get(child)
                .is_some_and(|child| child.place == Place::Waiting && !child.queued && whom(child));
            if waits {
                self.end(child, Reason::ParentEnded, step);
            }
        }
    }

    /// Ends the partner of `order_id`, if it is open and names that order too.
    pub(crate) fn end_partner(&mut self, order_id: OrderId, partner: OrderId, step: &mut Step<'_>) {
        if partner.is_some() && self.partner_of(partner) == Some(order_id) {
            self.end(partner, Reason::Linked, step);
        }
    }

    /// The partner an open order names; none if the order is not open.
    pub(crate) fn partner_of(&self, order_id: OrderId) -> Option<OrderId> {
        let resting = self.find(order_id).map(|slot| self.partner(self.order(slot)));
        resting.or_else(|| self.parked.get(order_id).map(|parked| parked.terms.partner))
    }

    fn cut_link(&mut self, order_id: OrderId) {
        if let Some(slot) = self.find(order_id) {
            self.forget_partner(slot);
        }
    }

    /// A parent was filled: its exits grow and are armed, other children go live once it is filled whole.
    fn follow_fill(&mut self, child: OrderId, lots: Lots, whole: bool, step: &mut Step<'_>) {
        let Some(parked) = self.parked.get(child) else { return };
        match (parked.terms.link, parked.place) {
            (Link::Attached, Place::Armed) => {
                self.change_parked(child, |parked| grow(&mut parked.order, lots));
                self.watch_unless_new(child);
                self.emit_activated(child, lots, step);
            }
            (Link::Attached, _) => {
                self.arm(child, lots);
                self.emit_activated(child, lots, step);
            }
            (Link::Oto, Place::Waiting) if whole && !parked.queued => {
                if parked.terms.trigger == TriggerKind::None {
                    self.change_parked(child, |parked| parked.queued = true);
                    self.agenda.activate(child);
                } else {
                    let total = parked.order.leaves + parked.order.executed;
                    self.arm(child, Lots::ZERO);
                    self.emit_activated(child, total, step);
                }
            }
            _ => {}
        }
    }

    /// From waiting to armed; `settle` examines it before it is watched.
    fn arm(&mut self, child: OrderId, lots: Lots) {
        let priority = self.next_seq();
        self.change_parked(child, |parked| {
            parked.place = Place::Armed;
            grow(&mut parked.order, lots);
            parked.order.priority = priority;
        });
        self.agenda.examine(child);
    }

    fn watch_unless_new(&mut self, order_id: OrderId) {
        if !self.agenda.armed.contains(&order_id) {
            self.watch(order_id);
        }
    }

    fn emit_activated(&mut self, child: OrderId, quantity: Lots, step: &mut Step<'_>) {
        if let Some(parked) = self.parked.get(child) {
            let order = parked.order;
            let activated = Event {
                quantity,
                priority: order.priority,
                flags: Event::ARMED,
                ..Event::about(&order, EventKind::Activated, Reason::None)
            };
            self.emit(step, activated);
        }
    }

    /// Says that an order has ended with lots left, to the market and to those who depend on it.
    pub(crate) fn emit_end(&mut self, order: &Order, partner: OrderId, reason: Reason, step: &mut Step<'_>) {
        self.emit(step, Event::cancelled(order, order.leaves, reason));
        self.report_end(order, partner);
    }

    /// Tells those who depend on an order that lots were taken off it.
    pub(crate) fn report_reduction(&mut self, order: &Order) {
        if self.parked.has_children(order.order_id) {
            self.agenda.reduced(order.order_id);
        }
    }

    /// Tells those who depend on an order that it has ended.
    pub(crate) fn report_end(&mut self, order: &Order, partner: OrderId) {
        if order.is(flag::WATCHED) || partner.is_some() || self.parked.has_children(order.order_id) {
            self.agenda.ended(order.order_id, partner);
        }
    }
}

/// Adds what a parent traded. Only a parent's id used again could exceed 64 bits.
fn grow(order: &mut Order, lots: Lots) {
    order.leaves = Lots(order.leaves.0.saturating_add(lots.0));
}
