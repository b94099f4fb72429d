//! Ready-made settings.

use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Unit};

use crate::aggregate::Aggregate;
use crate::grid::Grid;
use crate::panel::{Rolling, WindowStat};
use crate::params::{FeatureSet, HOUR, ResourceSpec, Rows, SeriesParams, TargetSpec};
use crate::scale::{ScaleParams, TargetForm};

/// Ready-made settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SeriesPreset {
    /// Intensive care stays: see [`SeriesParams::icu`].
    Icu,
    /// Intensive care stays, a row each hour: see [`SeriesParams::icu_hourly`].
    IcuHourly,
    /// Monthly series: see [`SeriesParams::monthly`].
    Monthly,
    /// Weekly series: see [`SeriesParams::weekly`].
    Weekly,
}

impl SeriesPreset {
    /// Every preset, as the configuration names it.
    pub const NAMES: [&str; 4] = ["icu", "icu_hourly", "monthly", "weekly"];
}

/// What the icu preset clusters by: blood gases, lactate, and whether oxygen was given.
const SUPPORT: [&str; 3] = ["pH.log_count", "Lactate.log_count", "FiO2.missing"];

impl SeriesParams {
    /// The settings of a preset.
    #[must_use]
    pub fn preset(preset: SeriesPreset) -> Self {
        match preset {
            SeriesPreset::Icu => Self::icu(),
            SeriesPreset::IcuHourly => Self::icu_hourly(),
            SeriesPreset::Monthly => Self::monthly(),
            SeriesPreset::Weekly => Self::weekly(),
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
            resources: vec![ResourceSpec::new("length_of_stay", "Length_of_stay")],
            ..Self::default()
        }
    }

    /// A row each hour from hour 24 on; mean heart rate of the next hour as target, hours that remain as resource.
    ///
    /// For tables with the names of YAIB: the last value and the number of values of each variable, mean, deviation
    /// and change of six vital signs over 6 h, the hour, and age, sex, height and weight. The remaining hours are
    /// the outcome series `label`, in hours.
    #[must_use]
    pub fn icu_hourly() -> Self {
        let hour = Millis(HOUR);
        let target =
            TargetSpec::Lead { variable: "hr".into(), from: Millis(0), to: hour, aggregate: Aggregate::Mean };
        let vitals = ["hr", "map", "resp", "o2sat", "sbp", "temp"].map(|vital| format!("{vital}.recent_*"));
        let others = ["*.carried", "*.count", "hours", "age", "sex", "height", "weight"].map(String::from);
        Self {
            rows: Rows::PerStep { from: Millis(24 * HOUR), every: hour },
            features: vec![FeatureSet::Stats, FeatureSet::Carried, FeatureSet::Recent, FeatureSet::Clock],
            feature_columns: others.into_iter().chain(vitals).collect(),
            target: Some(target),
            resources: vec![ResourceSpec {
                unit: Some(Unit::Hours),
                ..ResourceSpec::new("remaining_stay", "label")
            }],
            ..Self::default()
        }
    }

    /// A row per series and month from the 15th on, for each of the next 12 months; `target` says of what.
    ///
    /// The last 15 months, their mean over 3 and deviation over 12, trends over a year and two, and what the month
    /// to forecast was in earlier years; all over the mean of the last year. The target is the change over that mean.
    #[must_use]
    pub fn monthly() -> Self {
        Self {
            rows: Rows::Panel { from: 15, every: 1 },
            features: vec![FeatureSet::Panel],
            grid: Grid::Month,
            lags: (1..=15).collect(),
            rolling: vec![rolling(3, WindowStat::Mean), rolling(12, WindowStat::Std)],
            trends: vec![12, 24],
            season: Some(12),
            horizon: (1..=12).collect(),
            scale: ScaleParams { form: TargetForm::ScaledDifference, ..ScaleParams::default() },
            ..Self::default()
        }
    }

    /// A row per series and ISO week from the 8th on, for the next week; `target` says of what.
    ///
    /// Weeks 1, 2, 3, 4 and 8 back, mean and deviation over 4 and 12, and what the week to forecast was in earlier
    /// years, over the mean of the last 12 weeks; the target is the change over that mean. A value is carried over
    /// up to three weeks without one.
    #[must_use]
    pub fn weekly() -> Self {
        let windows =
            [4, 12].map(|window| [rolling(window, WindowStat::Mean), rolling(window, WindowStat::Std)]);
        Self {
            rows: Rows::Panel { from: 8, every: 1 },
            features: vec![FeatureSet::Panel],
            grid: Grid::Week,
            lags: vec![1, 2, 3, 4, 8],
            rolling: windows.concat(),
            season: Some(52),
            horizon: vec![1],
            scale: ScaleParams { form: TargetForm::ScaledDifference, ..ScaleParams::default() },
            ..Self::default()
        }
    }
}

fn rolling(window: usize, stat: WindowStat) -> Rolling {
    Rolling { window, stat }
}
