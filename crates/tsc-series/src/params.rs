use serde::{Deserialize, Serialize};
use tsc_core::{Millis, ResourceKind, Violation};

use crate::aggregate::Aggregate;

const HOUR: u64 = 3_600_000;

/// A family of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureSet {
    /// `<variable>.mean`, `.std` (n - 1), `.min`, `.max`, `.first`, `.last`, `.slope` per hour, `.count`
    /// of the raw values; and each static value by its name.
    Stats,
    /// `<variable>.hours_since_last`, and an indicator `<variable>.missing` where `missing_ratio` of the
    /// training patients lack the variable (`.static_missing` for a static value that is also a series).
    Missingness,
    /// `<variable>.log_count` = ln(1 + count), for clustering only: trees see the count itself.
    LogCounts,
}

/// Which rows a patient gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Rows {
    /// One row per patient, from the values with time < `cut`.
    PerPatient {
        /// Time since admission, above 0.
        cut: Millis,
    },
}

/// What is predicted. Never filled or imputed: a missing target is NaN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TargetSpec {
    /// A variable later on, from its cleaned values with `from` <= time < `to`.
    Lead {
        /// A dynamic variable.
        variable: String,
        /// Start since admission, at or after the cut.
        from: Millis,
        /// End since admission, after `from`.
        to: Millis,
        /// Default `mean`.
        #[serde(default)]
        aggregate: Aggregate,
    },
    /// An outcome of the patient.
    Outcome {
        /// An outcome variable.
        name: String,
    },
}

/// An outcome that is predicted as a resource, in the outcome's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// Name of the resource: letters, digits, `_` and `-`.
    pub name: String,
    /// An outcome variable with a unit.
    pub outcome: String,
}

/// Ready-made settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeriesPreset {
    /// Intensive care stays: see [`SeriesParams::icu`].
    Icu,
}

/// How series become features, targets and resources.
///
/// # Examples
///
/// ```
/// use tsc_core::Millis;
/// use tsc_series::{Rows, SeriesParams, SeriesPreset};
/// let mut params = SeriesParams::preset(SeriesPreset::Icu);
/// assert!(params.check().is_empty());
/// params.rows = Rows::PerPatient { cut: Millis(44 * 3_600_000) }; // later than the target's start
/// assert_eq!(params.check()[0].to_string(), "target.from is 42h, must be at least the cut 44h");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesParams {
    /// Rows of a patient; default one at 48 h.
    pub rows: Rows,
    /// Families of features; default `stats` and `missingness`.
    pub features: Vec<FeatureSet>,
    /// Globs (`*`, `?`) over feature names that clusterer and fallback see; none = all. Default none.
    pub cluster_columns: Vec<String>,
    /// What is predicted; default nothing.
    pub target: Option<TargetSpec>,
    /// Outcomes predicted as resources; default none.
    pub resources: Vec<ResourceSpec>,
    /// A variable gets an indicator if the share of training patients without it is in this range;
    /// default 0.01 to 0.99. A wider range gives more indicators.
    pub missing_ratio: [f64; 2],
}

impl Default for SeriesParams {
    fn default() -> Self {
        Self {
            rows: Rows::PerPatient { cut: Millis(48 * HOUR) },
            features: vec![FeatureSet::Stats, FeatureSet::Missingness],
            cluster_columns: Vec::new(),
            target: None,
            resources: Vec::new(),
            missing_ratio: [0.01, 0.99],
        }
    }
}

/// What the icu preset clusters by: blood gases, lactate, and whether oxygen was given.
const SUPPORT: [&str; 3] = ["pH.log_count", "Lactate.log_count", "FiO2.missing"];

