use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Result, Stage, Violation, all_valid};

use crate::AnyOf;
use crate::policy::{Every, NoiseThreshold};

/// When a retrain that is due runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrainMode {
    /// Inside the call that noticed it.
    #[default]
    Inline,
    /// On its own thread; the swap is at the next call.
    Background,
    /// Only when the caller asks for it.
    OnRequest,
}

/// When to retrain: table `retraining`.
///
/// # Examples
///
/// ```
/// use tsc_retrain::RetrainParams;
/// let params: RetrainParams = serde_json::from_str(r#"{"schedule": "24h", "noise_margin": "off"}"#)?;
/// assert!(params.check().is_empty() && params.noise_margin.is_none());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrainParams {
    /// Where a retrain runs. Default `inline`.
    pub mode: RetrainMode,
    /// Batches in a row at or above the bar that start a retrain, at least 1, default 3. Larger waits longer.
    pub consecutive_breaches: u32,
    /// One batch at or above this many times the bar starts a retrain at once, at least 1, default 1.5.
    /// Larger waits for more noise.
    pub severe_factor: f64,
    /// Noise over the held-out training noise that is tolerated, 0..=1, default 0.10; larger retrains less.
    /// `None` (`"off"`) makes `noise_threshold` alone the bar.
    #[serde(with = "or_off")]
    pub noise_margin: Option<f64>,
    /// Pause after a successful retrain, default 1 h. Larger retrains less often.
    pub min_interval: Millis,
    /// Pause after a failed or rejected retrain, default 5 min, doubled after each further one.
    pub backoff_initial: Millis,
    /// Longest such pause, at least `backoff_initial`, default 7 days.
    pub backoff_max: Millis,
    /// Interval of scheduled retrains, above 0; `None` (`"off"`, the default) for none.
    #[serde(with = "or_off")]
    pub schedule: Option<Millis>,
    /// When a challenger replaces the champion.
    pub gate: GateParams,
}

impl Default for RetrainParams {
    fn default() -> Self {
        Self {
            mode: RetrainMode::Inline,
            consecutive_breaches: 3,
            severe_factor: 1.5,
            noise_margin: Some(0.10),
            min_interval: Millis(3_600_000),
            backoff_initial: Millis(300_000),
            backoff_max: Millis(7 * 86_400_000),
            schedule: None,
            gate: GateParams::default(),
        }
    }
}

impl RetrainParams {
    /// Every broken bound, with its key path inside the table.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.consecutive_breaches < 1 {
            found.push(Violation::new("consecutive_breaches", "is 0, must be at least 1"));
        }
        at_least(&mut found, "severe_factor", self.severe_factor, 1.0);
        if let Some(margin) = self.noise_margin {
            ratio(&mut found, "noise_margin", margin);
        }
        if self.backoff_initial > self.backoff_max {
            found.push(Violation::new(
                "backoff_initial",
                format!("is {}, must be at most backoff_max, {}", self.backoff_initial, self.backoff_max),
            ));
        }
        if self.schedule == Some(Millis(0)) {
            found.push(Violation::new("schedule", "is 0s, must be above 0 or \"off\""));
        }
        let gate = self.gate.check().into_iter();
        found.extend(gate.map(|v| Violation::new(format!("gate.{}", v.path), v.message)));
        found
    }

    /// The policy these parameters describe: noise, and the schedule if there is one.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken bound.
    pub fn policy(&self, noise_threshold: f64) -> Result<AnyOf> {
        let mut children: Vec<Box<dyn tsc_core::RetrainPolicy>> =
            vec![Box::new(NoiseThreshold::new(self, noise_threshold)?)];
        if let Some(interval) = self.schedule {
            children.push(Box::new(Every::new(interval)?));
        }
        AnyOf::new(children)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        all_valid(&self.check(), Stage::Retraining, CONFIG)
    }
}

/// Code of a configuration that cannot be used.
pub(crate) const CONFIG: &str = "TSC-RTR-001";

/// When a challenger replaces the champion: table `retraining.gate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateParams {
    /// Largest loss of the challenger over the champion's, mean squared error, above 0, default 1.01.
    pub max_loss_ratio: f64,
    /// Largest rise of the noise ratio, 0..=1, default 0.05.
    pub max_noise_rise: f64,
    /// Clusters with fewer held-out rows are not judged on their own, at least 2, default 50.
    pub segment_rows: u64,
    /// Relative rise of a cluster's loss that counts, at least 0, default 0.10.
    pub segment_loss_rise: f64,
    /// Level at which such a rise is believed, over all clusters together, 0..=1, default 0.05.
    pub segment_alpha: f64,
    /// One-sided level of the test for a better loss, 0..=1, default 0.05. Smaller promotes less.
    pub alpha: f64,
    /// One-sided level of the test for less noise after a structural trigger, 0..=1, default 0.01.
    pub noise_alpha: f64,
    /// Fewer groups than this are tested by the bootstrap, at least 2, default 30.
    pub bootstrap_below: u64,
    /// Fewer groups than this cannot show a better loss, at least 2, default 8.
    pub min_groups: u64,
}

