//! The state hash: one number that two books share exactly when their states are the same.
//!
//! Every open order is hashed to 128 bits over every field that can influence a later event, and the book
//! keeps the wrapping sum of those hashes: a change to one order costs one addition and one subtraction, and
//! the order of insertion does not matter (priority is a field). `state_hash` then mixes the sum with the
//! book's seq, last time, last price and phase.
//!
//! The hash is stored and compared after restarts and on other machines: it uses only wrapping 64-bit
//! arithmetic, and the constants below must never change. It finds mistakes; it is not cryptographic.

use crate::orders::{Extra, Order, flag};
use crate::terms::Terms;
use crate::types::{Lots, OrderType, Phase, Place, TimeInForce};

/// The full product of two words.
#[inline]
const fn product(left: u64, right: u64) -> u128 {
    (left as u128) * (right as u128)
}

/// The high and the low half.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "each half is meant to be cut off")]
const fn halves(wide: u128) -> (u64, u64) {
    ((wide >> 64) as u64, wide as u64)
}

/// Fractional bits of the square roots of the first primes: nothing up our sleeve.
const KEYS: [u64; 14] = [
    0x6A09_E667_F3BC_C908,
    0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B,
    0xA54F_F53A_5F1D_36F1,
    0x510E_527F_ADE6_82D1,
    0x9B05_688C_2B3E_6C1F,
    0x1F83_D9AB_FB41_BD6B,
    0x5BE0_CD19_137E_2179,
    0xCBBB_9D5D_C105_9ED8,
    0x629A_292A_367C_D507,
    0x9159_015A_3070_DD17,
    0x152F_ECD8_F70E_5939,
    0x6733_2667_FFC0_0B31,
    0x8EB4_4A87_6858_1511,
];

/// Hashes up to six pairs of words. A product of two words has room in 128 bits, so a change of one word always
/// changes the sum (but for a word beside it that happens to be its key); the keys make it unlikely that several
/// changes cancel each other. The last product binds the pairs together: as the book adds up the results, two
/// orders could otherwise exchange a pair unseen.
#[inline(always)]
fn digest<const PAIRS: usize>(words: [(u64, u64); PAIRS]) -> u128 {
    let mut sum = 0_u128;
    let mut pair = 0;
    while pair < PAIRS {
        sum = sum.wrapping_add(product(words[pair].0 ^ KEYS[2 * pair], words[pair].1 ^ KEYS[2 * pair + 1]));
        pair += 1;
    }
    let (high, low) = halves(sum);
    sum ^ product(high ^ KEYS[12], low ^ KEYS[13])
}

/// The share of a resting order in the sum.
#[inline(always)]
pub(crate) fn resting_hash(order: &Order, extra: Option<&Extra>) -> u128 {
    let tif = if order.is(flag::DAY) { TimeInForce::Day } else { TimeInForce::Gtc };
    let base = order_hash(order, Place::Resting, OrderType::Limit, tif);
    extra.map_or(base, |extra| base.wrapping_add(extra_hash(*order, extra)))
}

#[cold]
fn extra_hash(order: Order, extra: &Extra) -> u128 {
    let &Extra { display, shown, expires, partner } = extra;
    terms_hash(&order, &Terms { display, expires, partner, ..Terms::NONE }, shown)
}

/// The share of a parked order in the sum.
pub(crate) fn parked_hash(
    order: &Order,
    place: Place,
    order_type: OrderType,
    tif: TimeInForce,
    terms: &Terms,
) -> u128 {
    order_hash(order, place, order_type, tif).wrapping_add(terms_hash(order, terms, Lots::ZERO))
}

#[inline(always)]
fn order_hash(order: &Order, place: Place, order_type: OrderType, tif: TimeInForce) -> u128 {
    let shape = u64::from(order.side.code())
        | (u64::from(order.flags & flag::POST_ONLY) << 8)
        | (u64::from(order.stp.code()) << 16)
        | (u64::from(place.code()) << 24)
        | (u64::from(order_type.code()) << 32)
        | (u64::from(tif.code()) << 40);
    digest([
        (shape, order.order_id.0.cast_unsigned()),
        (order.account.0.cast_unsigned(), order.stp_group.0.cast_unsigned()),
        (order.price.0.cast_unsigned(), order.leaves.0.cast_unsigned()),
        (order.executed.0.cast_unsigned(), order.priority.0.cast_unsigned()),
    ])
}

