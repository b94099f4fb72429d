use serde::{Deserialize, Serialize};
use tsc_core::{Millis, Unit};

use crate::aggregate::Aggregate;
use crate::grid::Grid;
use crate::panel::{Rolling, WindowStat};
use crate::scale::ScaleParams;

pub(crate) const HOUR: u64 = 3_600_000;

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
    /// `<variable>.median`, `.iqr` (linear quantiles), `.range` of the raw values.
    Robust,
    /// `<variable>.carried`: the last value, unless it is older than the variable's `fill_limit`.
    Carried,
    /// `<variable>.recent_mean`, `.recent_std` of the last `recent` hours, and `.recent_change`: the last value
    /// less the last one before those hours.
    Recent,
    /// `<variable>.filled`: share of the bins of `grid` that hold a value.
    Filled,
    /// `hours`: time since admission; on calendar times `hour` and `weekday` instead.
    Clock,
    /// Of the series on `grid`: `<variable>.trend_slope` per bin, `.trend_r2`, `.acf1`, and with a `season` of p
    /// bins `.acf_season` and `.seasonal_strength`.
    Trend,
    /// For panel rows: `lags`, `rolling`, `ewm`, `differences`, `expanding`, `trends` and `season` of each
    /// variable up to the row, and `step`, `month`, `week`, `weekday` of the period that is forecast.
    Panel,
    /// `<variable>.mode5` and 17 more numbers about the shape of the raw values, from 20 values on.
    Shape,
    /// `<variable>.sbd1` and more: shape-based distance to `landmarks` training series.
    Sbd,
    /// `<variable>.dtw1` and more: dynamic time warping distance to `landmarks` training series.
    #[cfg(feature = "dtw")]
    Dtw,
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
    /// A row at `from`, and again after each `every`, until the last value of any series is older than `every`.
    ///
    /// A row holds what was known before its time. It exists because the patient is still observed.
    PerStep {
        /// Time of the first row since admission, above 0.
        from: Millis,
        /// Time between rows, above 0.
        every: Millis,
    },
    /// A row per series and period of `grid`, one for each step of `horizon`: the moment a period has ended.
    ///
    /// A row exists if the variable to forecast has a value in the period that just ended, or one carried there
    /// within its `fill_limit`.
    Panel {
        /// Periods from the series' first value that must have passed, at least 1.
        #[serde(default = "one")]
        from: usize,
        /// Every how many periods a row is made, at least 1; more gives fewer rows.
        #[serde(default = "one")]
        every: usize,
    },
}

fn one() -> usize {
    1
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
        /// Start, at or after the cut: since admission, or since the row with `per_step` rows.
        from: Millis,
        /// End likewise, after `from`.
        to: Millis,
        /// Default `mean`.
        #[serde(default)]
        aggregate: Aggregate,
    },
    /// A variable in each period that is forecast from a panel row.
    Forecast {
        /// A dynamic variable; its `aggregate` makes one value of a period.
        variable: String,
    },
    /// An outcome of the patient; of an outcome series its value at the row's time.
    Outcome {
        /// An outcome variable.
        name: String,
    },
}

/// An outcome that is predicted as a resource, in the outcome's unit.
///
/// With panel rows a dynamic variable may stand for the outcome: its value in the period that is forecast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// Name of the resource: letters, digits, `_` and `-`.
    pub name: String,
    /// An outcome variable, or a dynamic one with panel rows.
    pub outcome: String,
    /// Unit, if the variable does not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl ResourceSpec {
    /// A resource in the unit of its variable.
    #[must_use]
    pub fn new(name: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: outcome.into(), unit: None }
    }
}

/// How series become features, targets and resources.
///
/// # Examples
///
/// ```
/// use tsc_core::{Millis, Unit};
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
    /// Globs (`*`, `?`) over the names of features to make; none = all of the families. Default none.
    pub feature_columns: Vec<String>,
    /// Globs (`*`, `?`) over feature names that clusterer and fallback see; none = all. Default none.
    pub cluster_columns: Vec<String>,
    /// What is predicted; default nothing.
    pub target: Option<TargetSpec>,
    /// Outcomes predicted as resources; default none.
    pub resources: Vec<ResourceSpec>,
    /// A variable gets an indicator if the share of training patients without it is in this range;
    /// default 0.01 to 0.99. A wider range gives more indicators.
    pub missing_ratio: [f64; 2],
    /// Width of the bins of panel rows, `trend` and `filled`; default 1 h.
    pub grid: Grid,
    /// How far back from its time a row sees raw values; default all. Panel features see all periods.
    pub window: Option<Millis>,
    /// How far back `recent` looks; default 6 h.
    pub recent: Millis,
    /// Panel: values this many periods back, 1 = the period that just ended; default none.
    pub lags: Vec<usize>,
    /// Panel: numbers over the last periods; default none.
    pub rolling: Vec<Rolling>,
    /// Panel: exponentially weighted means with these weights of the newest value, in 0..=1; default none.
    pub ewm: Vec<f64>,
    /// Panel: last value less that of so many periods before it; default none.
    pub differences: Vec<usize>,
    /// Panel: numbers over all periods so far; default none.
    pub expanding: Vec<WindowStat>,
    /// Panel: slope over this many last periods; default none.
    pub trends: Vec<usize>,
    /// Periods of a season, 12 or 52 for a year; default none. Gives the same period of the last two seasons,
    /// its mean over all, and its mean ratio to the season that ended with it.
    pub season: Option<usize>,
    /// Panel: steps ahead that are forecast. A number n is the steps 1 to n, a list those steps; default 1.
    ///
    /// Each step is a row of its own, with the step as a feature if there are several.
    #[serde(deserialize_with = "steps")]
    pub horizon: Vec<usize>,
    /// Panel: what a variable is divided by, and the form of the target; default neither.
    pub scale: ScaleParams,
    /// Training series per variable to which `sbd` and `dtw` measure, chosen as far apart as can be; default 8.
    ///
    /// Their values are stored with the featurizer.
    pub landmarks: usize,
}

/// A number of steps, or the list of them.
fn steps<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Steps {
        Last(usize),
        Each(Vec<usize>),
    }
    Ok(match Steps::deserialize(deserializer)? {
        // A longer list is refused by `check`, a much longer one must not be made.
        Steps::Last(last) => (1..=last.min(MAX_STEPS + 1)).collect(),
        Steps::Each(steps) => steps,
    })
}

pub(crate) const MAX_STEPS: usize = 1000;

impl Default for SeriesParams {
    fn default() -> Self {
        Self {
            rows: Rows::PerPatient { cut: Millis(48 * HOUR) },
            features: vec![FeatureSet::Stats, FeatureSet::Missingness],
            cluster_columns: Vec::new(),
            target: None,
            resources: Vec::new(),
            missing_ratio: [0.01, 0.99],
            feature_columns: Vec::new(),
            grid: Grid::Every(Millis(HOUR)),
            window: None,
            recent: Millis(6 * HOUR),
            lags: Vec::new(),
            rolling: Vec::new(),
            ewm: Vec::new(),
            differences: Vec::new(),
            expanding: Vec::new(),
            trends: Vec::new(),
            season: None,
            horizon: vec![1],
            scale: ScaleParams::default(),
            landmarks: 8,
        }
    }
}
