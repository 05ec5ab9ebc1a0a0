//! The records of open orders: what a book is restored from. The layout is in `docs/engine.md`; what has no
//! meaning there must be zero, and what no new order could have become is refused.

use crate::codec::{OPEN_SIZE, POST_ONLY, TERMS_SIZE, WITH_TERMS, decode_terms, encode_terms, put};
use crate::error::EngineError;
use crate::orders::{Extra, Order, flag};
use crate::parked::Parked;
use crate::record::{Cursor, Record};
use crate::terms::Terms;
use crate::types::{
    AccountId, GroupId, Lots, OrderId, OrderType, Place, Seq, Side, StpMode, Ticks, TimeInForce, TriggerKind,
};

/// Terms after an open order fill two of its records.
const OPEN_TERMS_SIZE: usize = 2 * OPEN_SIZE;
const OPEN_VERSION: u8 = 2;

/// An open order, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenOrder {
    Resting(Order, Extra),
    Parked(Parked),
}

impl OpenOrder {
    pub(crate) const fn order(&self) -> &Order {
        match self {
            Self::Resting(order, _) => order,
            Self::Parked(parked) => &parked.order,
        }
    }
}

/// Decodes open orders. Whether they fit together is the book's matter.
pub(crate) fn decode_open(bytes: &[u8]) -> Result<Vec<OpenOrder>, Box<EngineError>> {
    let mut orders = Vec::new();
    let mut cursor = Cursor::new(bytes, OPEN_SIZE)?;
    while let Some(record) = cursor.next() {
        orders.push(decode_open_order(&record, &mut cursor)?);
    }
    Ok(orders)
}

fn decode_open_order(
    record: &Record<'_, OPEN_SIZE>,
    cursor: &mut Cursor<'_>,
) -> Result<OpenOrder, Box<EngineError>> {
    if record.u8(3) != OPEN_VERSION {
        return Err(Box::new(EngineError::Version { given: record.u8(3), known: OPEN_VERSION }));
    }
    record.zero(7, 1, "byte 7")?;
    record.zero(72, 8, "bytes 72 to 79")?;
    let flags = record.flags(1, POST_ONLY | WITH_TERMS)?;
    let place = record.code(4, "place", Place::from_code)?;
    let order_type = record.code(5, "type", OrderType::from_code)?;
    let tif = record.code(6, "tif", TimeInForce::from_code)?;
    let terms = if flags & WITH_TERMS == 0 {
        Terms::NONE
    } else {
        let terms = cursor.next::<OPEN_TERMS_SIZE>().ok_or_else(|| record.bad("flags", flags.into()))?;
        terms.zero(TERMS_SIZE, OPEN_TERMS_SIZE - TERMS_SIZE, "bytes 144 to 159")?;
        let decoded = decode_terms(&terms)?;
        if decoded == Terms::NONE {
            return Err(record.bad("flags", flags.into()));
        }
        decoded
    };
    let resting = place == Place::Resting;
    let order = Order {
        side: record.code(0, "side", Side::from_code)?,
        stp: record.code(2, "stp", StpMode::from_code)?,
        order_id: OrderId(record.number(8, "order_id", 1)?),
        account: AccountId(record.number(16, "account", 1)?),
        stp_group: GroupId(record.number(24, "stp_group", 0)?),
        price: Ticks(record.number(32, "price", i64::from(order_type == OrderType::Limit))?),
        leaves: Lots(record.number(40, "leaves", i64::from(resting))?),
        executed: Lots(record.number(48, "executed", 0)?),
        priority: Seq(record.number(56, "priority", 1)?),
        flags: (if flags & POST_ONLY == 0 { 0 } else { flag::POST_ONLY })
            | (if tif == TimeInForce::Day { flag::DAY } else { 0 })
            | (if terms.partner.is_some() { flag::WATCHED } else { 0 }),
    };
    let shown = Lots(record.i64(64));
    let bad = |field, value: i64| record.bad(field, value.cast_unsigned());
    for (field, number) in [
        ("expires", terms.expires.0),
        ("partner", terms.partner.0),
        ("parent", terms.parent.0),
        ("display", terms.display.map_or(0, |lots| lots.0)),
        ("min_quantity", terms.min_quantity.0),
    ] {
        if number < 0 {
            return Err(bad(field, number));
        }
    }
    if !resting {
        let reason_to_park = match place {
            Place::Waiting => terms.parent.is_some(),
            _ => terms.trigger != TriggerKind::None,
        };
        if !reason_to_park {
            return Err(record.bad("place", place.code().into()));
        }
        if shown != Lots::ZERO {
            return Err(bad("shown", shown.0));
        }
        if terms.trigger != TriggerKind::None && terms.trigger_price.0 < 1 {
            return Err(bad("trigger_price", terms.trigger_price.0));
        }
        let parked = Parked { order, order_type, tif, terms, place, queued: false };
        return if parked.is_possible() {
            Ok(OpenOrder::Parked(parked))
        } else {
            Err(record.bad("terms", terms.trigger.code().into()))
        };
    }
    if order_type != OrderType::Limit || !tif.rests() || terms != terms.of_resting() {
        return Err(record.bad("type", order_type.code().into()));
    }
    let fits = match terms.display {
        None => shown == order.leaves,
        Some(Lots::ZERO) => shown == Lots::ZERO,
        Some(display) => Lots::ZERO < shown && shown <= display.min(order.leaves),
    };
    if !fits {
        return Err(bad("shown", shown.0));
    }
    let shown = if terms.display.is_some() { shown } else { Lots::ZERO };
    let extra = Extra { display: terms.display, shown, expires: terms.expires, partner: terms.partner };
    Ok(OpenOrder::Resting(order, extra))
}

