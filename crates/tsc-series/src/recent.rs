//! What is known of one series just before a row time.

use serde::{Deserialize, Serialize};

use crate::stats::between;

/// One number about the latest values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Recent {
    Carried,
    Mean,
    Std,
    Change,
}

impl Recent {
    pub(crate) const WINDOWED: [Recent; 3] = [Recent::Mean, Recent::Std, Recent::Change];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Recent::Carried => "carried",
            Recent::Mean => "recent_mean",
            Recent::Std => "recent_std",
            Recent::Change => "recent_change",
        }
    }

    /// Of a series and a row at `at`; values at or after it are passed over. NaN where too few are known.
    pub(crate) fn of(self, series: (&[i64], &[f64]), at: i64, window_ms: i64, fill_limit_ms: i64) -> f64 {
        let from = at.saturating_sub(window_ms);
        let (_, window) = between(series, from, at);
        let n = window.len() as f64;
        // 0 / 0 is NaN.
        let mean = window.iter().sum::<f64>() / n;
        match self {
            Recent::Carried => carried(series, at, fill_limit_ms),
            Recent::Mean => mean,
            Recent::Std if window.len() < 2 => f64::NAN,
            Recent::Std => {
                let squares: f64 = window.iter().map(|value| (value - mean) * (value - mean)).sum();
                (squares / (n - 1.0)).sqrt()
            }
            Recent::Change => carried(series, at, fill_limit_ms) - carried(series, from, fill_limit_ms),
        }
    }
}

/// The last value before `at`, unless it is older than the limit.
pub(crate) fn carried(series: (&[i64], &[f64]), at: i64, fill_limit_ms: i64) -> f64 {
    let (_, values) = between(series, at.saturating_sub(fill_limit_ms), at);
    values.last().copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    // S-19. NumPy 2.4.6: np.std([90, 84, 99], ddof=1).
    #[test]
    fn recent_numbers_look_back_so_far_and_not_at_the_row_time() {
        let series =
            (&[0, 5 * HOUR, 7 * HOUR, 9 * HOUR, 10 * HOUR][..], &[80.0, 90.0, 84.0, 99.0, 1000.0][..]);
        let of = |stat: Recent, at: i64| stat.of(series, at * HOUR, 6 * HOUR, 6 * HOUR);
        assert_eq!(of(Recent::Mean, 10), 91.0);
        assert!((of(Recent::Std, 10) - 7.549_834_435_270_75).abs() < 1e-13);
        // 99 now, 80 at hour 4.
        assert_eq!(of(Recent::Change, 10), 19.0);
        assert_eq!(of(Recent::Carried, 10), 99.0);
        // 10 h is known up to hour 16, and never before it was measured.
        assert_eq!(of(Recent::Carried, 16), 1000.0);
        assert!(of(Recent::Carried, 17).is_nan());
        assert!(of(Recent::Mean, 0).is_nan() && of(Recent::Std, 2).is_nan());
    }
}
