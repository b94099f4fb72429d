//! Texts of cells to numbers and times.

/// A number, NaN for the tokens that mean "missing", `None` for any other text.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text {
        "" | "NA" | "NaN" | "null" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

/// Milliseconds of `HH:MM`, hours of any size, minutes below 60.
pub(crate) fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    // Six digits of hours are over a century, and keep the product far from overflow.
    if !(1..=6).contains(&hours.len()) || minutes.len() != 2 || !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60).then_some((hours * 60 + minutes) * 60_000)
}

/// `HH:MM`, or a number of units of `unit_ms` milliseconds, rounded to the millisecond.
pub(crate) fn time(text: &str, unit_ms: f64) -> Option<i64> {
    if text.contains(':') {
        return clock(text);
    }
    let millis = (text.trim().parse::<f64>().ok()? * unit_ms).round();
    // Within 2^52 every millisecond is exact, so the cast loses nothing.
    (millis.abs() < 4_503_599_627_370_496.0).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-06: the last entries of set-a are at 47:xx and 48:00.
    #[test]
    fn clock_times_go_beyond_24_hours() {
        assert_eq!(clock("00:00"), Some(0));
        assert_eq!(clock("27:37"), Some((27 * 60 + 37) * 60_000));
        assert_eq!(clock("48:00"), Some(172_800_000));
    }

    #[test]
    fn what_is_no_clock_time_is_refused() {
        for text in ["", "12", "1:2", "12:60", "-1:00", "1234567:00", "+1:00", "1:+1", "::", "12:000", "a:00"]
        {
            assert_eq!(clock(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_hours_is_rounded_to_the_millisecond() {
        assert_eq!(time("1.5", 3_600_000.0), Some(5_400_000));
        assert_eq!(time("-2", 3_600_000.0), Some(-7_200_000));
        assert_eq!(time("1:30", 3_600_000.0), Some(5_400_000));
        for text in ["", "nan", "inf", "1e300", "2024-01-01"] {
            assert_eq!(time(text, 3_600_000.0), None, "{text:?}");
        }
    }

    // S-05: missing tokens are no parse errors.
    #[test]
    fn missing_tokens_are_nan_and_other_texts_are_no_number() {
        for text in ["", " ", "NA", "NaN", "null", "inf"] {
            assert!(number(text).is_some_and(|v| !v.is_finite()), "{text:?}");
        }
        assert_eq!(number(" 1e3 "), Some(1000.0));
        for text in ["1,5", "> 5", "8J094", "0x10"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
