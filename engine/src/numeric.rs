//! A decimal as text in the binary form of the database's NUMERIC: digits to the base 10,000, the weight of the
//! first, a sign, and how many decimal digits after the point to show.

/// More digits than any column of ours holds; NUMERIC itself would take more.
const MOST_DIGITS: usize = 1_000;
const NEGATIVE: u16 = 0x4000;

/// The parts of a printed number: `-12.50` or `1E-8`.
struct Printed<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Printed<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = exponent.parse().ok()?;
        let found = Self { negative, whole: whole.as_bytes(), fraction: fraction.as_bytes(), exponent };
        let fits = (1..=MOST_DIGITS).contains(&found.len()) && (-1_000..=1_000).contains(&exponent);
        fits.then_some(found)
    }

    const fn len(&self) -> usize {
        self.whole.len() + self.fraction.len()
    }
}

/// Appends the value, without its length; None, and nothing appended, if the text is no finite number.
pub(crate) fn put(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let printed = Printed::parse(text)?;
    // How many of the digits stand before the point; groups of four are counted from it in both directions.
    let before = i32::try_from(printed.whole.len()).ok()? + printed.exponent;
    let lead = usize::try_from((-before).rem_euclid(4)).ok()?;
    let used = (lead + printed.len()).div_ceil(4);
    let mut groups = [0_u16; MOST_DIGITS / 4 + 2];
    for (at, byte) in printed.whole.iter().chain(printed.fraction).enumerate() {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        groups[(lead + at) / 4] += u16::from(digit) * [1_000, 100, 10, 1][(lead + at) % 4];
    }
    let groups = &groups[..used];
    let first = groups.iter().position(|group| *group != 0).unwrap_or(used);
    let groups = &groups[first..groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1)];
    let (weight, sign) = match (groups, printed.negative) {
        ([], _) => (0, 0),
        (_, negative) => (before.div_euclid(4) + i32::from(lead > 0) - 1 - i32::try_from(first).ok()?, {
            if negative { NEGATIVE } else { 0 }
        }),
    };
    let scale = (i32::try_from(printed.fraction.len()).ok()? - printed.exponent).max(0);
    let head = [u16::try_from(groups.len()).ok()?, i16::try_from(weight).ok()?.cast_unsigned(), sign];
    for number in head.iter().chain([&u16::try_from(scale).ok()?]).chain(groups) {
        out.extend_from_slice(&number.to_be_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `put` wrote, read back as an integer of units of `10^-scale` and the scale.
    fn read(bytes: &[u8]) -> (i128, i32) {
        let numbers: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let [count, weight, sign, scale, ref groups @ ..] = numbers[..] else { panic!("no head") };
        assert_eq!(usize::from(count), groups.len());
        assert!(groups.first() != Some(&0) && groups.last() != Some(&0), "not in its shortest form");
        let mut units = 0_i128;
        for (place, group) in groups.iter().enumerate() {
            let zeros =
                4 * (i32::from(weight.cast_signed()) - i32::try_from(place).unwrap()) + i32::from(scale);
            let group = i128::from(*group);
            units += if zeros < 0 {
                assert_eq!(group % 10_i128.pow(zeros.unsigned_abs()), 0, "finer than its scale");
                group / 10_i128.pow(zeros.unsigned_abs())
            } else {
                group * 10_i128.pow(zeros.unsigned_abs())
            };
        }
        (if sign == NEGATIVE { -units } else { units }, i32::from(scale))
    }

    #[test]
    fn a_decimal_keeps_its_value_and_its_scale() {
        for (text, units, scale) in [
            ("0", 0, 0),
            ("-0.00", 0, 2),
            ("0E-18", 0, 18),
            ("1", 1, 0),
            ("+7", 7, 0),
            ("-1", -1, 0),
            ("12.50", 1250, 2),
            ("10000", 10_000, 0),
            ("9999.9999", 99_999_999, 4),
            ("0.0001", 1, 4),
            ("0.00001", 1, 5),
            ("0.000012345", 12_345, 9),
            ("1E+3", 1_000, 0),
            ("1.5E+1", 15, 0),
            ("12e-3", 12, 3),
            ("-1E-18", -1, 18),
            ("99999999999999999999.999999999999999999", 10_i128.pow(38) - 1, 18),
        ] {
            let mut out = Vec::new();
            assert_eq!(put(&mut out, text), Some(()), "{text}");
            assert_eq!(read(&out), (units, scale), "{text}");
        }
    }

    #[test]
    fn every_place_of_a_digit_is_right() {
        for exponent in -18..=19_i32 {
            let mut out = Vec::new();
            put(&mut out, &format!("-37E{exponent}")).unwrap();
            let scale = (-exponent).max(0);
            assert_eq!(read(&out), (-37 * 10_i128.pow((exponent + scale).unsigned_abs()), scale));
        }
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        let long = "1".repeat(1_001);
        for text in
            ["", "-", ".", "E1", "NaN", "Infinity", "1.2.3", "1 ", "--1", "1E", "1E2000", "0x1", &long]
        {
            let mut out = Vec::new();
            assert_eq!((put(&mut out, text), out.len()), (None, 0), "{text}");
        }
    }
}
