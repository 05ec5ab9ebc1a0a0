//! Reading fixed-size records: every field that has no meaning is an error that names it.

use crate::error::EngineError;

/// One record of a buffer, and which one it is.
pub(crate) struct Record<'a> {
    bytes: &'a [u8],
    number: usize,
}

/// Cuts a buffer into records.
pub(crate) fn records(bytes: &[u8], size: usize) -> Result<impl Iterator<Item = Record<'_>>, EngineError> {
    if !bytes.len().is_multiple_of(size) {
        return Err(EngineError::Length { given: bytes.len(), record: size });
    }
    Ok(bytes.chunks_exact(size).enumerate().map(|(number, bytes)| Record { bytes, number }))
}

impl Record<'_> {
    fn array<const SIZE: usize>(&self, at: usize) -> [u8; SIZE] {
        let mut array = [0; SIZE];
        array.copy_from_slice(&self.bytes[at..at + SIZE]);
        array
    }

    pub(crate) fn u8(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(crate) fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.array(at))
    }

    /// A number of at least `min`; as ids are stored signed, an unsigned one above 2^63-1 is refused too.
    pub(crate) fn number(&self, at: usize, field: &'static str, min: i64) -> Result<i64, EngineError> {
        let value = self.i64(at);
        if value < min { Err(self.bad(field, value.cast_unsigned())) } else { Ok(value) }
    }

    pub(crate) fn code<T>(
        &self,
        at: usize,
        field: &'static str,
        from_code: impl Fn(u8) -> Option<T>,
    ) -> Result<T, EngineError> {
        from_code(self.u8(at)).ok_or_else(|| self.bad(field, self.u8(at).into()))
    }

    pub(crate) fn zero(&self, at: usize, size: usize, field: &'static str) -> Result<(), EngineError> {
        let nonzero = self.bytes[at..at + size].iter().find(|&&byte| byte != 0);
        nonzero.map_or(Ok(()), |&byte| Err(self.bad(field, byte.into())))
    }

    pub(crate) const fn bad(&self, field: &'static str, value: u64) -> EngineError {
        EngineError::Field { record: self.number, field, value }
    }
}
