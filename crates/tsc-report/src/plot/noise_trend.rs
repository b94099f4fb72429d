use serde::{Deserialize, Serialize};

use super::check_columns;
use crate::text::{count, percent};

/// Noise of each batch before the fallback, with threshold, control band and retrains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseTrend {
    /// Numbers of the batches, rising.
    pub batches: Vec<u64>,
    /// Noise of each batch, 0..=1, before the fallback.
    pub noise_ratios: Vec<f64>,
    /// At and above it the policy counts a breach.
    pub threshold: Option<f64>,
    /// Noise of held-out training rows.
    pub baseline: Option<f64>,
    /// Lower control limit of each batch, 0..=1; empty where there is no chart.
    pub lower: Vec<f64>,
    /// Upper control limit of each batch, 0..=1; empty where there is no chart.
    pub upper: Vec<f64>,
    /// Batches after which new models began to serve.
    pub retrained_after: Vec<u64>,
}

/// The newest batches tell what goes on; older ones would only blur the line.
const MAX_BATCHES: usize = 500;

impl NoiseTrend {
    /// The newest 500 batches and what belongs to them.
    pub(crate) fn newest(&self) -> Self {
        let from = self.batches.len().saturating_sub(MAX_BATCHES);
        let cut = |column: &[f64]| column.get(from..).unwrap_or_default().to_vec();
        let first = self.batches.get(from).copied().unwrap_or(0);
        let last = self.batches.last().copied().unwrap_or(0);
        Self {
            batches: self.batches[from..].to_vec(),
            noise_ratios: cut(&self.noise_ratios),
            lower: cut(&self.lower),
            upper: cut(&self.upper),
            retrained_after: self
                .retrained_after
                .iter()
                .copied()
                .filter(|b| (first..=last).contains(b))
                .collect(),
            ..*self
        }
    }

    /// Whether there is a control band to draw.
    pub(super) fn has_band(&self) -> bool {
        !self.lower.is_empty()
    }

    pub(super) fn missing(&self) -> Option<String> {
        let n = self.batches.len();
        let mut columns = vec![("noise ratio", self.noise_ratios.as_slice())];
        if self.has_band() || !self.upper.is_empty() {
            columns.extend([("lower limit", self.lower.as_slice()), ("upper limit", self.upper.as_slice())]);
        }
        check_columns("batch", &columns, n).or_else(|| self.outside())
    }

    fn outside(&self) -> Option<String> {
        let share = |v: &f64| (0.0..=1.0).contains(v);
        let columns =
            [("noise ratio", &self.noise_ratios), ("lower limit", &self.lower), ("upper limit", &self.upper)];
        let column = columns.iter().find_map(|(name, column)| {
            let at = column.iter().position(|v| !share(v))?;
            Some(format!("{name} {at} is {}, must lie in 0..=1", column[at]))
        });
        let lines = [("threshold", self.threshold), ("baseline", self.baseline)];
        column.or_else(|| {
            let (name, value) = lines.iter().find(|(_, v)| v.is_some_and(|v| !share(&v)))?;
            Some(format!("the {name} is {}, must lie in 0..=1", (*value)?))
        })
    }

    pub(super) fn caption(&self) -> String {
        let shown = self.batches.len().min(MAX_BATCHES) as u64;
        let mut text = match self.batches.len() as u64 {
            all if all > shown => format!("The newest {} of {} batches.", count(shown), count(all)),
            1 => "The only batch.".into(),
            all => format!("All {} batches.", count(all)),
        };
        if let Some(last) = self.noise_ratios.last() {
            text.push_str(&format!(" The last batch has {} noise", percent(Some(*last))));
            match self.threshold {
                Some(threshold) => {
                    text.push_str(&format!(", the threshold is {}.", percent(Some(threshold))))
                }
                None => text.push('.'),
            }
        }
        if let Some(baseline) = self.baseline {
            text.push_str(&format!(" Dotted: noise of held-out training rows, {}.", percent(Some(baseline))));
        }
        if self.has_band() {
            text.push_str(" Grey band: control limits.");
        }
        if !self.newest().retrained_after.is_empty() {
            text.push_str(" Vertical lines: new models from there on.");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_batches_the_newest_are_drawn_and_counted() {
        let trend = NoiseTrend {
            batches: (1..=1200).collect(),
            noise_ratios: (0..1200).map(|i| f64::from(i) / 1200.0).collect(),
            threshold: Some(0.3),
            retrained_after: vec![10, 900],
            ..NoiseTrend::default()
        };
        let newest = trend.newest();
        assert_eq!((newest.batches[0], newest.batches.len(), newest.retrained_after), (701, 500, vec![900]));
        assert_eq!(newest.noise_ratios[0], 700.0 / 1200.0);
        let expected = "The newest 500 of 1\u{202f}200 batches. The last batch has 99.9\u{202f}% noise, \
                        the threshold is 30\u{202f}%. Vertical lines: new models from there on.";
        assert_eq!(trend.caption(), expected);
    }

    #[test]
    fn a_trend_that_cannot_be_drawn_says_why() {
        assert_eq!(NoiseTrend::default().missing().unwrap(), "there is no batch");
        let one = NoiseTrend { batches: vec![1], noise_ratios: vec![0.1], ..NoiseTrend::default() };
        assert_eq!(one.missing(), None);
        let band = NoiseTrend { upper: vec![0.2], ..one.clone() };
        assert_eq!(band.missing().unwrap(), "lower limit has 0 entries for 1 of batch");
        let above = NoiseTrend { noise_ratios: vec![1.5], ..one.clone() };
        assert_eq!(above.missing().unwrap(), "noise ratio 0 is 1.5, must lie in 0..=1");
        let threshold = NoiseTrend { threshold: Some(f64::NAN), ..one };
        assert_eq!(threshold.missing().unwrap(), "the threshold is NaN, must lie in 0..=1");
    }
}
