//! How numbers, times and foreign text are written: the same bytes everywhere.

use tsc_core::Timestamp;

pub(crate) const UNDEFINED: &str = "not defined";

/// Four significant digits; `not defined` for `None` and non-finite values, never 0.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return UNDEFINED.into() };
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..9.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    // Bounded above: -4 <= magnitude < 9.
    let decimals = (3.0 - magnitude).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { grouped(&text) }
}

/// A count with thin groups of three: `12 345`.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        // From four digits on; 2012 and 1 000 must not look like different kinds of number.
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A share as percent with at most one decimal; `not defined` for `None`.
pub(crate) fn percent(share: Option<f64>) -> String {
    match share.filter(|v| v.is_finite()) {
        Some(share) => {
            let text = format!("{:.1}", 100.0 * share);
            format!("{}\u{202f}%", text.strip_suffix(".0").unwrap_or(&text))
        }
        None => UNDEFINED.into(),
    }
}

/// `2012-03-04 05:06 UTC`; times before 1980 are relative: `day 3, 05:06`.
pub(crate) fn when(at: Timestamp) -> String {
    const DAY_MS: i64 = 86_400_000;
    const YEAR_1980: i64 = 315_532_800_000;
    let (day, in_day) = (at.0.div_euclid(DAY_MS), at.0.rem_euclid(DAY_MS));
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    if at.0 < YEAR_1980 {
        return format!("day {day}, {hour:02}:{minute:02}");
    }
    let (year, month, date) = civil(day);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02} UTC")
}

// Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, date)
}

/// At most `max` characters, control characters replaced: safe in XML once escaped.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let mut out: String = text.chars().take(max).map(|c| if bad(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

/// Escaped for XML and HTML, in text and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_significant_digits_and_never_invent_a_zero() {
        let check = |value: f64, expected: &str| assert_eq!(number(Some(value)), expected);
        check(4.207_59, "4.208");
        check(-0.012_345, "-0.01235");
        check(1234.5, "1\u{202f}234");
        check(100.0, "100");
        check(1e-9, "1.000e-9");
        check(2.5e12, "2.500e12");
        check(0.0, "0");
        assert_eq!(number(None), "not defined");
        assert_eq!(number(Some(f64::NAN)), "not defined");
    }

    #[test]
    fn counts_and_shares_are_grouped_and_rounded() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(Some(0.3)), "30\u{202f}%");
        assert_eq!(percent(Some(0.0456)), "4.6\u{202f}%");
        assert_eq!(percent(None), "not defined");
    }

    #[test]
    fn times_are_written_in_utc_and_small_ones_as_days() {
        // `date -u -d @1709164800`, the day before a leap day's end, and a century rule.
        assert_eq!(when(Timestamp(1_709_164_800_000)), "2024-02-29 00:00 UTC");
        assert_eq!(when(Timestamp(951_782_340_000)), "2000-02-28 23:59 UTC");
        assert_eq!(when(Timestamp(4_107_542_399_000)), "2100-02-28 23:59 UTC");
        assert_eq!(when(Timestamp(3 * 86_400_000 + 5 * 3_600_000 + 6 * 60_000)), "day 3, 05:06");
        assert_eq!(when(Timestamp(i64::MIN)).split(',').count(), 2);
        assert!(when(Timestamp(i64::MAX)).ends_with("UTC"));
    }

    #[test]
    fn foreign_text_is_cut_cleaned_and_escaped() {
        assert_eq!(plain("heart\u{0}rate\n", 20), "heart\u{fffd}rate\u{fffd}");
        assert_eq!(plain("äöüß", 2), "äö…");
        assert_eq!(escape("<a b=\"c\">'&"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;");
    }
}
