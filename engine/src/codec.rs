//! The byte layout of everything that crosses the boundary: packed, little endian, fixed size.
//!
//! ```text
//! COMMAND 72   0 kind 1 side 2 type 3 tif 4 flags 5 stp 6 reason 7 zero   8 u32 instrument 12 u32 zero
//!             16 u64 command_id 24 order_id 32 account 40 stp_group      48 i64 price 56 quantity 64 time
//! EVENT  104   0 kind 1 reason 2 side 3 flags   4 u32 instrument         8 u64 seq 16 command_id 24 order_id
//!             32 account 40 maker_order_id 48 maker_account              56 i64 price 64 quantity 72 leaves
//!             80 maker_leaves 88 priority 96 time
//! RESTING 80   0 side 1 flags 2 stp 3..8 zero   8 i64 order_id 16 account 24 stp_group 32 price 40 leaves
//!             48 executed 56 priority 64 time 72 zero
//! LEVEL   24   0 u32 instrument 4 side 5..8 zero   8 i64 price 16 quantity
//! ```

use crate::command::{Action, Amendment, Command, CommandKind, NewOrder};
use crate::engine::LevelTotal;
use crate::error::EngineError;
use crate::event::Event;
use crate::orders::Order;
use crate::record::{Record, records};
use crate::types::{
    AccountId, CommandId, GroupId, InstrumentId, Lots, Micros, OrderId, OrderType, Reason, Seq, Side,
    StpMode, Ticks, TimeInForce,
};

/// Bytes of one command.
pub const COMMAND_SIZE: usize = 72;
/// Bytes of one event.
pub const EVENT_SIZE: usize = 104;
/// Bytes of one resting order.
pub const RESTING_SIZE: usize = 80;
/// Bytes of one level.
pub const LEVEL_SIZE: usize = 24;

const POST_ONLY: u8 = 1;
const CANCEL_RESTING: u8 = 2;

/// Decodes a whole batch into `commands`, replacing what was there.
pub(crate) fn decode_commands(bytes: &[u8], commands: &mut Vec<Command>) -> Result<(), EngineError> {
    commands.clear();
    for record in records(bytes, COMMAND_SIZE)? {
        commands.push(decode_command(&record)?);
    }
    Ok(())
}

fn decode_command(record: &Record<'_>) -> Result<Command, EngineError> {
    record.zero(7, 1, "byte 7")?;
    record.zero(12, 4, "bytes 12 to 15")?;
    let kind = record.code(0, "kind", CommandKind::from_code)?;
    let allowed_flags = match kind {
        CommandKind::New => POST_ONLY,
        CommandKind::Halt => CANCEL_RESTING,
        CommandKind::Cancel | CommandKind::Amend | CommandKind::Resume => 0,
    };
    let flags = record.u8(4);
    if flags & !allowed_flags != 0 {
        return Err(record.bad("flags", flags.into()));
    }
    let reason = record.code(6, "reason", Reason::from_code)?;
    let account = AccountId(record.number(32, "account", i64::from(kind == CommandKind::New))?);
    let order_id = || record.number(24, "order_id", 1).map(OrderId);
    let price = Ticks(record.i64(48));
    let quantity = Lots(record.i64(56));
    let action = match kind {
        CommandKind::New => Action::New(NewOrder {
            order_id: order_id()?,
            account,
            stp_group: GroupId(record.number(40, "stp_group", 0)?),
            side: record.code(1, "side", Side::from_code)?,
            order_type: record.code(2, "order_type", OrderType::from_code)?,
            tif: record.code(3, "tif", TimeInForce::from_code)?,
            post_only: flags & POST_ONLY != 0,
            stp: record.code(5, "stp", StpMode::from_code)?,
            price,
            quantity,
        }),
        CommandKind::Cancel => Action::Cancel { order_id: order_id()?, account, reason },
        CommandKind::Amend => Action::Amend(Amendment { order_id: order_id()?, account, price, quantity }),
        CommandKind::Halt => Action::Halt { account, reason, cancel_resting: flags & CANCEL_RESTING != 0 },
        CommandKind::Resume => Action::Resume { account, reason },
    };
    Ok(Command {
        instrument: InstrumentId(record.u32(8)),
        command_id: CommandId(record.number(16, "command_id", 1)?),
        time: Micros(record.i64(64)),
        action,
    })
}

