//! Reading records: every field that has no meaning is an error that names it.

use crate::error::EngineError;

/// One record of a buffer, and which one it is.
pub(crate) struct Record<'a, const SIZE: usize> {
    bytes: &'a [u8; SIZE],
    number: usize,
}

/// A buffer that is read record by record.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Cursor<'a> {
    /// Every record takes a multiple of `size` bytes.
    pub(crate) fn new(bytes: &'a [u8], size: usize) -> Result<Self, EngineError> {
        if bytes.len().is_multiple_of(size) {
            Ok(Self { rest: bytes, number: 0 })
        } else {
            Err(EngineError::Length { given: bytes.len(), record: size })
        }
    }

    /// The next record, if there are so many bytes.
    #[inline]
    pub(crate) fn next<const SIZE: usize>(&mut self) -> Option<Record<'a, SIZE>> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        let record = Record { bytes, number: self.number };
        self.rest = rest;
        self.number += 1;
        Some(record)
    }
}

impl<const SIZE: usize> Record<'_, SIZE> {
    #[inline]
    pub(crate) const fn u8(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    #[inline]
    pub(crate) fn u32(&self, at: usize) -> u32 {
        self.bytes[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn i64(&self, at: usize) -> i64 {
        self.bytes[at..].first_chunk().copied().map_or(0, i64::from_le_bytes)
    }

    /// A number of at least `min`; as ids are stored signed, an unsigned one above 2^63-1 is refused too.
    #[inline]
    pub(crate) fn number(&self, at: usize, field: &'static str, min: i64) -> Result<i64, EngineError> {
        let value = self.i64(at);
        if value < min { Err(self.bad(field, value.cast_unsigned())) } else { Ok(value) }
    }

    #[inline]
    pub(crate) fn code<T>(
        &self,
        at: usize,
        field: &'static str,
        from_code: impl Fn(u8) -> Option<T>,
    ) -> Result<T, EngineError> {
        from_code(self.u8(at)).ok_or_else(|| self.bad(field, self.u8(at).into()))
    }

    /// A code where zero means none.
    #[inline]
    pub(crate) fn optional<T>(
        &self,
        at: usize,
        field: &'static str,
        from_code: impl Fn(u8) -> Option<T>,
    ) -> Result<Option<T>, EngineError> {
        if self.u8(at) == 0 { Ok(None) } else { self.code(at, field, from_code).map(Some) }
    }

    #[inline]
    pub(crate) fn flags(&self, at: usize, allowed: u8) -> Result<u8, EngineError> {
        let flags = self.u8(at);
        if flags & !allowed == 0 { Ok(flags) } else { Err(self.bad("flags", flags.into())) }
    }

    #[inline]
    pub(crate) fn zero(&self, at: usize, size: usize, field: &'static str) -> Result<(), EngineError> {
        let all = &self.bytes[at..at + size];
        let (words, bytes) = all.as_chunks::<8>();
        let any_word = words.iter().fold(0, |any, &word| any | u64::from_le_bytes(word));
        let any_byte = bytes.iter().fold(0, |any, byte| any | byte);
        if any_word == 0 && any_byte == 0 {
            return Ok(());
        }
        let first = all.iter().find(|&&byte| byte != 0).copied().unwrap_or_default();
        Err(self.bad(field, first.into()))
    }

    #[cold]
    pub(crate) const fn bad(&self, field: &'static str, value: u64) -> EngineError {
        EngineError::Field { record: self.number, field, value }
    }
}
