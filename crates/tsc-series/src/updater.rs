//! Features of patients whose values come in one by one.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tsc_core::{Result, damaged};

use crate::clean::{Cleaned, Cleaning, RangeAction};
use crate::columns::{Clock, Content};
use crate::error::SeriesError;
use crate::featurizer::FittedFeaturizer;
use crate::names::Names;
use crate::recent::Recent;
use crate::stats::{MS_PER_HOUR, Running};
use crate::variables::{Absent, Role};

/// Running summaries of patients: a value costs O(1), a row O(features).
///
/// Holds what rows of a stay need without the values themselves: counts, means, centred sums, extremes, first and
/// last values, and the values of the last hours for `recent` and `carried`. For the families `stats`,
/// `missingness`, `log_counts`, `carried`, `recent` and `clock` without a `window`; [`FittedFeaturizer::updater`]
/// refuses others. A row equals that of [`FittedFeaturizer::transform`] on the same values: counts and first,
/// last, smallest and largest values to the bit, the rest within 1e-9.
///
/// # Examples
///
/// ```
/// use tsc_core::Timestamp;
/// use tsc_series::simulate::Cohort;
/// use tsc_series::Featurizer;
///
/// let cohort = Cohort { patients: 40, ..Cohort::default() }.simulate()?;
/// let fitted = Featurizer::new(Cohort::params())?.fit(&cohort.table)?;
/// let mut ward = fitted.updater()?;
/// for (minute, hr) in [(0, 80.0), (30, 88.0), (10, 300.0)] {
///     ward.push("bed 7", minute * 60_000, "HR", hr); // the last one comes late
/// }
/// let row = ward.row("bed 7", Timestamp(3_600_000))?;
/// assert_eq!(row[fitted.schema().position("HR.mean").unwrap()], 84.0);
/// assert_eq!(ward.late(), 1);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Updater {
    fitted: FittedFeaturizer,
    names: Names,
    cleaning: Vec<Cleaning>,
    /// How long values are kept for `recent` and `carried`, per variable; `None` where no feature asks for them.
    kept_ms: Vec<Option<i64>>,
    state: State,
}

/// Patients; never walked in its own order, as what is stored is sorted.
#[expect(
    clippy::disallowed_types,
    reason = "each value finds its patient, and a tree of names takes thrice as long"
)]
type ByName = std::collections::HashMap<String, Stay>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(serialize_with = "sorted")]
    patients: ByName,
    late: u64,
    rejected: u64,
}

/// One patient; both lists have an entry per fitted variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stay {
    series: Vec<Series>,
    fixed: Vec<Option<f64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Series {
    all: Option<Running>,
    /// As before the newest value, which another one of the same time replaces.
    before_newest: Option<Running>,
    times: VecDeque<i64>,
    values: VecDeque<f64>,
}

impl FittedFeaturizer {
    /// Starts running summaries without any patient.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming the first feature that needs more than running summaries.
    pub fn updater(&self) -> Result<Updater> {
        let params = &self.stored.params;
        let can_run = |content: Content| match content {
            Content::Stat(_) | Content::Missing => params.window.is_none(),
            Content::Static | Content::StaticMissing | Content::Recent(_) => true,
            Content::Clock(clock) => clock == Clock::Hours,
            _ => false,
        };
        if let Some(column) = self.stored.columns.iter().find(|column| !can_run(column.source.content)) {
            let feature = column.source.name(&self.stored.variables);
            return Err(SeriesError::NotRunning { feature }.into());
        }
        let variables = self.stored.variables.as_slice();
        let asks = |v: usize| {
            let is_recent = |content: Content| matches!(content, Content::Recent(_));
            self.stored.columns.iter().any(|c| c.source.variable == Some(v) && is_recent(c.source.content))
        };
        let longest = |(v, spec)| {
            let limit = crate::inputs::fill_limit(params, spec);
            let kept = i64::try_from(params.recent.0.saturating_add(limit.0)).unwrap_or(i64::MAX);
            asks(v).then_some(kept)
        };
        Ok(Updater {
            names: Names::new(variables.iter().map(|spec| spec.name.as_str()).zip(0..)),
            // Values come in the variable's unit, row by row.
            cleaning: variables.iter().map(|v| Cleaning::of(v, RangeAction::Clamp, false, true)).collect(),
            kept_ms: variables.iter().enumerate().map(longest).collect(),
            state: State::default(),
            fitted: self.clone(),
        })
    }

    /// Goes on from a state that [`Updater::state`] gave.
    ///
    /// # Errors
    ///
    /// As [`FittedFeaturizer::updater`]; `Artifact` if the bytes are no state of this featurizer.
    pub fn updater_from(&self, state: &[u8]) -> Result<Updater> {
        const WHAT: &str = "updater state";
        let state: State = serde_json::from_slice(state).map_err(|error| damaged(WHAT, error))?;
        let width = self.stored.variables.len();
        let fits = |stay: &Stay| {
            let pairs = stay.series.iter().all(|series| series.times.len() == series.values.len());
            pairs && stay.series.len() == width && stay.fixed.len() == width
        };
        if !state.patients.values().all(fits) {
            return Err(damaged(WHAT, format!("a patient has not {width} variables")));
        }
        Ok(Updater { state, ..self.updater()? })
    }
}

