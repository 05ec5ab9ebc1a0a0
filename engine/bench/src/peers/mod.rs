//! Other engines from the public registry, each behind an adapter that turns the workload's messages into
//! its calls and its results into reports. Adapters take what they can from the engine and keep by order id
//! only what the engine does not tell, in tables that are made before the clock starts. Where an engine has
//! no modification, it is a cancellation and a new order; where it has no immediate orders, what is left is
//! cancelled at once.

#[cfg(feature = "peers")]
mod adapter; // what all adapters share
#[cfg(feature = "peers")]
mod answers; // the answers they give
#[cfg(feature = "peers")]
mod clob_engine; // clob-engine: map of prices, lists of orders
#[cfg(feature = "peers")]
mod ids; // tables by order id
#[cfg(feature = "peers")]
mod limitbook; // limitbook: map of prices, decimal numbers
#[cfg(feature = "peers")]
mod lobster; // lobster: map of prices, queues of slots
#[cfg(feature = "peers")]
mod matchcore; // matchcore: map of prices, queues with stale entries
#[cfg(feature = "peers")]
mod nanobook; // nanobook: map of prices, queues with tombstones
#[cfg(feature = "peers")]
mod obcore; // obcore: evaluates first, applies then
#[cfg(feature = "peers")]
mod orderbook_rs; // OrderBook-rs: for many threads
#[cfg(feature = "peers")]
mod rust_ob; // rust_ob: one sorted set of orders, decimal numbers
#[cfg(feature = "peers")]
mod rust_order_book; // rust-order-book: map of prices, queues of ids

use crate::contestant::Entrant;

/// All peers; none if they were not asked for when this was built.
pub(crate) fn peers() -> Vec<Entrant> {
    #[cfg(feature = "peers")]
    let peers = vec![
        matchcore::peer(),
        obcore::peer(),
        rust_ob::peer(),
        nanobook::peer(),
        limitbook::peer(),
        clob_engine::peer(),
        rust_order_book::peer(),
        lobster::peer(),
        orderbook_rs::peer(),
    ];
    #[cfg(not(feature = "peers"))]
    let peers = vec![];
    peers
}

#[cfg(all(test, feature = "peers"))]
mod tests {
    use super::*;
    use crate::contestant::{Flow, all_reports};
    use crate::oracle::report_hash;
    use crate::ours::Ours;
    use crate::scenario::{NORMAL, SCENARIOS, SEED};
    use crate::workload::generate;

    #[test]
    fn peers_agree_with_us_unless_it_is_known_why_not() {
        let flow = Flow::new(generate(&SCENARIOS[NORMAL], 10_000, SEED));
        let ours = report_hash(all_reports(&mut Ours::new(flow.commands.clone(), 1), &flow.messages));
        for peer in peers() {
            let theirs = report_hash(all_reports((peer.ready)(&flow).as_mut(), &flow.messages));
            assert_eq!(theirs == ours, peer.departs.is_none(), "{}", peer.name);
        }
    }
}
