//! Orders that end at a given time, and the end of those whose time has come.

use std::collections::BTreeSet;

use crate::book::{Book, Step};
use crate::types::{Micros, OrderId, Reason};

/// Open orders by the time at which they end.
#[derive(Clone, Debug)]
pub(crate) struct Expiries {
    due: BTreeSet<(Micros, OrderId)>,
    /// The first of those times; far away where there is none.
    pub(crate) next: Micros,
}

impl Default for Expiries {
    fn default() -> Self {
        Self { due: BTreeSet::new(), next: Micros(i64::MAX) }
    }
}

impl Expiries {
    /// Notes an order's end; zero stands for none.
    pub(crate) fn insert(&mut self, expires: Micros, order_id: OrderId) {
        if expires.0 != 0 {
            self.due.insert((expires, order_id));
            self.next = self.next.min(expires);
        }
    }

    pub(crate) fn remove(&mut self, expires: Micros, order_id: OrderId) {
        if expires.0 != 0 && self.due.remove(&(expires, order_id)) && expires == self.next {
            self.next = self.due.first().map_or(Micros(i64::MAX), |&(first, _)| first);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn contains(&self, expires: Micros, order_id: OrderId) -> bool {
        self.due.contains(&(expires, order_id))
    }
}

impl Book {
    /// Ends every order whose time is not after the book's.
    pub(crate) fn expire_due(&mut self, step: &mut Step<'_>) {
        while let Some(&(expires, order_id)) = self.expiries.due.first()
            && expires <= step.time
        {
            self.end(order_id, Reason::Expired, step);
        }
    }
}
