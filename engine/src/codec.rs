//! The byte layout of everything that crosses the boundary: packed, little endian, fixed size. It is written
//! down in `docs/engine.md`; what has no meaning there must be zero here.

use crate::command::{Action, Amendment, Command, CommandKind, NewOrder, PhaseChange, TERMS_KIND};
use crate::engine::LevelTotal;
use crate::error::EngineError;
use crate::record::{Cursor, Record};
use crate::terms::Terms;
use crate::types::{
    AccountId, CommandId, GroupId, InstrumentId, Link, Lots, Micros, OrderId, OrderType, Phase, Reason, Side,
    StpMode, Ticks, TimeInForce, TriggerKind, TriggerSource,
};

/// Bytes of one command.
pub const COMMAND_SIZE: usize = 72;
/// Bytes of the terms of a new order, which follow it.
pub const TERMS_SIZE: usize = 144;
/// Bytes of one event.
pub const EVENT_SIZE: usize = 104;
/// Bytes of one open order.
pub const OPEN_SIZE: usize = 80;
/// Bytes of one level.
pub const LEVEL_SIZE: usize = 24;

pub(crate) const POST_ONLY: u8 = 1;
const CANCEL_RESTING: u8 = 2;
pub(crate) const WITH_TERMS: u8 = 4;
const REDUCE_ONLY: u8 = 8;
const HAS_DISPLAY: u8 = 1;

/// Where decoded commands go.
pub(crate) trait Receiver {
    /// An error ends the decoding.
    fn receive(&mut self, command: &Command) -> Result<(), Box<EngineError>>;
}

/// Decodes a batch and hands its commands on, one by one, up to the first record that is malformed.
#[inline]
pub(crate) fn decode_commands(bytes: &[u8], receiver: &mut impl Receiver) -> Result<(), Box<EngineError>> {
    let mut cursor = Cursor::new(bytes, COMMAND_SIZE)?;
    while let Some(record) = cursor.next() {
        decode_command(&record, &mut cursor, receiver)?;
    }
    Ok(())
}

/// Decodes one command. Every kind hands it on by itself, so that nobody has to ask again which it is.
#[inline(always)]
fn decode_command(
    record: &Record<'_, COMMAND_SIZE>,
    cursor: &mut Cursor<'_>,
    receiver: &mut impl Receiver,
) -> Result<(), Box<EngineError>> {
    let kind = record.code(0, "kind", CommandKind::from_code)?;
    record.zero(12, 4, "bytes 12 to 15")?;
    let instrument = InstrumentId(record.u32(8));
    let command_id = CommandId(record.number(16, "command_id", 1)?);
    let time = Micros(record.i64(64));
    let command = |action| Command { instrument, command_id, time, action };
    match kind {
        CommandKind::New => {
            let (new, has_terms) = decode_new(record)?;
            if has_terms {
                let terms: Record<'_, TERMS_SIZE> =
                    cursor.next().ok_or_else(|| record.bad("flags", record.u8(4).into()))?;
                let terms = decode_terms(&terms)?;
                receiver.receive(&command(match refusal(record)? {
                    None => Action::NewWithTerms(new, terms),
                    Some(reason) => Action::Refuse(new, terms, reason),
                }))
            } else if let Some(reason) = refusal(record)? {
                receiver.receive(&command(Action::Refuse(new, Terms::NONE, reason)))
            } else if new.reduce_only {
                receiver.receive(&command(Action::NewWithTerms(new, Terms::NONE)))
            } else {
                receiver.receive(&command(Action::New(new)))
            }
        }
        CommandKind::Cancel => {
            record.zero(1, 5, "bytes 1 to 5")?;
            record.zero(7, 1, "phase")?;
            record.zero(40, 24, "bytes 40 to 63")?;
            receiver.receive(&command(Action::Cancel {
                order_id: OrderId(record.number(24, "order_id", 1)?),
                account: AccountId(record.number(32, "account", 0)?),
                reason: record.code(6, "reason", Reason::from_code)?,
            }))
        }
        CommandKind::Amend => {
            record.zero(1, 5, "bytes 1 to 5")?;
            record.zero(7, 1, "phase")?;
            let amendment = Amendment {
                order_id: OrderId(record.number(24, "order_id", 1)?),
                account: AccountId(record.number(32, "account", 0)?),
                trigger: Ticks(record.i64(40)),
                price: Ticks(record.i64(48)),
                quantity: Lots(record.i64(56)),
            };
            receiver.receive(&command(match refusal(record)? {
                None => Action::Amend(amendment),
                Some(reason) => Action::RefuseAmend(amendment, reason),
            }))
        }
        CommandKind::Phase => receiver.receive(&command(decode_phase(record)?)),
        CommandKind::Time => {
            record.zero(1, 7, "bytes 1 to 7")?;
            record.zero(24, 40, "bytes 24 to 63")?;
            receiver.receive(&command(Action::Time))
        }
        CommandKind::MassCancel => {
            record.zero(2, 4, "bytes 2 to 5")?;
            record.zero(7, 1, "phase")?;
            record.zero(24, 8, "order_id")?;
            record.zero(40, 24, "bytes 40 to 63")?;
            receiver.receive(&command(Action::MassCancel {
                account: AccountId(record.number(32, "account", 0)?),
                side: record.optional(1, "side", Side::from_code)?,
                reason: record.code(6, "reason", Reason::from_code)?,
            }))
        }
    }
}