fn terms_hash(order: &Order, terms: &Terms, shown: Lots) -> u128 {
    let shape = u64::from(terms.trigger.code())
        | (u64::from(terms.source.code()) << 8)
        | (u64::from(terms.link.code()) << 16)
        | (u64::from(terms.display.is_some()) << 24);
    let display = terms.display.unwrap_or(Lots::ZERO);
    digest([
        (shape, order.order_id.0.cast_unsigned()),
        (terms.trigger_price.0.cast_unsigned(), terms.distance.cast_unsigned()),
        (terms.step.0.cast_unsigned(), display.0.cast_unsigned()),
        (terms.min_quantity.0.cast_unsigned(), terms.expires.0.cast_unsigned()),
        (terms.parent.0.cast_unsigned(), terms.partner.0.cast_unsigned()),
        (shown.0.cast_unsigned(), order.priority.0.cast_unsigned()),
    ])
}

/// The hash of a whole book.
pub(crate) fn state_hash(orders: u128, seq: i64, last_time: i64, last_price: i64, phase: Phase) -> u128 {
    digest([
        halves(orders),
        (seq.cast_unsigned(), last_time.cast_unsigned()),
        (last_price.cast_unsigned(), u64::from(phase.code())),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::types::{
        AccountId, GroupId, Link, Micros, OrderId, Seq, Side, StpMode, Ticks, TriggerKind, TriggerSource,
    };
    use std::collections::BTreeSet;

    pub(crate) fn sample() -> Order {
        Order {
            order_id: OrderId(1),
            account: AccountId(2),
            stp_group: GroupId(3),
            side: Side::Buy,
            stp: StpMode::None,
            price: Ticks(4),
            leaves: Lots(5),
            executed: Lots(6),
            priority: Seq(7),
            flags: 0,
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
            Order { flags: flag::POST_ONLY, ..order },
            Order { flags: flag::DAY, ..order },
            Order { stp: StpMode::Decrement, ..order },
            Order { price: Ticks(9), ..order },
            Order { leaves: Lots(9), ..order },
            Order { executed: Lots(9), ..order },
            Order { priority: Seq(9), ..order },
        ];
        let mut hashes: BTreeSet<u128> = variants.iter().map(|order| resting_hash(order, None)).collect();
        assert_eq!(hashes.len(), variants.len());

        let extra = Extra::default();
        let extras = [
            extra,
            Extra { display: Some(Lots(0)), ..extra },
            Extra { display: Some(Lots(9)), ..extra },
            Extra { shown: Lots(9), ..extra },
            Extra { expires: Micros(9), ..extra },
            Extra { partner: OrderId(9), ..extra },
        ];
        hashes.extend(extras.iter().map(|extra| resting_hash(&order, Some(extra))));
        assert_eq!(hashes.len(), variants.len() + extras.len());
    }

    #[test]
    fn every_term_of_a_parked_order_counts() {
        let none = Terms::NONE;
        let variants = [
            none,
            Terms { trigger: TriggerKind::Stop, ..none },
            Terms { source: TriggerSource::Quote, ..none },
            Terms { trigger_price: Ticks(9), ..none },
            Terms { distance: 9, ..none },
            Terms { step: Ticks(9), ..none },
            Terms { display: Some(Lots(0)), ..none },
            Terms { min_quantity: Lots(9), ..none },
            Terms { expires: Micros(9), ..none },
            Terms { link: Link::Oto, ..none },
            Terms { parent: OrderId(9), ..none },
            Terms { partner: OrderId(9), ..none },
        ];
        let hash = |place, order_type, tif, terms| parked_hash(&sample(), place, order_type, tif, terms);
        let mut hashes: BTreeSet<u128> = variants
            .iter()
            .map(|terms| hash(Place::Armed, OrderType::Limit, TimeInForce::Gtc, terms))
            .collect();
        hashes.insert(hash(Place::Waiting, OrderType::Limit, TimeInForce::Gtc, &none));
        hashes.insert(hash(Place::Armed, OrderType::Market, TimeInForce::Gtc, &none));
        hashes.insert(hash(Place::Armed, OrderType::Limit, TimeInForce::Fok, &none));
        assert_eq!(hashes.len(), variants.len() + 3);
    }

    #[test]
    fn every_number_of_a_book_counts() {
        let hashes: BTreeSet<u128> = [
            state_hash(0, 0, 0, 0, Phase::Open),
            state_hash(1, 0, 0, 0, Phase::Open),
            state_hash(1 << 64, 0, 0, 0, Phase::Open),
            state_hash(0, 1, 0, 0, Phase::Open),
            state_hash(0, 0, 1, 0, Phase::Open),
            state_hash(0, 0, 0, 1, Phase::Open),
            state_hash(0, 0, 0, 0, Phase::Halted),
        ]
        .into();
        assert_eq!(hashes.len(), 7);
    }
}