/// Decodes resting orders. Whether they fit together is the book's matter.
pub(crate) fn decode_resting(bytes: &[u8]) -> Result<Vec<Order>, EngineError> {
    records(bytes, RESTING_SIZE)?.map(|record| decode_order(&record)).collect()
}

fn decode_order(record: &Record<'_>) -> Result<Order, EngineError> {
    record.zero(3, 5, "bytes 3 to 7")?;
    record.zero(72, 8, "bytes 72 to 79")?;
    let flags = record.u8(1);
    if flags & !POST_ONLY != 0 {
        return Err(record.bad("flags", flags.into()));
    }
    Ok(Order {
        side: record.code(0, "side", Side::from_code)?,
        post_only: flags & POST_ONLY != 0,
        stp: record.code(2, "stp", StpMode::from_code)?,
        order_id: OrderId(record.number(8, "order_id", 1)?),
        account: AccountId(record.number(16, "account", 1)?),
        stp_group: GroupId(record.number(24, "stp_group", 0)?),
        price: Ticks(record.number(32, "price", 1)?),
        leaves: Lots(record.number(40, "leaves", 1)?),
        executed: Lots(record.number(48, "executed", 0)?),
        priority: Seq(record.number(56, "priority", 1)?),
        time: Micros(record.i64(64)),
    })
}

/// Encodes one command; what does not apply to its kind is zero.
#[must_use]
pub fn encode_command(command: &Command) -> [u8; COMMAND_SIZE] {
    let mut record = [0; COMMAND_SIZE];
    let (order_id, account) = match command.action {
        Action::New(order) => {
            record[..6].copy_from_slice(&[
                CommandKind::New.code(),
                order.side.code(),
                order.order_type.code(),
                order.tif.code(),
                if order.post_only { POST_ONLY } else { 0 },
                order.stp.code(),
            ]);
            put(&mut record, 40, [order.stp_group.0, order.price.0, order.quantity.0]);
            (order.order_id, order.account)
        }
        Action::Cancel { order_id, account, reason } => {
            (record[0], record[6]) = (CommandKind::Cancel.code(), reason.code());
            (order_id, account)
        }
        Action::Amend(Amendment { order_id, account, price, quantity }) => {
            record[0] = CommandKind::Amend.code();
            put(&mut record, 48, [price.0, quantity.0]);
            (order_id, account)
        }
        Action::Halt { account, reason, cancel_resting } => {
            (record[0], record[6]) = (CommandKind::Halt.code(), reason.code());
            record[4] = if cancel_resting { CANCEL_RESTING } else { 0 };
            (OrderId(0), account)
        }
        Action::Resume { account, reason } => {
            (record[0], record[6]) = (CommandKind::Resume.code(), reason.code());
            (OrderId(0), account)
        }
    };
    record[8..12].copy_from_slice(&command.instrument.0.to_le_bytes());
    put(&mut record, 16, [command.command_id.0, order_id.0, account.0]);
    put(&mut record, 64, [command.time.0]);
    record
}

/// Encodes events one after another.
#[must_use]
pub fn encode_events(events: &[Event]) -> Vec<u8> {
    encode(events, |event| {
        let mut record = [0; EVENT_SIZE];
        let side = event.side.map_or(0, Side::code);
        record[..4].copy_from_slice(&[event.kind.code(), event.reason.code(), side, event.flags]);
        record[4..8].copy_from_slice(&event.instrument.0.to_le_bytes());
        put(&mut record, 8, [event.seq.0, event.command_id.0, event.order_id.0, event.account.0]);
        put(
            &mut record,
            40,
            [event.maker_order_id.0, event.maker_account.0, event.price.0, event.quantity.0],
        );
        put(&mut record, 72, [event.leaves.0, event.maker_leaves.0, event.priority.0, event.time.0]);
        record
    })
}

/// Encodes resting orders one after another.
#[must_use]
pub fn encode_resting(orders: &[Order]) -> Vec<u8> {
    encode(orders, |order| {
        let mut record = [0; RESTING_SIZE];
        let flags = if order.post_only { POST_ONLY } else { 0 };
        record[..3].copy_from_slice(&[order.side.code(), flags, order.stp.code()]);
        put(&mut record, 8, [order.order_id.0, order.account.0, order.stp_group.0, order.price.0]);
        put(&mut record, 40, [order.leaves.0, order.executed.0, order.priority.0, order.time.0]);
        record
    })
}

