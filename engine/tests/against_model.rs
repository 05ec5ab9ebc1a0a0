//! Random command sequences against a naive model: the engine must say the same, event by event, and
//! keep its invariants after every command.

mod model;

use model::Model;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use tradeengine::{
    AccountId, Action, Amendment, BookState, Command, CommandId, Engine, EventKind, GroupId, InstrumentId,
    LevelTotal, Lots, Micros, NewOrder, OrderId, OrderType, Reason, Side, StpMode, Ticks, TimeInForce,
    encode_command, encode_resting,
};

const BOOKS: [InstrumentId; 2] = [InstrumentId(1), InstrumentId(7)];

/// Six prices, a dozen orders, four accounts and two groups: everything collides all the time.
fn price() -> impl Strategy<Value = Ticks> {
    prop_oneof![60 => 1..=6_i64, 1 => Just(0), 1 => Just(-1), 1 => Just(i64::MAX)].prop_map(Ticks)
}

fn quantity() -> impl Strategy<Value = Lots> {
    let extreme = prop_oneof![Just(0), Just(-3), Just(i64::MIN), Just(i64::MAX), Just(i64::MAX / 2)];
    prop_oneof![40 => 1..=9_i64, 1 => extreme].prop_map(Lots)
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn stp() -> impl Strategy<Value = StpMode> {
    prop_oneof![
        Just(StpMode::None),
        Just(StpMode::ExpireTaker),
        Just(StpMode::ExpireMaker),
        Just(StpMode::ExpireBoth),
        Just(StpMode::Decrement)
    ]
}

fn shape() -> impl Strategy<Value = (OrderType, TimeInForce, bool)> {
    use OrderType::{Limit, Market};
    use TimeInForce::{Fok, Gtc, Ioc};
    prop_oneof![
        8 => Just((Limit, Gtc, false)),
        2 => Just((Limit, Gtc, true)),
        2 => Just((Limit, Ioc, false)),
        2 => Just((Limit, Fok, false)),
        1 => Just((Market, Ioc, false)),
        1 => Just((Market, Gtc, false)),
        1 => Just((Market, Fok, false)),
        1 => Just((Limit, Fok, true)),
    ]
}

fn new_order() -> impl Strategy<Value = Action> {
    let who = (1..=12_i64, 1..=4_i64, 0..=2_i64);
    (who, side(), shape(), stp(), prop_oneof![9 => price(), 1 => Just(Ticks(0))], quantity()).prop_map(
        |((order, account, group), side, (order_type, tif, post_only), stp, price, quantity)| {
            Action::New(NewOrder {
                order_id: OrderId(order),
                account: AccountId(account),
                stp_group: GroupId(group),
                side,
                order_type,
                tif,
                post_only,
                stp,
                price,
                quantity,
            })
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let order = || (1..=12_i64).prop_map(OrderId);
    let account = || prop_oneof![2 => Just(0), 5 => 1..=4_i64].prop_map(AccountId);
    let kept = || prop_oneof![1 => Just(Ticks(0)), 2 => price()];
    let total = || prop_oneof![1 => Just(Lots(0)), 2 => quantity()];
    let reason = || prop_oneof![Just(Reason::None), Just(Reason::Operator), Just(Reason::Maintenance)];
    prop_oneof![
        60 => new_order(),
        12 => (order(), account(), reason())
            .prop_map(|(order_id, account, reason)| Action::Cancel { order_id, account, reason }),
        24 => (order(), account(), kept(), total()).prop_map(|(order_id, account, price, quantity)| {
            Action::Amend(Amendment { order_id, account, price, quantity })
        }),
        1 => (account(), reason(), any::<bool>())
            .prop_map(|(account, reason, cancel_resting)| Action::Halt { account, reason, cancel_resting }),
        4 => (account(), reason()).prop_map(|(account, reason)| Action::Resume { account, reason }),
    ]
}

fn command() -> impl Strategy<Value = (usize, i64, Action)> {
    (prop_oneof![4 => Just(0_usize), 1 => Just(1)], -2..=50_i64, action())
}

/// A copy of the depth, kept up with level changes only, as a feed's reader would.
fn follow(copy: &mut Vec<LevelTotal>, changes: Vec<LevelTotal>) {
    for change in changes {
        copy.retain(|level| (level.side, level.price) != (change.side, change.price));
        if change.quantity.0 > 0 {
            copy.push(change);
        }
    }
}

fn sorted(mut levels: Vec<LevelTotal>) -> Vec<LevelTotal> {
    levels.sort();
    levels
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_says_what_the_model_says(commands in prop::collection::vec(command(), 1..120)) {
        let mut engine = Engine::new();
        let mut models = [Model::default(), Model::default()];
        let mut depths = [Vec::new(), Vec::new()];
        for instrument in BOOKS {
            engine.add_book(instrument, BookState::default()).unwrap();
        }
        let mut command_id = 0;
        for (which, time, action) in commands {
            command_id += 1;
            let (instrument, model) = (BOOKS[which], &mut models[which]);
            let command = Command { instrument, command_id: CommandId(command_id), time: Micros(time), action };

            let events = engine.apply(&encode_command(&command)).unwrap();

            prop_assert_eq!(events, model.execute(&command));
            engine.check().unwrap();
            let state = engine.state(instrument).unwrap();
            prop_assert_eq!(
                (state.seq.0, state.last_time.0, state.last_price.0, state.halted),
                (model.seq, model.last_time, model.last_price, model.halted)
            );
            let orders = engine.open_orders(instrument).unwrap();
            prop_assert_eq!(&orders, &model.orders);
            let bids = orders.iter().filter(|order| order.side == Side::Buy).map(|order| order.price).max();
            let asks = orders.iter().filter(|order| order.side == Side::Sell).map(|order| order.price).min();
            prop_assert!(bids.zip(asks).is_none_or(|(bid, ask)| bid < ask));
            follow(&mut depths[which], engine.level_changes());
            let depth = engine.depth(instrument, usize::MAX).unwrap();
            prop_assert_eq!(sorted(depths[which].clone()), sorted(depth));

            let mut restored = Engine::new();
            restored.restore(instrument, &encode_resting(&orders), state).unwrap();
            restored.check().unwrap();
            prop_assert_eq!(restored.state_hash(instrument).unwrap(), engine.state_hash(instrument).unwrap());
        }
    }

    #[test]
    fn any_cut_into_batches_gives_the_same_events(
        commands in prop::collection::vec(command(), 1..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let records: Vec<[u8; 72]> = commands
            .iter()
            .enumerate()
            .map(|(number, &(which, time, action))| {
                let command_id = CommandId(i64::try_from(number).unwrap() + 1);
                encode_command(&Command { instrument: BOOKS[which], command_id, time: Micros(time), action })
            })
            .collect();
        let run = |batches: &[&[[u8; 72]]]| {
            let mut engine = Engine::new();
            for instrument in BOOKS {
                engine.add_book(instrument, BookState::default()).unwrap();
            }
            let events: Vec<_> =
                batches.iter().flat_map(|batch| engine.apply(batch.as_flattened()).unwrap()).collect();
            (events, BOOKS.map(|instrument| engine.state_hash(instrument).unwrap()))
        };
        let (head, tail) = records.split_at(cut.index(records.len()));

        prop_assert_eq!(run(&[head, tail]), run(&[&records]));
    }
}

#[test]
fn the_sequences_reach_every_kind_and_reason() {
    let mut seen = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..400 {
        let commands = prop::collection::vec(command(), 120).new_tree(&mut runner).unwrap().current();
        let mut model = Model::default();
        for (number, (_, time, action)) in (1..).zip(commands) {
            let command =
                Command { instrument: BOOKS[0], command_id: CommandId(number), time: Micros(time), action };
            seen.extend(model.execute(&command).iter().map(|event| (event.kind, event.reason)));
        }
    }

    let expected = BTreeSet::from([
        (EventKind::Accepted, Reason::None),
        (EventKind::Rejected, Reason::FokUnfillable),
        (EventKind::Rejected, Reason::WouldTake),
        (EventKind::Rejected, Reason::Halted),
        (EventKind::Rejected, Reason::DuplicateOrder),
        (EventKind::Rejected, Reason::Invalid),
        (EventKind::Trade, Reason::None),
        (EventKind::Cancelled, Reason::None),
        (EventKind::Cancelled, Reason::IocRemainder),
        (EventKind::Cancelled, Reason::NoLiquidity),
        (EventKind::Cancelled, Reason::PriceProtection),
        (EventKind::Cancelled, Reason::SelfTradePrevention),
        (EventKind::Cancelled, Reason::Operator),
        (EventKind::Cancelled, Reason::Maintenance),
        (EventKind::Cancelled, Reason::HaltCancel),
        (EventKind::Amended, Reason::None),
        (EventKind::CancelRejected, Reason::UnknownOrder),
        (EventKind::CancelRejected, Reason::NotOwner),
        (EventKind::AmendRejected, Reason::WouldTake),
        (EventKind::AmendRejected, Reason::Halted),
        (EventKind::AmendRejected, Reason::UnknownOrder),
        (EventKind::AmendRejected, Reason::NotOwner),
        (EventKind::AmendRejected, Reason::BelowExecuted),
        (EventKind::AmendRejected, Reason::Invalid),
        (EventKind::AmendRejected, Reason::NoChange),
        (EventKind::Reduced, Reason::SelfTradePrevention),
        (EventKind::Halted, Reason::None),
        (EventKind::Halted, Reason::Operator),
        (EventKind::Halted, Reason::Maintenance),
        (EventKind::Halted, Reason::AlreadyHalted),
        (EventKind::Resumed, Reason::None),
        (EventKind::Resumed, Reason::Operator),
        (EventKind::Resumed, Reason::Maintenance),
        (EventKind::Resumed, Reason::NotHalted),
    ]);
    assert_eq!(seen, expected);
}
