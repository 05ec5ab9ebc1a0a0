//! Orders that are open but in no queue: they wait for a trigger or for a parent.

use crate::book::{Book, Step};
use crate::event::Event;
use crate::hash::parked_hash;
use crate::orders::{ById, Order, flag};
use crate::terms::Terms;
use crate::triggers::Triggers;
use crate::types::{Link, OrderId, OrderType, Place, Reason, TimeInForce};

/// A parked order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) order: Order,
    pub(crate) order_type: OrderType,
    pub(crate) tif: TimeInForce,
    /// As it came; of a trailing order, trigger price and the order's price are those of now.
    pub(crate) terms: Terms,
    /// `Armed` or `Waiting`.
    pub(crate) place: Place,
    /// It is about to go live; never so between commands.
    pub(crate) queued: bool,
}

impl Parked {
    pub(crate) fn share(&self) -> u128 {
        parked_hash(&self.order, self.place, self.order_type, self.tif, &self.terms)
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.terms.link == Link::Attached
    }
}

/// Parked orders, and who waits for what.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParkingLot {
    orders: ById<Parked>,
    /// Parents to their parked children.
    children: ById<Vec<OrderId>>,
    pub(crate) triggers: Triggers,
}

impl ParkingLot {
    pub(crate) fn len(&self) -> usize {
        self.orders.len()
    }

    pub(crate) fn get(&self, order_id: OrderId) -> Option<&Parked> {
        if self.orders.is_empty() { None } else { self.orders.get(&order_id) }
    }

    /// In no order that means anything: sort what you make of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Parked> {
        self.orders.values()
    }

    /// Whether anybody waits for this order.
    pub(crate) fn has_children(&self, parent: OrderId) -> bool {
        !self.children.is_empty() && self.children.contains_key(&parent)
    }

    /// Those who wait for this order, or whose quantity follows it, in order of entry.
    pub(crate) fn children(&self, parent: OrderId) -> Vec<OrderId> {
        let mut found = self.children.get(&parent).cloned().unwrap_or_default();
        found.sort_by_key(|child| self.get(*child).map(|parked| parked.order.priority));
        found
    }

    /// How many parked orders name a parent (for `check`).
    pub(crate) fn children_count(&self) -> usize {
        self.children.values().map(Vec::len).sum()
    }
}

impl Book {
    /// Parks an order; it is not yet among those whose triggers are watched.
    pub(crate) fn park(&mut self, parked: Parked) {
        let (order_id, terms) = (parked.order.order_id, parked.terms);
        self.orders_hash = self.orders_hash.wrapping_add(parked.share());
        self.expiries.insert(terms.expires, order_id);
        if terms.parent.is_some() {
            self.parked.children.entry(terms.parent).or_default().push(order_id);
            // A parent that rests already must report its fills.
            if let Some(slot) = self.find(terms.parent) {
                self.orders.node_mut(slot).order.flags |= flag::WATCHED;
            }
        }
        self.parked.orders.insert(order_id, parked);
    }

    /// Takes a parked order out.
    pub(crate) fn unpark(&mut self, order_id: OrderId) -> Option<Parked> {
        let parked = self.parked.orders.remove(&order_id)?;
        self.orders_hash = self.orders_hash.wrapping_sub(parked.share());
        self.expiries.remove(parked.terms.expires, order_id);
        self.parked.triggers.unwatch(&parked);
        if let Some(children) = self.parked.children.get_mut(&parked.terms.parent) {
            children.retain(|child| *child != order_id);
            if children.is_empty() {
                self.parked.children.remove(&parked.terms.parent);
            }
        }
        Some(parked)
    }

    /// Changes a parked order, which is not watched while that happens; returns it as it is then.
    pub(crate) fn change_parked(
        &mut self,
        order_id: OrderId,
        change: impl FnOnce(&mut Parked),
    ) -> Option<Parked> {
        let parked = self.parked.orders.get_mut(&order_id)?;
        self.parked.triggers.unwatch(parked);
        let before = parked.share();
        change(parked);
        self.orders_hash = self.orders_hash.wrapping_sub(before).wrapping_add(parked.share());
        Some(parked.clone())
    }

    /// From here on the order's trigger is watched.
    pub(crate) fn watch(&mut self, order_id: OrderId) {
        if let Some(parked) = self.parked.orders.get(&order_id) {
            self.parked.triggers.watch(parked);
        }
    }

    /// Ends an open order, resting or parked, and says so; nothing if it is not open.
    pub(crate) fn end(&mut self, order_id: OrderId, reason: Reason, step: &mut Step<'_>) {
        if let Some(slot) = self.find(order_id) {
            self.index.remove(order_id, &self.orders);
            self.end_unindexed(slot, reason, step);
        } else if let Some(parked) = self.unpark(order_id) {
            self.emit_end(&parked.order, parked.terms.partner, reason, step);
        }
    }

    /// Ends a resting order that is out of the index, and says so.
    #[inline(always)]
    pub(crate) fn end_unindexed(&mut self, slot: u32, reason: Reason, step: &mut Step<'_>) {
        let order = self.unlink(slot);
        self.emit(step, Event::cancelled(&order, order.leaves, reason));
        // Most orders have nothing that must be looked after.
        if order.is(flag::EXTRA | flag::WATCHED) {
            let extra = self.take_extra(&order);
            self.report_end(&order, extra.partner);
        }
    }
}
