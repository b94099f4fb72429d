//! Median, spread and range of one series before a row time.

use serde::{Deserialize, Serialize};

/// One number from the sorted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Robust {
    Median,
    Iqr,
    Range,
}

impl Robust {
    pub(crate) const ALL: [Robust; 3] = [Robust::Median, Robust::Iqr, Robust::Range];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Robust::Median => "median",
            Robust::Iqr => "iqr",
            Robust::Range => "range",
        }
    }

    /// Of rising values; NaN if there are none.
    pub(crate) fn of(self, sorted: &[f64]) -> f64 {
        match self {
            Robust::Median => quantile(sorted, 0.5),
            Robust::Iqr => quantile(sorted, 0.75) - quantile(sorted, 0.25),
            Robust::Range => quantile(sorted, 1.0) - quantile(sorted, 0.0),
        }
    }
}

/// Linear quantile of rising values, as NumPy's default; NaN if there are none.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = q * last as f64;
    let below = position.floor();
    let (low, high) = (sorted[below as usize], sorted[(below as usize + 1).min(last)]);
    low + (high - low) * (position - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    // S-19. NumPy 2.4.6: y = [82, 90, 85, 97, 91, 60]; np.median(y), np.subtract(*np.quantile(y, [.75, .25])),
    // np.ptp(y).
    #[test]
    fn robust_numbers_equal_numpy() {
        let sorted = [60.0, 82.0, 85.0, 90.0, 91.0, 97.0];
        assert_eq!(Robust::ALL.map(|stat| stat.of(&sorted)), [87.5, 8.0, 37.0]);
        assert_eq!(Robust::ALL.map(|stat| stat.of(&[5.0])), [5.0, 0.0, 0.0]);
        assert!(Robust::Median.of(&[]).is_nan());
    }
}
