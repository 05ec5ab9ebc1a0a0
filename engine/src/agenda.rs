//! What a command has caused and not yet done; empty between commands.

use std::collections::VecDeque;

use crate::types::{Lots, OrderId, Ticks};

/// Something that happened to an order on which others depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) order_id: OrderId,
    /// The partner it named when it happened.
    pub(crate) partner: OrderId,
    pub(crate) what: Happened,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// It traded.
    Filled {
        /// How much.
        lots: Lots,
        /// Whether nothing is left of it.
        whole: bool,
    },
    /// Lots were taken off it without a trade.
    Reduced,
    /// It was refused, or ended other than by its last trade.
    Ended,
}

/// Lists of things to do, in the order in which they arose.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    /// Something was added since the last settlement.
    pub(crate) is_busy: bool,
    pub(crate) news: VecDeque<News>,
    /// Trade prices that armed orders may care for.
    pub(crate) prices: Vec<Ticks>,
    /// Orders to be examined before they join the armed.
    pub(crate) armed: Vec<OrderId>,
    /// Orders about to go live.
    pub(crate) activations: VecDeque<OrderId>,
}

impl Agenda {
    /// Whether nothing is left (for `check`).
    pub(crate) fn is_empty(&self) -> bool {
        let lists = self.news.is_empty() && self.prices.is_empty() && self.armed.is_empty();
        lists && self.activations.is_empty() && !self.is_busy
    }

    pub(crate) fn filled(&mut self, order_id: OrderId, partner: OrderId, lots: Lots, whole: bool) {
        self.tell(order_id, partner, Happened::Filled { lots, whole });
    }

    pub(crate) fn reduced(&mut self, order_id: OrderId) {
        self.tell(order_id, OrderId::NONE, Happened::Reduced);
    }

    pub(crate) fn ended(&mut self, order_id: OrderId, partner: OrderId) {
        self.tell(order_id, partner, Happened::Ended);
    }

    fn tell(&mut self, order_id: OrderId, partner: OrderId, what: Happened) {
        self.is_busy = true;
        self.news.push_back(News { order_id, partner, what });
    }

    /// A trade happened at a price that armed orders may care for.
    pub(crate) fn traded_at(&mut self, price: Ticks) {
        self.is_busy = true;
        self.prices.push(price);
    }

    /// An order is to be examined before it joins the armed.
    pub(crate) fn examine(&mut self, order_id: OrderId) {
        self.is_busy = true;
        self.armed.push(order_id);
    }

    /// An order is to go live.
    pub(crate) fn activate(&mut self, order_id: OrderId) {
        self.is_busy = true;
        self.activations.push_back(order_id);
    }
}
