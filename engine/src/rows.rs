//! Rows as the database reads them fastest: the binary format of COPY, see its documentation, "Binary Format".
//! As text, each number of a batch would be printed on one side and parsed on the other.

use crate::codec::EVENT_SIZE;
use crate::error::EngineError;
use crate::numeric;
use crate::record::{Cursor, Record};

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const NULL: i32 = -1;
const JSONB_VERSION: u8 = 1;
/// Microseconds from 1970, where ours begin, to 2000, where the database's begin.
const EPOCH: i64 = 946_684_800_000_000;
/// An event's id is its instrument above so many bits of its seq.
const SEQ_BITS: u32 = 40;
const EVENT_COLUMNS: i16 = 19;

/// A buffer of rows. Each row begins with `begin`; each of its columns is then put by one other call.
pub struct Rows {
    out: Vec<u8>,
}

impl Rows {
    /// An empty buffer, with room for about so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(HEADER);
        Self { out }
    }

    /// A row of so many columns.
    pub fn begin(&mut self, columns: i16) {
        self.out.extend_from_slice(&columns.to_be_bytes());
    }

    /// NULL of any type.
    pub fn null(&mut self) {
        self.out.extend_from_slice(&NULL.to_be_bytes());
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(&1_i32.to_be_bytes());
        self.out.push(value.into());
    }

    /// A smallint.
    pub fn small(&mut self, value: i16) {
        self.out.extend_from_slice(&2_i32.to_be_bytes());
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// An integer.
    pub fn integer(&mut self, value: i32) {
        self.out.extend_from_slice(&4_i32.to_be_bytes());
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A bigint.
    pub fn big(&mut self, value: i64) {
        self.out.extend_from_slice(&8_i32.to_be_bytes());
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A timestamptz, from microseconds since 1970.
    pub fn moment(&mut self, micros: i64) {
        self.big(micros.saturating_sub(EPOCH));
    }

    /// A text or varchar; None if it is too long to say so.
    pub fn text(&mut self, value: &str) -> Option<()> {
        self.out.extend_from_slice(&i32::try_from(value.len()).ok()?.to_be_bytes());
        self.out.extend_from_slice(value.as_bytes());
        Some(())
    }

    /// A jsonb, from its text; None if it is too long to say so.
    pub fn json(&mut self, text: &str) -> Option<()> {
        self.out.extend_from_slice(&i32::try_from(text.len() + 1).ok()?.to_be_bytes());
        self.out.push(JSONB_VERSION);
        self.out.extend_from_slice(text.as_bytes());
        Some(())
    }

    /// A numeric, from its digits as in `-12.50` or `1E-8`; None if that is no finite number.
    pub fn numeric(&mut self, printed: &str) -> Option<()> {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        numeric::put(&mut self.out, printed)?;
        let length = i32::try_from(self.out.len() - start - 4).ok()?;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Some(())
    }

    /// The finished buffer.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&TRAILER.to_be_bytes());
        self.out
    }

    /// An EVENT record as a row of `orders_event`, in the order of its columns.
    fn event(&mut self, event: &Record<'_, EVENT_SIZE>, epoch: i64) -> Option<()> {
        let (instrument, seq) = (event.u32(4), event.i64(8));
        self.begin(EVENT_COLUMNS);
        self.big(i64::from(instrument) << SEQ_BITS | seq);
        self.moment(event.i64(96));
        self.integer(i32::try_from(instrument).ok()?);
        self.big(seq);
        self.big(event.i64(16)); // the command
        for at in 0..4 {
            self.small(event.u8(at).into()); // kind, reason, side, flags
        }
        for at in (24..96).step_by(8) {
            self.big(event.i64(at)); // both orders with their owners, price, quantity, leaves twice, priority
        }
        self.big(epoch);
        Some(())
    }
}

/// EVENT records as rows of `orders_event`, written under `epoch`.
///
/// # Errors
/// When the bytes are not whole records, or an instrument is not one.
pub fn event_rows(records: &[u8], epoch: i64) -> Result<Vec<u8>, EngineError> {
    let mut rows = Rows::with_capacity(2 * records.len());
    let mut cursor = Cursor::new(records, EVENT_SIZE)?;
    while let Some(record) = cursor.next() {
        rows.event(&record, epoch).ok_or_else(|| *record.bad("instrument", record.u32(4).into()))?;
    }
    Ok(rows.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind};
    use crate::types::{InstrumentId, Micros, Reason, Seq};

    #[test]
    fn every_type_has_its_length_and_its_bytes() {
        let mut rows = Rows::with_capacity(0);
        rows.begin(8);
        rows.null();
        rows.boolean(true);
        rows.small(-2);
        rows.integer(3);
        rows.moment(EPOCH + 5);
        assert_eq!((rows.text("no"), rows.numeric("-7"), rows.json("{}")), (Some(()), Some(()), Some(())));
        let expected: [&[u8]; 11] = [
            HEADER,
            &[0, 8],
            &[255, 255, 255, 255],
            &[0, 0, 0, 1, 1],
            &[0, 0, 0, 2, 255, 254],
            &[0, 0, 0, 4, 0, 0, 0, 3],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 0, 0, 2, b'n', b'o'],
            &[0, 0, 0, 10, 0, 1, 0, 0, 64, 0, 0, 0, 0, 7],
            &[0, 0, 0, 3, 1, b'{', b'}'],
            &[255, 255],
        ];
        assert_eq!(rows.finish(), expected.concat());
    }

    #[test]
    fn an_event_is_one_row_of_nineteen_columns() {
        let event = Event {
            instrument: InstrumentId(3),
            seq: Seq(4),
            time: Micros(EPOCH),
            ..Event::of(EventKind::Time, Reason::None)
        };
        let rows = event_rows(&event.encode(), 9).unwrap();
        // Nineteen lengths; twelve bigints, a moment and the epoch; one integer; four smallints.
        assert_eq!(rows.len(), HEADER.len() + 2 + 19 * 4 + 14 * 8 + 4 + 4 * 2 + 2);
        assert_eq!(rows[HEADER.len()..][..14], [0, 19, 0, 0, 0, 8, 0, 0, 3, 0, 0, 0, 0, 4]);
        assert!(event_rows(&[0; EVENT_SIZE - 1], 9).is_err());
    }
}