impl Default for GateParams {
    fn default() -> Self {
        Self {
            max_loss_ratio: 1.01,
            max_noise_rise: 0.05,
            segment_rows: 50,
            segment_loss_rise: 0.10,
            segment_alpha: 0.05,
            alpha: 0.05,
            noise_alpha: 0.01,
            bootstrap_below: 30,
            min_groups: 8,
        }
    }
}

impl GateParams {
    /// Every broken bound, with its key path inside the table.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if !(self.max_loss_ratio.is_finite() && self.max_loss_ratio > 0.0) {
            found.push(Violation::new(
                "max_loss_ratio",
                format!("is {}, must be above 0", self.max_loss_ratio),
            ));
        }
        at_least(&mut found, "segment_loss_rise", self.segment_loss_rise, 0.0);
        for (key, value) in [
            ("max_noise_rise", self.max_noise_rise),
            ("segment_alpha", self.segment_alpha),
            ("alpha", self.alpha),
            ("noise_alpha", self.noise_alpha),
        ] {
            ratio(&mut found, key, value);
        }
        for (key, value) in [
            ("segment_rows", self.segment_rows),
            ("bootstrap_below", self.bootstrap_below),
            ("min_groups", self.min_groups),
        ] {
            if value < 2 {
                found.push(Violation::new(key, format!("is {value}, must be at least 2")));
            }
        }
        found
    }
}

fn at_least(found: &mut Vec<Violation>, key: &str, value: f64, bound: f64) {
    if !(value.is_finite() && value >= bound) {
        found.push(Violation::new(key, format!("is {value}, must be at least {bound}")));
    }
}

pub(crate) fn ratio(found: &mut Vec<Violation>, key: &str, value: f64) {
    if !(0.0..=1.0).contains(&value) {
        found.push(Violation::new(key, format!("is {value}, must be in 0..=1")));
    }
}

mod or_off {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Off {
        #[serde(rename = "off")]
        Off,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number or a duration such as \"24h\", or \"off\"")]
    enum OrOff<T> {
        Off(Off),
        Value(T),
    }

    pub(super) fn serialize<T: Serialize, S: Serializer>(v: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
        match v {
            None => OrOff::<&T>::Off(Off::Off).serialize(s),
            Some(value) => OrOff::Value(value).serialize(s),
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(match OrOff::deserialize(d)? {
            OrOff::Off(_) => None,
            OrOff::Value(value) => Some(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_json() {
        let params = RetrainParams::default();
        assert!(params.check().is_empty());
        let text = serde_json::to_string(&params).unwrap();
        assert!(text.contains(r#""schedule":"off""#) && text.contains(r#""min_interval":"1h""#), "{text}");
        assert_eq!(serde_json::from_str::<RetrainParams>(&text).unwrap(), params);
    }

    #[test]
    fn a_partial_table_keeps_the_other_defaults() {
        let params: RetrainParams =
            serde_json::from_str(r#"{"schedule": "24h", "gate": {"alpha": 0.01}}"#).unwrap();
        let gate = GateParams { alpha: 0.01, ..GateParams::default() };
        let want = RetrainParams { schedule: Some(Millis(86_400_000)), gate, ..RetrainParams::default() };
        assert_eq!(params, want);
    }

    #[test]
    fn unknown_keys_and_bare_durations_are_refused() {
        for text in [
            r#"{"min_intervall": "1h"}"#,
            r#"{"gate": {"alfa": 0.1}}"#,
            r#"{"schedule": 24}"#,
            r#"{"schedule": "never"}"#,
            r#"{"noise_margin": "none"}"#,
            r#"{"mode": "sometimes"}"#,
        ] {
            assert!(serde_json::from_str::<RetrainParams>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_violations_come_at_once_with_their_paths() {
        let params = RetrainParams {
            consecutive_breaches: 0,
            severe_factor: 0.9,
            noise_margin: Some(f64::NAN),
            backoff_initial: Millis(600_000),
            backoff_max: Millis(300_000),
            schedule: Some(Millis(0)),
            gate: GateParams {
                max_loss_ratio: 0.0,
                max_noise_rise: 1.1,
                segment_rows: 1,
                segment_loss_rise: -0.1,
                segment_alpha: -1.0,
                alpha: 2.0,
                noise_alpha: f64::NAN,
                bootstrap_below: 0,
                min_groups: 1,
            },
            ..RetrainParams::default()
        };
        let mut paths: Vec<String> = params.check().into_iter().map(|v| v.path).collect();
        paths.sort();
        assert_eq!(
            paths,
            [
                "backoff_initial",
                "consecutive_breaches",
                "gate.alpha",
                "gate.bootstrap_below",
                "gate.max_loss_ratio",
                "gate.max_noise_rise",
                "gate.min_groups",
                "gate.noise_alpha",
                "gate.segment_alpha",
                "gate.segment_loss_rise",
                "gate.segment_rows",
                "noise_margin",
                "schedule",
                "severe_factor",
            ]
        );
        assert_eq!(params.policy(0.3).unwrap_err().code(), "TSC-RTR-001");
    }
}