impl SeriesParams {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: SeriesPreset) -> Self {
        match preset {
            SeriesPreset::Icu => Self::icu(),
        }
    }

    /// 42 h of history, mean heart rate of hours 42 to 48 as target, length of stay in days as resource.
    ///
    /// It clusters by how breathing and circulation are supported and watched: how often blood gases (`pH`) and
    /// lactate were taken, on a log scale, and whether an inspired fraction of oxygen was recorded at all.
    /// Of the views tried, this is the one that gives several segments, little noise and the same segments in
    /// other patients on PhysioNet 2012 set-a and on the MIMIC demo alike; docs/SEGMENTS.md has the table and the
    /// command. Levels of vital signs leave 90 % or more as noise.
    #[must_use]
    pub fn icu() -> Self {
        let (cut, to) = (Millis(42 * HOUR), Millis(48 * HOUR));
        let target = TargetSpec::Lead { variable: "HR".into(), from: cut, to, aggregate: Aggregate::Mean };
        Self {
            rows: Rows::PerPatient { cut },
            features: vec![FeatureSet::Stats, FeatureSet::Missingness, FeatureSet::LogCounts],
            cluster_columns: SUPPORT.map(String::from).to_vec(),
            target: Some(target),
            resources: vec![ResourceSpec { name: "length_of_stay".into(), outcome: "Length_of_stay".into() }],
            ..Self::default()
        }
    }

    /// Time since admission at which a row is made.
    #[must_use]
    pub fn cut(&self) -> Millis {
        match self.rows {
            Rows::PerPatient { cut } => cut,
        }
    }

    /// Every broken rule, with key path, value and bound; empty if the settings can be used.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut add = |path: &str, message: String| found.push(Violation::new(path, message));
        let cut = self.cut();
        if cut.0 == 0 || i64::try_from(cut.0).is_err() {
            add("rows.cut", format!("is {cut}, must be above 0"));
        }
        if self.features.is_empty() {
            add("features", "is empty, must name at least one family".into());
        }
        let mut seen = self.features.clone();
        seen.sort();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            add("features", "names a family twice".into());
        }
        for glob in &self.cluster_columns {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*' | '?');
            if glob.is_empty() || !glob.chars().all(plain) {
                add(
                    "cluster_columns",
                    format!("holds {glob:?}, must be letters, digits, _ . - * and ? only"),
                );
            }
        }
        let [low, high] = self.missing_ratio;
        if !(0.0 <= low && low <= high && high <= 1.0) {
            add("missing_ratio", format!("is [{low}, {high}], must be two rising shares in 0..=1"));
        }
        if let Some(TargetSpec::Lead { from, to, .. }) = &self.target {
            if *from < cut {
                add("target.from", format!("is {from}, must be at least the cut {cut}"));
            }
            if to <= from || i64::try_from(to.0).is_err() {
                add("target.to", format!("is {to}, must be above target.from {from}"));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for resource in &self.resources {
            if let Err(error) = ResourceKind::named(&resource.name) {
                add("resources.name", format!("is {:?}: {error}", resource.name));
            }
            if !names.insert(&resource.name) {
                add("resources.name", format!("is {:?} twice", resource.name));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut SeriesParams), expected: &str) {
        let mut params = SeriesParams::icu();
        change(&mut params);
        let found: Vec<String> = params.check().iter().map(ToString::to_string).collect();
        assert_eq!(found.join("; "), expected);
    }

    #[test]
    fn each_broken_rule_names_key_value_and_bound() {
        check(|_| (), "");
        check(|p| p.rows = Rows::PerPatient { cut: Millis(0) }, "rows.cut is 0s, must be above 0");
        check(|p| p.features.clear(), "features is empty, must name at least one family");
        check(|p| p.features = vec![FeatureSet::Stats; 2], "features names a family twice");
        check(
            |p| p.cluster_columns = vec!["HR mean".into()],
            "cluster_columns holds \"HR mean\", must be letters, digits, _ . - * and ? only",
        );
        check(
            |p| p.missing_ratio = [0.5, 0.1],
            "missing_ratio is [0.5, 0.1], must be two rising shares in 0..=1",
        );
        check(
            |p| p.missing_ratio = [f64::NAN, 0.1],
            "missing_ratio is [NaN, 0.1], must be two rising shares in 0..=1",
        );
        check(
            |p| {
                let hour = |h: u64| Millis(h * HOUR);
                let aggregate = Aggregate::Mean;
                p.target =
                    Some(TargetSpec::Lead { variable: "HR".into(), from: hour(41), to: hour(41), aggregate });
            },
            "target.from is 41h, must be at least the cut 42h; target.to is 41h, must be above target.from 41h",
        );
        check(|p| p.resources.push(p.resources[0].clone()), "resources.name is \"length_of_stay\" twice");
    }

    #[test]
    fn settings_read_from_toml_and_an_unknown_key_is_an_error() {
        let text = r#"
            rows = { kind = "per_patient", cut = "42h" }
            features = ["stats"]
            cluster_columns = ["HR.*"]
            target = { kind = "lead", variable = "HR", from = "42h", to = "48h" }
            resources = [{ name = "length_of_stay", outcome = "Length_of_stay" }]
        "#;
        let params: SeriesParams = toml::from_str(text).unwrap();
        assert_eq!((params.cut(), params.target), (Millis(42 * HOUR), SeriesParams::icu().target));
        assert!(toml::from_str::<SeriesParams>("cluster_colums = []").is_err());
        assert!(toml::from_str::<SeriesParams>(r#"rows = { kind = "per_patient", cut = 42 }"#).is_err());
        assert!(
            toml::from_str::<SeriesParams>(r#"rows = { kind = "per_patient", cut = "4h", x = 1 }"#).is_err()
        );
    }
}
