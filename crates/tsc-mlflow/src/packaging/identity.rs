//! What an `MLmodel` file says about the model that it belongs to.

use std::borrow::Cow;

/// Marks a file that is completed when the model is logged: only then are its ids known.
pub(super) const MARK: &str = "# identity is added when the model is logged\n";

/// The model a package becomes.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) model_id: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) artifact_path: &'a str,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
}

/// The file as it is stored: a packaged `MLmodel` with its identity, anything else unchanged.
pub(crate) fn with_identity<'a>(path: &str, bytes: &'a [u8], identity: &Identity<'_>) -> Cow<'a, [u8]> {
    if path != "MLmodel" || !bytes.ends_with(MARK.as_bytes()) {
        return Cow::Borrowed(bytes);
    }
    let Identity { model_id, run_id, artifact_path, at } = identity;
    let lines = format!(
        "artifact_path: {}\nmodel_id: {model_id}\nmodel_uuid: {}\nrun_id: {run_id}\nutc_time_created: '{}'\n",
        quoted(artifact_path),
        model_id.trim_start_matches("m-"),
        utc(*at)
    );
    Cow::Owned([&bytes[..bytes.len() - MARK.len()], lines.as_bytes()].concat())
}

/// A YAML string that means `text` and nothing else.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().any(char::is_control) {
        // JSON strings are YAML strings.
        serde_json::Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// `2026-01-31 23:59:59.123000`, as MLflow writes it.
fn utc(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (second, ms) = (of_day / 1_000, of_day % 1_000);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{ms:03}000",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// Date of a day number since 1970-01-01, after Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `date -u -d @…` of GNU coreutils.
    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000000");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00.000000");
        assert_eq!(utc(1_700_000_000_123), "2023-11-14 22:13:20.123000");
        assert_eq!(utc(-1), "1969-12-31 23:59:59.999000");
    }

    #[test]
    fn only_a_marked_mlmodel_file_is_completed() {
        let identity = Identity { model_id: "m-ab", run_id: "r", artifact_path: "/it's", at: 0 };
        let plain = b"flavors: {}";
        assert_eq!(&*with_identity("MLmodel", plain, &identity), plain);
        let marked = format!("flavors: {{}}\n{MARK}");
        assert_eq!(&*with_identity("x/MLmodel", marked.as_bytes(), &identity), marked.as_bytes());
        let completed = with_identity("MLmodel", marked.as_bytes(), &identity);
        assert_eq!(
            std::str::from_utf8(&completed).unwrap(),
            "flavors: {}\nartifact_path: '/it''s'\nmodel_id: m-ab\nmodel_uuid: ab\nrun_id: r\n\
             utc_time_created: '1970-01-01 00:00:00.000000'\n"
        );
    }
}
