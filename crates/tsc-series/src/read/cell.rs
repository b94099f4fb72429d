//! Texts of cells to numbers and times.

/// Whether a trimmed text means "missing".
#[inline]
pub(crate) fn is_missing(text: &[u8]) -> bool {
    matches!(text, b"" | b"NA" | b"NaN" | b"null")
}

/// A number, NaN for the tokens that mean "missing", `None` for any other text.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    if let Some(number) = short_decimal(text) {
        return Some(number);
    }
    if is_missing(text) {
        return Some(f64::NAN);
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Powers of ten that are exact.
const TENS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A decimal of at most 15 digits without an exponent, correctly rounded: digits and power of ten are exact, so
/// their quotient is rounded once. Others are left to the general parser.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (mut whole, mut count, mut point) = (0u64, 0, None);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            _ => return None,
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    let number = whole as f64 / TENS[count - point.unwrap_or(count)];
    Some(if is_negative { -number } else { number })
}

/// Milliseconds of `HH:MM`, hours of any size, minutes below 60.
#[inline]
pub(crate) fn clock(text: &[u8]) -> Option<i64> {
    let [hours @ .., b':', tens, ones] = text.trim_ascii() else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    // Six digits of hours are over a century, and keep the product far from overflow.
    if !(1..=6).contains(&hours.len()) {
        return None;
    }
    let mut whole = 0;
    for &byte in hours {
        whole = whole * 10 + digit(byte)?;
    }
    let minutes = digit(*tens)? * 10 + digit(*ones)?;
    (minutes < 60).then_some((whole * 60 + minutes) * 60_000)
}

/// `HH:MM`, or a number of units of `unit_ms` milliseconds, rounded to the millisecond.
#[inline]
pub(crate) fn time(text: &[u8], unit_ms: f64) -> Option<i64> {
    clock(text).or_else(|| millis(number(text)?, unit_ms))
}

/// A number of units in milliseconds, rounded.
#[inline]
pub(crate) fn millis(number: f64, unit_ms: f64) -> Option<i64> {
    let exact = number * unit_ms;
    // Whole numbers are the rule, and rounding is a call.
    let whole = exact as i64 as f64;
    let millis = if whole == exact { whole } else { exact.round() };
    // Within 2^52 every millisecond is exact, so the cast loses nothing.
    (millis.abs() < 4_503_599_627_370_496.0).then_some(millis as i64)
}

/// Milliseconds since 1970-01-01 of `YYYY-MM`, `YYYY-MM-DD` or `YYYY-MM-DD` with a time of day.
pub(crate) fn date(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let year = digits(text, 0, 4)?;
    let month = text[4..].starts_with('-').then(|| digits(text, 5, 2))??;
    let day = match text.len() {
        7 => 1,
        _ => text[7..].starts_with('-').then(|| digits(text, 8, 2))??,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * 86_400_000;
    match text.get(10..) {
        None | Some("") => Some(midnight),
        Some(rest) => Some(midnight + time_of_day(rest.strip_prefix(['T', ' '])?)?),
    }
}

/// Days of the Gregorian calendar; years count from March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 153 days in any five months from March: 31, 30, 31, 30, 31.
    before_year + (153 * month + 2) / 5 + day - 719_469
}

/// Milliseconds of `HH:MM[:SS[.fff]]`, less an offset `Z`, `+HH`, `+HHMM` or `+HH:MM`.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', '+', '-']) {
        Some(at) => (text[..at].trim_end(), utc_offset(&text[at..])?),
        None => (text, 0),
    };
    let (hour, minute) = (digits(clock, 0, 2)?, clock[2..].starts_with(':').then(|| digits(clock, 3, 2))??);
    let seconds: f64 = match clock.get(5..) {
        None | Some("") => 0.0,
        Some(rest) => rest.strip_prefix(':').filter(|s| plain(s))?.parse().ok()?,
    };
    // A leap second is the first of the next minute.
    if hour > 23 || minute > 59 || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    Some((hour * 60 + minute) * 60_000 + (seconds * 1000.0).round() as i64 - offset)
}

fn utc_offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let hours = digits(text, 1, 2)?;
    let minutes = match text.len() {
        3 => 0,
        5 => digits(text, 3, 2)?,
        6 if text[3..].starts_with(':') => digits(text, 4, 2)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// The number in `count` digits from byte `start`; `None` if they are no digits.
fn digits(text: &str, start: usize, count: usize) -> Option<i64> {
    let part = text.get(start..start + count)?;
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
}

/// Digits with at most one point, so neither sign, exponent nor `inf`.
fn plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // S-06: the last entries of set-a are at 47:xx and 48:00.
    #[test]
    fn clock_times_go_beyond_24_hours() {
        assert_eq!(clock(b"00:00"), Some(0));
        assert_eq!(clock(b"27:37"), Some((27 * 60 + 37) * 60_000));
        assert_eq!(clock(b"48:00"), Some(172_800_000));
    }

    #[test]
    fn what_is_no_clock_time_is_refused() {
        for text in ["", "12", "1:2", "12:60", "-1:00", "1234567:00", "+1:00", "1:+1", "::", "12:000", "a:00"]
        {
            assert_eq!(clock(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_hours_is_rounded_to_the_millisecond() {
        assert_eq!(time(b"1.5", 3_600_000.0), Some(5_400_000));
        assert_eq!(time(b"-2", 3_600_000.0), Some(-7_200_000));
        assert_eq!(time(b"1:30", 3_600_000.0), Some(5_400_000));
        for text in ["", "nan", "inf", "1e300", "2024-01-01"] {
            assert_eq!(time(text.as_bytes(), 3_600_000.0), None, "{text:?}");
        }
    }

    // S-05: missing tokens are no parse errors.
    #[test]
    fn missing_tokens_are_nan_and_other_texts_are_no_number() {
        for text in ["", " ", "NA", "NaN", "null", "inf"] {
            assert!(number(text.as_bytes()).is_some_and(|v| !v.is_finite()), "{text:?}");
        }
        assert_eq!(number(b" 1e3 "), Some(1000.0));
        for text in ["1,5", "> 5", "8J094", "0x10"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    // Expected: Python 3.11, datetime with tzinfo UTC, .timestamp().
    #[test]
    fn dates_count_from_1970() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("1900-03-01", -2_203_891_200_000),
            ("0001-01-01", -62_135_596_800_000),
            ("9999-12-31", 253_402_214_400_000),
            ("2024-03-31T23:59:59.999Z", 1_711_929_599_999),
            ("2024-03-31 12:30 -0530", 1_711_908_000_000),
        ] {
            assert_eq!(date(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2024",
            "2024-13",
            "2024-00-01",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "24-01-01",
            "2024/01/01",
            "2024-01-01X10:00",
            "2024-01-01T24:00",
            "2024-01-01T10",
            "2024-01-01T10:00+25",
            "2024-01-01T10:00:1e1",
            "2024-01-01T10:00:",
            "ü024-01-01",
            "2024-01-0ü",
            "2024-01-01T10:00+1:00",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        /// Peer: the general parser of the standard library.
        #[test]
        fn short_decimals_are_rounded_as_the_general_parser_rounds(text in "-?[0-9]{0,16}(\\.[0-9]{0,16})?") {
            let expected: Option<f64> = text.parse().ok();
            if let Some(number) = short_decimal(text.as_bytes()) {
                prop_assert_eq!(Some(number.to_bits()), expected.map(f64::to_bits));
            }
            if !text.is_empty() {
                prop_assert_eq!(number(text.as_bytes()), expected);
            }
        }
    }
}
