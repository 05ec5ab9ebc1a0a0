//! The state hash: one number that two books share exactly when their states are the same.
//!
//! Every resting order is hashed to 128 bits over every field that can influence a later event, and the
//! book keeps the wrapping sum of those hashes: a change to one order costs one addition and one
//! subtraction, and the order of insertion does not matter (priority is a field). An order's time is left
//! out: time explains, and nothing the book does later depends on it. `state_hash` then mixes the sum
//! with the book's seq, last time, last price and halted flag.
//!
//! The hash is stored and compared after restarts and on other machines: it uses only wrapping 64-bit
//! arithmetic, and the constants below must never change. It finds mistakes; it is not cryptographic.

use crate::orders::Order;

/// Both halves of the 128-bit product, folded: a fast full-width mix.
pub(crate) const fn fold(left: u64, right: u64) -> u64 {
    let (high, low) = halves((left as u128) * (right as u128));
    high ^ low
}

#[expect(clippy::cast_possible_truncation, reason = "each half is meant to be cut off")]
const fn halves(wide: u128) -> (u64, u64) {
    ((wide >> 64) as u64, wide as u64)
}

/// Fractional bits of the square roots of 2, 3, 5, 7 and 11, 13, 17, 19: nothing up our sleeve.
const LANES: [[u64; 4]; 2] = [
    [0x6A09_E667_F3BC_C908, 0xBB67_AE85_84CA_A73B, 0x3C6E_F372_FE94_F82B, 0xA54F_F53A_5F1D_36F1],
    [0x510E_527F_ADE6_82D1, 0x9B05_688C_2B3E_6C1F, 0x1F83_D9AB_FB41_BD6B, 0x5BE0_CD19_137E_2179],
];

/// Hashes words in pairs, once per 64-bit lane.
fn digest<const PAIRS: usize>(words: [(u64, u64); PAIRS]) -> u128 {
    let lane = |keys: [u64; 4]| {
        let mixed = words.iter().fold(keys[0], |state, &(left, right)| {
            fold(left ^ keys[1], right ^ state) ^ state.rotate_left(23)
        });
        fold(mixed ^ keys[2], keys[3])
    };
    (u128::from(lane(LANES[0])) << 64) | u128::from(lane(LANES[1]))
}

/// The share of one order in the sum.
pub(crate) fn order_hash(order: &Order) -> u128 {
    let shape = u64::from(order.side.code())
        | (u64::from(order.post_only) << 8)
        | (u64::from(order.stp.code()) << 16);
    digest([
        (shape, order.order_id.0.cast_unsigned()),
        (order.account.0.cast_unsigned(), order.stp_group.0.cast_unsigned()),
        (order.price.0.cast_unsigned(), order.leaves.0.cast_unsigned()),
        (order.executed.0.cast_unsigned(), order.priority.0.cast_unsigned()),
    ])
}

/// The hash of a whole book.
pub(crate) fn state_hash(orders: u128, seq: i64, last_time: i64, last_price: i64, halted: bool) -> u128 {
    digest([
        halves(orders),
        (seq.cast_unsigned(), last_time.cast_unsigned()),
        (last_price.cast_unsigned(), u64::from(halted)),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::types::{AccountId, GroupId, Lots, Micros, OrderId, Seq, Side, StpMode, Ticks};

    pub(crate) fn sample() -> Order {
        Order {
            order_id: OrderId(1),
            account: AccountId(2),
            stp_group: GroupId(3),
            side: Side::Buy,
            post_only: false,
            stp: StpMode::None,
            price: Ticks(4),
            leaves: Lots(5),
            executed: Lots(6),
            priority: Seq(7),
            time: Micros(8),
        }
    }

    #[test]
    fn every_field_that_matters_later_counts() {
        let order = sample();
        let variants = [
            order,
            Order { order_id: OrderId(9), ..order },
            Order { account: AccountId(9), ..order },
            Order { stp_group: GroupId(9), ..order },
            Order { side: Side::Sell, ..order },
            Order { post_only: true, ..order },
            Order { stp: StpMode::Decrement, ..order },
            Order { price: Ticks(9), ..order },
            Order { leaves: Lots(9), ..order },
            Order { executed: Lots(9), ..order },
            Order { priority: Seq(9), ..order },
        ];
        let hashes: std::collections::BTreeSet<u128> = variants.iter().map(order_hash).collect();
        assert_eq!(hashes.len(), variants.len());
        assert_eq!(order_hash(&Order { time: Micros(9), ..order }), order_hash(&order));
    }

    #[test]
    fn every_number_of_a_book_counts() {
        let hashes: std::collections::BTreeSet<u128> = [
            state_hash(0, 0, 0, 0, false),
            state_hash(1, 0, 0, 0, false),
            state_hash(1 << 64, 0, 0, 0, false),
            state_hash(0, 1, 0, 0, false),
            state_hash(0, 0, 1, 0, false),
            state_hash(0, 0, 0, 1, false),
            state_hash(0, 0, 0, 0, true),
        ]
        .into();
        assert_eq!(hashes.len(), 7);
    }
}