/// Appends one open order.
pub(crate) fn encode_open(open: &OpenOrder, bytes: &mut Vec<u8>) {
    let (order, place, order_type, tif, shown, terms) = match open {
        OpenOrder::Resting(order, extra) => {
            let &Extra { display, shown, expires, partner } = extra;
            let tif = if order.is(flag::DAY) { TimeInForce::Day } else { TimeInForce::Gtc };
            let shown = if display.is_some() { shown } else { order.leaves };
            let terms = Terms { display, expires, partner, ..Terms::NONE };
            (order, Place::Resting, OrderType::Limit, tif, shown, terms)
        }
        OpenOrder::Parked(parked) => {
            let &Parked { place, order_type, tif, terms, .. } = parked;
            (&parked.order, place, order_type, tif, Lots::ZERO, terms)
        }
    };
    let has_terms = terms != Terms::NONE;
    let flags =
        (if order.is(flag::POST_ONLY) { POST_ONLY } else { 0 }) | (if has_terms { WITH_TERMS } else { 0 });
    let mut record = [0; OPEN_SIZE];
    record[..7].copy_from_slice(&[
        order.side.code(),
        flags,
        order.stp.code(),
        OPEN_VERSION,
        place.code(),
        order_type.code(),
        tif.code(),
    ]);
    put(&mut record, 8, [order.order_id.0, order.account.0, order.stp_group.0, order.price.0]);
    put(&mut record, 40, [order.leaves.0, order.executed.0, order.priority.0, shown.0]);
    bytes.extend_from_slice(&record);
    if has_terms {
        bytes.extend_from_slice(&encode_terms(&terms));
        bytes.resize(bytes.len() + OPEN_TERMS_SIZE - TERMS_SIZE, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::terms;
    use crate::hash::tests::sample;
    use crate::types::{Link, TriggerSource};

    #[test]
    fn open_orders_survive_the_wire_and_malformed_ones_do_not() {
        let extra = Extra::default();
        let partner = Extra { partner: OrderId(5), ..extra };
        let parked = Parked {
            order: Order { flags: flag::POST_ONLY | flag::WATCHED, ..sample() },
            order_type: OrderType::Limit,
            tif: TimeInForce::Gtc,
            terms: Terms {
                source: TriggerSource::Last,
                link: Link::Oto,
                min_quantity: Lots(0),
                budget: 0,
                position_limit: Lots(0),
                ..terms()
            },
            place: Place::Waiting,
            queued: false,
        };
        let orders = [
            OpenOrder::Resting(sample(), extra),
            OpenOrder::Resting(Order { flags: flag::WATCHED | flag::DAY, ..sample() }, partner),
            OpenOrder::Resting(sample(), Extra { display: Some(Lots(3)), shown: Lots(2), ..extra }),
            OpenOrder::Parked(parked),
        ];
        let mut records = Vec::new();
        for order in &orders {
            encode_open(order, &mut records);
        }
        assert_eq!(records.len(), 4 * OPEN_SIZE + 3 * OPEN_TERMS_SIZE);
        assert_eq!(decode_open(&records), Ok(orders.to_vec()));

        let plain = &records[..OPEN_SIZE];
        let fields =
            [(0, 0), (1, 2), (1, 4), (2, 5), (4, 1), (4, 3), (5, 2), (6, 2), (7, 1), (8, 0), (16, 0)];
        for (at, byte) in
            fields.into_iter().chain([(31, 128), (32, 0), (40, 0), (55, 128), (56, 0), (64, 4), (79, 1)])
        {
            let mut malformed = plain.to_vec();
            malformed[at] = byte;
            assert!(decode_open(&malformed).is_err(), "byte {at}");
        }
        let mut old = plain.to_vec();
        old[3] = 0;
        assert_eq!(decode_open(&old), Err(Box::new(EngineError::Version { given: 0, known: 2 })));
        let iceberg = &records[2 * OPEN_SIZE + OPEN_TERMS_SIZE..][..OPEN_SIZE + OPEN_TERMS_SIZE];
        for (at, byte) in [(64, 0), (64, 4), (84, 0), (96, 1), (239, 1)] {
            let mut malformed = iceberg.to_vec();
            malformed[at] = byte;
            assert!(decode_open(&malformed).is_err(), "byte {at} of an iceberg order");
        }
        let parked = &records[3 * OPEN_SIZE + 2 * OPEN_TERMS_SIZE..];
        for (at, byte) in [(64, 1), (152, 0), (135, 128), (88, 0)] {
            let mut malformed = parked.to_vec();
            malformed[at] = byte;
            assert!(decode_open(&malformed).is_err(), "byte {at} of a parked order");
        }
    }
}
