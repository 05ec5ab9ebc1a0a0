//! What fills and ends of an order mean for its partner and its children.

use super::wire::{Event, event_flag, link, place, reason, said, trigger};
use super::{Model, News, Order};

impl Model {
    pub(super) fn tell(&mut self, news: &News) {
        match *news {
            News::Fill { id, partner, lots, to_the_end } => {
                self.end_partner(id, partner);
                self.cut_link(id);
                for child in self.children(id) {
                    self.fill_of_parent(child, lots, to_the_end);
                }
            }
            // What is left cannot fill it to the end; what is attached follows the fills that may still come.
            News::Reduced { id } => self.orphan(id, |child| child.terms.link == link::OTO),
            News::End { id, partner } => {
                self.end_partner(id, partner);
                self.orphan(id, |_| true);
            }
        }
    }

    /// Ends those children that still wait.
    fn orphan(&mut self, parent: i64, whom: impl Fn(&Order) -> bool) {
        for child in self.children(parent) {
            if self.find(child).is_some_and(|child| child.place == place::WAITING && whom(child)) {
                self.end(child, reason::PARENT_ENDED);
            }
        }
    }

    /// Orders that still depend on a parent, in order of entry.
    fn children(&self, parent: i64) -> Vec<i64> {
        self.by_priority(|order| {
            let depends = order.place == place::WAITING || order.is_attached();
            order.terms.parent == parent && depends && !order.queued
        })
    }

    /// The partner ends if it still names the order.
    pub(super) fn end_partner(&mut self, id: i64, partner: i64) {
        if partner != 0 && self.find(partner).is_some_and(|other| other.terms.partner == id) {
            self.end(partner, reason::LINKED);
        }
    }

    pub(super) fn cut_link(&mut self, id: i64) {
        if let Some(order) = self.find_mut(id) {
            order.terms.partner = 0;
        }
    }

    fn fill_of_parent(&mut self, child: i64, lots: i64, to_the_end: bool) {
        let seq = self.next_seq();
        let order = self.find_mut(child).expect("a child is open");
        if order.terms.link == link::ATTACHED {
            order.leaves = order.leaves.saturating_add(lots);
            if order.place == place::WAITING {
                order.place = place::ARMED;
                order.priority = seq;
                self.newly_armed.push(child);
            }
            self.say_armed(child, lots);
        } else if to_the_end && order.terms.trigger == trigger::NONE {
            order.queued = true;
            self.activations.push_back(child);
        } else if to_the_end {
            order.place = place::ARMED;
            order.priority = seq;
            let total = order.leaves + order.executed;
            self.newly_armed.push(child);
            self.say_armed(child, total);
        }
    }

    fn say_armed(&mut self, id: i64, quantity: i64) {
        let order = self.find(id).expect("it has just been armed");
        let activated = order.event(said::ACTIVATED, reason::NONE);
        let priority = order.priority;
        self.emit(Event { quantity, priority, flags: event_flag::ARMED, ..activated });
    }
}