/// Why the order or amendment is refused, where whoever keeps the journal has decided so.
#[inline(always)]
fn refusal(record: &Record<'_, COMMAND_SIZE>) -> Result<Option<Reason>, Box<EngineError>> {
    match record.u8(6) {
        0 => Ok(None),
        _ => record.code(6, "reason", Reason::from_code).map(Some),
    }
}

/// A new order, and whether its terms follow.
#[inline(always)]
fn decode_new(record: &Record<'_, COMMAND_SIZE>) -> Result<(NewOrder, bool), Box<EngineError>> {
    record.zero(7, 1, "phase")?;
    let flags = record.flags(4, POST_ONLY | WITH_TERMS | REDUCE_ONLY)?;
    let new = NewOrder {
        order_id: OrderId(record.number(24, "order_id", 1)?),
        account: AccountId(record.number(32, "account", 1)?),
        stp_group: GroupId(record.number(40, "stp_group", 0)?),
        side: record.code(1, "side", Side::from_code)?,
        order_type: record.code(2, "order_type", OrderType::from_code)?,
        tif: record.code(3, "tif", TimeInForce::from_code)?,
        post_only: flags & POST_ONLY != 0,
        reduce_only: flags & REDUCE_ONLY != 0,
        stp: record.code(5, "stp", StpMode::from_code)?,
        price: Ticks(record.i64(48)),
        quantity: Lots(record.i64(56)),
    };
    Ok((new, flags & WITH_TERMS != 0))
}

#[cold]
fn decode_phase(record: &Record<'_, COMMAND_SIZE>) -> Result<Action, Box<EngineError>> {
    record.zero(1, 3, "bytes 1 to 3")?;
    record.zero(5, 1, "stp")?;
    record.zero(24, 8, "order_id")?;
    record.zero(40, 8, "stp_group")?;
    record.zero(56, 8, "quantity")?;
    Ok(Action::Phase(PhaseChange {
        phase: record.code(7, "phase", Phase::from_code)?,
        account: AccountId(record.number(32, "account", 0)?),
        reason: record.code(6, "reason", Reason::from_code)?,
        cancel_resting: record.flags(4, CANCEL_RESTING)? != 0,
        reference: Ticks(record.number(48, "price", 0)?),
    }))
}

pub(crate) fn decode_terms<const SIZE: usize>(record: &Record<'_, SIZE>) -> Result<Terms, Box<EngineError>> {
    if record.u8(0) != TERMS_KIND {
        return Err(record.bad("kind", record.u8(0).into()));
    }
    record.zero(5, 3, "bytes 5 to 7")?;
    record.zero(88, 56, "bytes 88 to 143")?;
    let has_display = record.flags(4, HAS_DISPLAY)? != 0;
    if !has_display {
        record.zero(32, 8, "display")?;
    }
    Ok(Terms {
        trigger: record.code(1, "trigger", TriggerKind::from_code)?,
        source: record.code(2, "source", TriggerSource::from_code)?,
        link: record.code(3, "link", Link::from_code)?,
        trigger_price: Ticks(record.i64(8)),
        distance: record.i64(16),
        step: Ticks(record.i64(24)),
        display: has_display.then(|| Lots(record.i64(32))),
        min_quantity: Lots(record.i64(40)),
        expires: Micros(record.i64(48)),
        budget: record.i64(56),
        position_limit: Lots(record.i64(64)),
        parent: OrderId(record.i64(72)),
        partner: OrderId(record.i64(80)),
    })
}