/// Encodes levels one after another.
#[must_use]
pub fn encode_levels(levels: &[LevelTotal]) -> Vec<u8> {
    encode(levels, |level| {
        let mut record = [0; LEVEL_SIZE];
        record[..4].copy_from_slice(&level.instrument.0.to_le_bytes());
        record[4] = level.side.code();
        put(&mut record, 8, [level.price.0, level.quantity.0]);
        record
    })
}

fn encode<T, const SIZE: usize>(items: &[T], record: impl Fn(&T) -> [u8; SIZE]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * SIZE);
    for item in items {
        bytes.extend_from_slice(&record(item));
    }
    bytes
}

/// Writes consecutive 64-bit numbers. None is negative where the layout says u64: seq and ids are not.
fn put<const COUNT: usize>(record: &mut [u8], at: usize, numbers: [i64; COUNT]) {
    for (place, number) in record[at..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::tests::sample;

    fn new_order() -> Command {
        Command {
            instrument: InstrumentId(3),
            command_id: CommandId(4),
            time: Micros(-5),
            action: Action::New(NewOrder {
                order_id: OrderId(6),
                account: AccountId(7),
                stp_group: GroupId(8),
                side: Side::Sell,
                order_type: OrderType::Market,
                tif: TimeInForce::Fok,
                post_only: true,
                stp: StpMode::Decrement,
                price: Ticks(-9),
                quantity: Lots(10),
            }),
        }
    }

    fn decode(record: &[u8]) -> Result<Vec<Command>, EngineError> {
        let mut commands = Vec::new();
        decode_commands(record, &mut commands).map(|()| commands)
    }

    #[test]
    fn commands_survive_the_wire() {
        let (order_id, account, reason) = (OrderId(1), AccountId(2), Reason::MassCancel);
        let actions = [
            new_order().action,
            Action::Cancel { order_id, account, reason },
            Action::Amend(Amendment { order_id, account, price: Ticks(3), quantity: Lots(4) }),
            Action::Halt { account, reason, cancel_resting: true },
            Action::Resume { account, reason },
        ];
        for action in actions {
            let command = Command { action, ..new_order() };
            assert_eq!(decode(&encode_command(&command)), Ok(vec![command]));
        }
    }

    #[test]
    fn every_byte_of_a_command_is_where_the_layout_says() {
        let record = encode_command(&new_order());
        assert_eq!(record[..16], [1, 2, 2, 3, 1, 4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        let numbers: Vec<u8> = record[16..].chunks(8).map(|number| number[0]).collect();
        assert_eq!(numbers, [4, 6, 7, 8, 247, 10, 251]);
    }

    #[test]
    fn bytes_without_meaning_name_the_record_and_the_field() {
        let malformed = [
            (0, 0, "kind"),
            (0, 6, "kind"),
            (1, 0, "side"),
            (1, 3, "side"),
            (2, 0, "order_type"),
            (3, 4, "tif"),
            (4, 2, "flags"),
            (5, 5, "stp"),
            (6, 22, "reason"),
            (7, 1, "byte 7"),
            (15, 1, "bytes 12 to 15"),
            (23, 128, "command_id"),
            (24, 0, "order_id"),
            (32, 0, "account"),
            (47, 128, "stp_group"),
        ];
        for (at, byte, field) in malformed {
            let mut records = encode_command(&new_order()).repeat(2);
            records[COMMAND_SIZE + at] = byte;
            let error = decode(&records).expect_err(field);
            assert!(
                matches!(error, EngineError::Field { record: 1, field: named, .. } if named == field),
                "{error}"
            );
        }
        assert_eq!(decode(&[0; 71]), Err(EngineError::Length { given: 71, record: 72 }));
        assert_eq!(decode(&[]), Ok(vec![]));
    }

    #[test]
    fn resting_orders_survive_the_wire_and_malformed_ones_do_not() {
        let record = encode_resting(&[sample()]);
        assert_eq!(decode_resting(&record), Ok(vec![sample()]));
        for (at, byte) in [(0, 0), (1, 2), (2, 5), (3, 1), (8, 0), (16, 0), (31, 128), (32, 0), (40, 0)] {
            let mut malformed = record.clone();
            malformed[at] = byte;
            assert!(decode_resting(&malformed).is_err(), "byte {at}");
        }
        for (at, byte) in [(55, 128), (56, 0), (79, 1)] {
            let mut malformed = record.clone();
            malformed[at] = byte;
            assert!(decode_resting(&malformed).is_err(), "byte {at}");
        }
    }
}
