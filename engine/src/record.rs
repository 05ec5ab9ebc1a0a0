//! Reading records: every field that has no meaning is an error that names it. Errors are boxed here: as what
//! passes is all that has to be quick, it must not make room for them.

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
    pub(crate) fn new(bytes: &'a [u8], size: usize) -> Result<Self, Box<EngineError>> {
        if bytes.len().is_multiple_of(size) {
            Ok(Self { rest: bytes, number: 0 })
        } else {
            Err(Box::new(EngineError::Length { given: bytes.len(), record: size }))
        }
    }

    /// The next record, if there are so many bytes.
    #[inline]
    pub(crate) fn next<const SIZE: usize>(&mut self) -> Option<Record<'a, SIZE>> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        let record = Record { bytes, number: self.number };
        self.rest = rest;
        self.number = self.number.wrapping_add(1);
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
    pub(crate) fn number(&self, at: usize, field: &'static str, min: i64) -> Result<i64, Box<EngineError>> {
        let value = self.i64(at);
        if value < min { Err(self.bad(field, value.cast_unsigned())) } else { Ok(value) }
    }

    #[inline]
    pub(crate) fn code<T>(
        &self,
        at: usize,
        field: &'static str,
        from_code: impl Fn(u8) -> Option<T>,
    ) -> Result<T, Box<EngineError>> {
        from_code(self.u8(at)).ok_or_else(|| self.bad(field, self.u8(at).into()))
    }

    /// A code where zero means none.
    #[inline]
    pub(crate) fn optional<T>(
        &self,
        at: usize,
        field: &'static str,
        from_code: impl Fn(u8) -> Option<T>,
    ) -> Result<Option<T>, Box<EngineError>> {
        if self.u8(at) == 0 { Ok(None) } else { self.code(at, field, from_code).map(Some) }
    }

    #[inline]
    pub(crate) fn flags(&self, at: usize, allowed: u8) -> Result<u8, Box<EngineError>> {
        let flags = self.u8(at);
        if flags & !allowed == 0 { Ok(flags) } else { Err(self.bad("flags", flags.into())) }
    }

    /// Looks at whole words, so that few instructions are left of it once the compiler knows the place.
    #[inline]
    pub(crate) fn zero(&self, at: usize, size: usize, field: &'static str) -> Result<(), Box<EngineError>> {
        let (words, _) = self.bytes.as_chunks::<8>();
        let of_the_word = |number: usize| ones(at + size, 8 * number) & !ones(at, 8 * number);
        let numbered = words.iter().enumerate();
        let any =
            numbered.fold(0, |any, (number, &word)| any | u64::from_le_bytes(word) & of_the_word(number));
        if any == 0 { Ok(()) } else { Err(self.not_zero(at, size, field)) }
    }

    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "what passes must not make room for errors")]
    fn not_zero(&self, at: usize, size: usize, field: &'static str) -> Box<EngineError> {
        let first = self.bytes[at..at + size].iter().find(|&&byte| byte != 0);
        self.bad(field, first.copied().unwrap_or_default().into())
    }

    #[cold]
    #[expect(clippy::unnecessary_box_returns, reason = "what passes must not make room for errors")]
    pub(crate) fn bad(&self, field: &'static str, value: u64) -> Box<EngineError> {
        Box::new(EngineError::Field { record: self.number, field, value })
    }
}

/// All bits of those bytes before `end` that belong to the word at `word`.
#[inline]
const fn ones(end: usize, word: usize) -> u64 {
    match end.saturating_sub(word) {
        0 => 0,
        bytes @ 1..8 => (1 << (8 * bytes)) - 1,
        _ => u64::MAX,
    }
}