/// Encodes one command; what does not apply to its kind is zero.
#[must_use]
pub fn encode_command(command: &Command) -> Vec<u8> {
    let mut record = [0; COMMAND_SIZE];
    record[8..12].copy_from_slice(&command.instrument.0.to_le_bytes());
    put(&mut record, 16, [command.command_id.0]);
    put(&mut record, 64, [command.time.0]);
    let mut tail = Vec::new();
    match &command.action {
        Action::New(new) => put_new(&mut record, new),
        Action::NewWithTerms(new, terms) => {
            put_new(&mut record, new);
            record[4] |= WITH_TERMS;
            tail.extend_from_slice(&encode_terms(terms));
        }
        Action::Cancel { order_id, account, reason } => {
            (record[0], record[6]) = (CommandKind::Cancel.code(), reason.code());
            put(&mut record, 24, [order_id.0, account.0]);
        }
        Action::Refuse(new, terms, reason) => {
            put_new(&mut record, new);
            record[6] = reason.code();
            if *terms != Terms::NONE {
                record[4] |= WITH_TERMS;
                tail.extend_from_slice(&encode_terms(terms));
            }
        }
        Action::Amend(amendment) => put_amendment(&mut record, amendment),
        Action::RefuseAmend(amendment, reason) => {
            put_amendment(&mut record, amendment);
            record[6] = reason.code();
        }
        Action::Phase(change) => {
            (record[0], record[6]) = (CommandKind::Phase.code(), change.reason.code());
            record[4] = if change.cancel_resting { CANCEL_RESTING } else { 0 };
            record[7] = change.phase.code();
            put(&mut record, 32, [change.account.0]);
            put(&mut record, 48, [change.reference.0]);
        }
        Action::Time => record[0] = CommandKind::Time.code(),
        Action::MassCancel { account, side, reason } => {
            (record[0], record[6]) = (CommandKind::MassCancel.code(), reason.code());
            record[1] = side.map_or(0, Side::code);
            put(&mut record, 32, [account.0]);
        }
    }
    [&record[..], &tail].concat()
}

fn put_amendment(record: &mut [u8], amendment: &Amendment) {
    let &Amendment { order_id, account, price, quantity, trigger } = amendment;
    record[0] = CommandKind::Amend.code();
    put(record, 24, [order_id.0, account.0, trigger.0, price.0, quantity.0]);
}

fn put_new(record: &mut [u8], new: &NewOrder) {
    let post_only = if new.post_only { POST_ONLY } else { 0 };
    let reduce_only = if new.reduce_only { REDUCE_ONLY } else { 0 };
    record[..6].copy_from_slice(&[
        CommandKind::New.code(),
        new.side.code(),
        new.order_type.code(),
        new.tif.code(),
        post_only | reduce_only,
        new.stp.code(),
    ]);
    put(record, 24, [new.order_id.0, new.account.0, new.stp_group.0, new.price.0, new.quantity.0]);
}

pub(crate) fn encode_terms(terms: &Terms) -> [u8; TERMS_SIZE] {
    let mut record = [0; TERMS_SIZE];
    let flags = if terms.display.is_some() { HAS_DISPLAY } else { 0 };
    record[..5].copy_from_slice(&[
        TERMS_KIND,
        terms.trigger.code(),
        terms.source.code(),
        terms.link.code(),
        flags,
    ]);
    put(
        &mut record,
        8,
        [
            terms.trigger_price.0,
            terms.distance,
            terms.step.0,
            terms.display.map_or(0, |lots| lots.0),
            terms.min_quantity.0,
            terms.expires.0,
            terms.budget,
            terms.position_limit.0,
            terms.parent.0,
            terms.partner.0,
        ],
    );
    record
}

/// Encodes levels one after another.
#[must_use]
pub fn encode_levels(levels: &[LevelTotal]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(levels.len() * LEVEL_SIZE);
    for level in levels {
        let mut record = [0; LEVEL_SIZE];
        record[..4].copy_from_slice(&level.instrument.0.to_le_bytes());
        record[4] = level.side.code();
        put(&mut record, 8, [level.price.0, level.quantity.0]);
        bytes.extend_from_slice(&record);
    }
    bytes
}

