use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tsc_core::Violation;

/// A limit: one number, or a warning and a critical limit. Reached at `>=`.
///
/// # Examples
///
/// ```
/// use tsc_monitor::Threshold;
/// let flat: Threshold = serde_json::from_str("0.3").unwrap();
/// assert_eq!(flat, Threshold::Flat(0.3));
/// let both: Threshold = serde_json::from_str(r#"{ "warning": 0.2, "critical": 0.4 }"#).unwrap();
/// assert_eq!(both, Threshold::Levels { warning: 0.2, critical: 0.4 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Threshold {
    /// One number; each key says which levels it stands for.
    Flat(f64),
    /// Both levels.
    Levels {
        /// Warning from here on.
        warning: f64,
        /// Critical from here on, at least `warning`.
        critical: f64,
    },
}

impl Threshold {
    // A flat value stands for different levels, key by key; `factors` are (warning, critical).
    pub(crate) fn levels(self, factors: (f64, f64)) -> (f64, f64) {
        match self {
            Self::Flat(v) => (v * factors.0, v * factors.1),
            Self::Levels { warning, critical } => (warning, critical),
        }
    }

    fn check(self, path: &str, found: &mut Vec<Violation>) {
        let mut limit = |name: String, v: f64| {
            if !v.is_finite() || v < 0.0 {
                found.push(Violation::new(name, format!("is {v}, must be finite and at least 0")));
            }
        };
        match self {
            Self::Flat(v) => limit(path.into(), v),
            Self::Levels { warning, critical } => {
                limit(format!("{path}.warning"), warning);
                limit(format!("{path}.critical"), critical);
                if warning > critical {
                    found.push(Violation::new(
                        format!("{path}.warning"),
                        format!("is {warning}, must be at most critical, {critical}"),
                    ));
                }
            }
        }
    }
}

// Written out because the derived form of an untagged enum says only that nothing matched.
impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Levels {
            warning: f64,
            critical: f64,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Threshold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a table with warning and critical")
            }

            fn visit_f64<E>(self, v: f64) -> Result<Threshold, E> {
                Ok(Threshold::Flat(v))
            }

            fn visit_i64<E>(self, v: i64) -> Result<Threshold, E> {
                Ok(Threshold::Flat(v as f64))
            }

            fn visit_u64<E>(self, v: u64) -> Result<Threshold, E> {
                Ok(Threshold::Flat(v as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Threshold, A::Error> {
                let Levels { warning, critical } = Levels::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Threshold::Levels { warning, critical })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Limits of single batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertThresholds {
    /// Share of noise before the fallback. Flat `v`: critical at v, warning at 0.8 v. Unset: 0.8 and 1
    /// times the pipeline's `noise_threshold`. Raised where held-out training rows are as noisy: see
    /// [`crate::Monitor`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_ratio: Option<Threshold>,
    /// Seconds for a batch of `batch_size` rows. Flat `v`: warning at v, critical at 2 v; default 5.
    pub processing_time: Threshold,
    /// Resident memory in MiB. Flat `v`: warning at v, critical at 1.25 v; off by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<Threshold>,
}

impl Default for AlertThresholds {
    fn default() -> Self {
        Self { noise_ratio: None, processing_time: Threshold::Flat(5.0), memory_usage: None }
    }
}

/// Smallest effects that count as drift; a test has to agree, so a larger value only makes it quieter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftThresholds {
    /// Rise of the noise share over held-out training rows, in ratio points. Flat `v`: a finding and a
    /// warning at v; default 0.05.
    pub noise_ratio_trend: Threshold,
    /// Relative rise of the RMSE over held-out training rows. Flat `v`: a finding and a warning at v;
    /// default 0.1.
    pub performance_degradation: Threshold,
}

impl Default for DriftThresholds {
    fn default() -> Self {
        Self { noise_ratio_trend: Threshold::Flat(0.05), performance_degradation: Threshold::Flat(0.1) }
    }
}

/// Both tables of thresholds, to be changed while the pipeline runs.
///
/// # Examples
///
/// ```
/// use tsc_monitor::Thresholds;
/// let thresholds: Thresholds =
///     serde_json::from_str(r#"{ "alert_thresholds": { "processing_time": 2.5 } }"#).unwrap();
/// assert!(thresholds.check().is_empty());
/// assert!(serde_json::from_str::<Thresholds>(r#"{ "alert_thresholds": { "noise": 1 } }"#).is_err());
/// ```
#[doc(alias = "update_performance_thresholds")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Limits of single batches.
    pub alert_thresholds: AlertThresholds,
    /// Smallest effects.
    pub drift_thresholds: DriftThresholds,
}

impl Thresholds {
    /// Every broken rule: a limit that is negative or not finite, a warning above critical, a share
    /// above 1.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let alert = &self.alert_thresholds;
        if let Some(noise) = alert.noise_ratio {
            noise.check("alert_thresholds.noise_ratio", &mut found);
            share(noise, "alert_thresholds.noise_ratio", &mut found);
        }
        alert.processing_time.check("alert_thresholds.processing_time", &mut found);
        if let Some(memory) = alert.memory_usage {
            memory.check("alert_thresholds.memory_usage", &mut found);
        }
        let drift = &self.drift_thresholds;
        drift.noise_ratio_trend.check("drift_thresholds.noise_ratio_trend", &mut found);
        share(drift.noise_ratio_trend, "drift_thresholds.noise_ratio_trend", &mut found);
        drift.performance_degradation.check("drift_thresholds.performance_degradation", &mut found);
        found
    }
}

// A share above 1 is never reached: the key would be dead.
fn share(threshold: Threshold, path: &str, found: &mut Vec<Violation>) {
    let (warning, critical) = threshold.levels((1.0, 1.0));
    let largest = warning.max(critical);
    if largest.is_finite() && largest > 1.0 {
        found.push(Violation::new(path, format!("is {largest}, must be at most 1")));
    }
}
