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
    pub(crate) news: VecDeque<News>,
    /// Trade prices that armed orders may care for.
    pub(crate) prices: Vec<Ticks>,
    /// Orders to be examined before they join the armed.
    pub(crate) armed: Vec<OrderId>,
    /// Orders about to go live.
    pub(crate) activations: VecDeque<OrderId>,
}

impl Agenda {
    pub(crate) fn is_empty(&self) -> bool {
        self.news.is_empty() && self.prices.is_empty() && self.armed.is_empty() && self.activations.is_empty()
    }

    pub(crate) fn filled(&mut self, order_id: OrderId, partner: OrderId, lots: Lots, whole: bool) {
        self.news.push_back(News { order_id, partner, what: Happened::Filled { lots, whole } });
    }

    pub(crate) fn reduced(&mut self, order_id: OrderId) {
        self.news.push_back(News { order_id, partner: OrderId::NONE, what: Happened::Reduced });
    }

    pub(crate) fn ended(&mut self, order_id: OrderId, partner: OrderId) {
        self.news.push_back(News { order_id, partner, what: Happened::Ended });
    }
}