/// Writes consecutive 64-bit numbers.
pub(crate) fn put<const COUNT: usize>(record: &mut [u8], at: usize, numbers: [i64; COUNT]) {
    for (place, number) in record[at..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

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
                reduce_only: false,
                stp: StpMode::Decrement,
                price: Ticks(-9),
                quantity: Lots(10),
            }),
        }
    }

    pub(crate) fn terms() -> Terms {
        Terms {
            trigger: TriggerKind::TrailingBps,
            source: TriggerSource::Quote,
            link: Link::Attached,
            trigger_price: Ticks(1),
            distance: 2,
            step: Ticks(3),
            display: Some(Lots(4)),
            min_quantity: Lots(5),
            expires: Micros(6),
            budget: 7,
            position_limit: Lots(8),
            parent: OrderId(9),
            partner: OrderId(10),
        }
    }

    fn with_terms(terms: Terms) -> Command {
        let Action::New(new) = new_order().action else { unreachable!("it is a plain order") };
        Command { action: Action::NewWithTerms(new, terms), ..new_order() }
    }

    fn refused(terms: Terms) -> Action {
        let Action::New(new) = new_order().action else { unreachable!("it is a plain order") };
        Action::Refuse(new, terms, Reason::Killed)
    }

    impl Receiver for Vec<Command> {
        fn receive(&mut self, command: &Command) -> Result<(), Box<EngineError>> {
            self.push(command.clone());
            Ok(())
        }
    }

    fn decode(record: &[u8]) -> Result<Vec<Command>, EngineError> {
        let mut commands = Vec::new();
        decode_commands(record, &mut commands)?;
        Ok(commands)
    }

    #[test]
    fn commands_survive_the_wire() {
        let (order_id, account, reason) = (OrderId(1), AccountId(2), Reason::MassCancel);
        let (price, quantity, trigger) = (Ticks(3), Lots(4), Ticks(5));
        let change =
            PhaseChange { phase: Phase::Auction, account, reason, cancel_resting: true, reference: Ticks(6) };
        let actions = [
            new_order().action,
            with_terms(terms()).action,
            with_terms(Terms { display: None, ..terms() }).action,
            Action::Cancel { order_id, account, reason },
            Action::Amend(Amendment { order_id, account, price, quantity, trigger }),
            Action::RefuseAmend(Amendment { order_id, account, price, quantity, trigger }, Reason::Killed),
            refused(Terms::NONE),
            refused(terms()),
            Action::Phase(change),
            Action::Time,
            Action::MassCancel { account, side: Some(Side::Sell), reason },
            Action::MassCancel { account, side: None, reason },
        ];
        let commands = actions.map(|action| Command { action, ..new_order() });
        let bytes: Vec<u8> = commands.iter().flat_map(encode_command).collect();
        assert_eq!(decode(&bytes), Ok(commands.to_vec()));
    }

    #[test]
    fn every_byte_of_a_command_is_where_the_layout_says() {
        let record = encode_command(&with_terms(terms()));
        assert_eq!(record[..16], [1, 2, 2, 3, 5, 4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        let numbers: Vec<u8> = record[16..72].chunks(8).map(|number| number[0]).collect();
        assert_eq!(numbers, [4, 6, 7, 8, 247, 10, 251]);
        assert_eq!(record[72..80], [7, 4, 1, 3, 1, 0, 0, 0]);
        let numbers: Vec<u8> = record[80..].chunks(8).map(|number| number[0]).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn bytes_without_meaning_name_the_record_and_the_field() {
        let malformed = [
            (0, 0, "kind"),
            (0, 7, "kind"),
            (1, 0, "side"),
            (1, 3, "side"),
            (2, 0, "order_type"),
            (3, 5, "tif"),
            (4, 2, "flags"),
            (5, 5, "stp"),
            (6, 32, "reason"),
            (7, 1, "phase"),
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
    fn terms_belong_to_their_order_and_to_nothing_else() {
        let record = encode_command(&with_terms(terms()));
        for (at, byte) in [(72, 6), (73, 5), (74, 2), (75, 4), (76, 2), (77, 1), (160, 1), (215, 1)] {
            let mut malformed = record.clone();
            malformed[at] = byte;
            assert!(decode(&malformed).is_err(), "byte {at}");
        }
        let mut unsaid = encode_command(&with_terms(Terms { display: None, ..terms() }));
        unsaid[104] = 1;
        assert!(decode(&unsaid).is_err(), "a display quantity without its flag");
        for cut in [72, 144] {
            assert!(decode(&record[..cut]).is_err(), "{cut} bytes");
        }
        assert!(decode(&record[72..]).is_err(), "terms without an order");
    }
}