impl Updater {
    /// Adds a value measured at `time_ms` since admission, in the variable's unit; cleaned as at reading.
    ///
    /// A value older than the newest of its series is late: counted, not used. One of the same time replaces it.
    /// A value of an unknown variable, a sentinel, or one out of range is counted as rejected. O(1), and no
    /// allocation once the patient is known.
    pub fn push(&mut self, patient: &str, time_ms: i64, variable: &str, value: f64) {
        let Some(v) = self.names.get(variable.as_bytes()).map(|v| v as usize) else {
            self.state.rejected += 1;
            return;
        };
        let cleaned = match self.cleaning[v].clean(value) {
            Cleaned::Kept(value) | Cleaned::Clamped(value) | Cleaned::Repaired(value) => Ok(value),
            Cleaned::Censored(value) => Err(value),
            Cleaned::OutOfRange(_) | Cleaned::Rejected(_) => {
                self.state.rejected += 1;
                return;
            }
        };
        let width = self.fitted.stored.variables.len();
        let State { patients, late, rejected } = &mut self.state;
        let stay = match patients.get_mut(patient) {
            Some(stay) => stay,
            None => patients
                .entry(patient.to_owned())
                .or_insert_with(|| Stay { series: vec![Series::default(); width], fixed: vec![None; width] }),
        };
        let variables = &self.fitted.stored.variables;
        let companion = variables.companion(v);
        let mut in_time = true;
        match (variables.as_slice()[v].role, cleaned) {
            (Role::Outcome | Role::OutcomeSeries, _) => (),
            (Role::StaticAndDynamic, Ok(value)) if time_ms == 0 => {
                stay.fixed[v].get_or_insert(value);
            }
            (Role::Static, Ok(value)) => {
                stay.fixed[v].get_or_insert(value);
            }
            (Role::Static, Err(_)) => *rejected += 1,
            (_, Ok(value)) => in_time = stay.series[v].push(time_ms, value, self.kept_ms[v]),
            (_, Err(value)) => match companion {
                Some(mark) => {
                    in_time = stay.series[v].push(time_ms, value, self.kept_ms[v]);
                    if in_time {
                        stay.series[mark].push(time_ms, 1.0, self.kept_ms[mark]);
                    }
                }
                None => *rejected += 1,
            },
        }
        *late += u64::from(!in_time);
    }

    /// The features of a patient as known at `at`, in the order of the schema, imputed.
    ///
    /// A patient of whom nothing came in is all imputed.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a value at or after `at` came in already: running summaries do not go back.
    pub fn row(&mut self, patient: &str, at: tsc_core::Timestamp) -> Result<Vec<f64>> {
        let stored = &self.fitted.stored;
        let mut stay = self.state.patients.get_mut(patient);
        let mut nothing = Series::default();
        let mut row = Vec::with_capacity(stored.columns.len());
        for column in &stored.columns {
            let variable = column.source.variable.unwrap_or(0);
            let series = stay.as_mut().map_or(&mut nothing, |stay| &mut stay.series[variable]);
            if let Some(newest) = series.all.as_ref().map(Running::newest)
                && newest >= at.0
            {
                let reason =
                    format!("a value of {newest} ms came in already, a row at {} ms is too late", at.0);
                return Err(SeriesError::Times { reason }.into());
            }
            let spec = &stored.variables.as_slice()[variable];
            let is_zero = spec.absent == Absent::Zero;
            let value = match column.source.content {
                Content::Stat(stat) => {
                    let summary = Running::summary(series.all.as_ref(), at.0);
                    if is_zero { summary.known_zero().get(stat) } else { summary.get(stat) }
                }
                Content::Missing => f64::from(u8::from(series.all.is_none())),
                Content::Recent(stat) => {
                    let limit = crate::inputs::fill_limit(&stored.params, spec).0 as i64;
                    let recent = (&*series.times.make_contiguous(), &*series.values.make_contiguous());
                    let value = stat.of(recent, at.0, stored.params.recent.0 as i64, limit);
                    if is_zero && value.is_nan() && stat != Recent::Std { 0.0 } else { value }
                }
                Content::Clock(_) => at.0 as f64 / MS_PER_HOUR,
                content => {
                    let fixed = stay.as_ref().and_then(|stay| stay.fixed[variable]);
                    if content == Content::Static {
                        fixed.unwrap_or(f64::NAN)
                    } else {
                        f64::from(u8::from(fixed.is_none()))
                    }
                }
            };
            row.push(if value.is_finite() { value } else { column.fill });
        }
        Ok(row)
    }

    /// Forgets a patient, who has left.
    pub fn remove(&mut self, patient: &str) {
        self.state.patients.remove(patient);
    }

    /// Values that were older than the newest of their series.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.state.late
    }

    /// Values that were rejected by name, sentinel or range.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.state.rejected
    }

    /// Everything it knows, for [`FittedFeaturizer::updater_from`]. Holds identifiers and values of patients.
    ///
    /// # Errors
    ///
    /// Never in practice: the state is plain data.
    pub fn state(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.state).map_err(|error| damaged("updater state", error))
    }
}

/// Patients by name, so that equal states are equal bytes.
fn sorted<S: serde::Serializer>(patients: &ByName, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    patients.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
}

impl Series {
    /// Whether the value was in time.
    fn push(&mut self, time: i64, value: f64, kept_ms: Option<i64>) -> bool {
        match self.all.as_ref().map(Running::newest) {
            Some(newest) if time < newest => return false,
            Some(newest) if time == newest => {
                self.all = self.before_newest;
                self.times.pop_back();
                self.values.pop_back();
            }
            _ => self.before_newest = self.all,
        }
        self.all = Some(match self.all {
            None => Running::first(time, value),
            Some(running) => running.with(time, value),
        });
        let Some(kept_ms) = kept_ms else { return true };
        self.times.push_back(time);
        self.values.push_back(value);
        while self.times.front().is_some_and(|&front| front < time.saturating_sub(kept_ms)) {
            self.times.pop_front();
            self.values.pop_front();
        }
        true
    }
}
