//! A table as a featurizer sees it: by the variables it was fitted on.

use tsc_core::{Millis, Result};

use crate::aggregate::Aggregate;
use crate::error::SeriesError;
use crate::grid::Grid;
use crate::panel::PanelSeries;
use crate::params::{HOUR, Rows, SeriesParams};
use crate::table::{PatientIx, SeriesTable, VariableIx};
use crate::time_kind::TimeKind;
use crate::variables::{Absent, VariableSpec, VariableTable};

/// Settings, fitted variables, and where the table has each of them.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) params: &'a SeriesParams,
    pub(crate) variables: &'a VariableTable,
    pub(crate) table: &'a SeriesTable,
    known: Vec<Option<VariableIx>>,
}

impl<'a> Inputs<'a> {
    /// Refuses a variable in another unit than the fitted one, and times that the rows cannot be made of.
    pub(crate) fn new(
        params: &'a SeriesParams,
        variables: &'a VariableTable,
        table: &'a SeriesTable,
    ) -> Result<Self> {
        if table.n_patients() == 0 {
            return Err(SeriesError::NoPatient { source_name: "the table".into() }.into());
        }
        let is_relative = table.time_kind() == TimeKind::Relative;
        let wants = match params.rows {
            Rows::Panel { .. } if params.grid.is_calendar() => (false, "calendar dates"),
            Rows::Panel { .. } => (is_relative, ""),
            _ => (true, "times since admission"),
        };
        if is_relative != wants.0 {
            let reason = format!("rows of this kind on a grid of {} need {}", params.grid, wants.1);
            return Err(SeriesError::Times { reason }.into());
        }
        let mut known = Vec::with_capacity(variables.len());
        for fitted in variables.as_slice() {
            let found = table.variable(&fitted.name);
            if let Some(found) = found {
                let unit = &table.variables().as_slice()[found.0].unit;
                if *unit != fitted.unit {
                    let text = |unit: &Option<tsc_core::Unit>| {
                        unit.as_ref().map_or("no unit".into(), ToString::to_string)
                    };
                    let (found, name) = (text(unit), fitted.name.clone());
                    return Err(SeriesError::UnitMismatch { name, found, fitted: text(&fitted.unit) }.into());
                }
            }
            known.push(found);
        }
        Ok(Self { params, variables, table, known })
    }

    /// Whether the table has a fitted variable.
    pub(crate) fn has(&self, variable: usize) -> bool {
        self.known[variable].is_some()
    }

    /// Times and values of a fitted variable; empty where there are none.
    pub(crate) fn series(&self, patient: PatientIx, variable: usize) -> (&'a [i64], &'a [f64]) {
        self.known[variable].map_or((&[], &[]), |v| self.table.series(patient, v))
    }

    /// Static value or outcome; NaN where there is none.
    pub(crate) fn fixed(&self, patient: PatientIx, variable: usize) -> f64 {
        self.known[variable].and_then(|v| self.table.fixed(patient, v)).unwrap_or(f64::NAN)
    }

    /// Times of stand-ins, which must not become targets.
    pub(crate) fn censored(&self, patient: PatientIx, variable: usize) -> &'a [i64] {
        self.known[variable].map_or(&[], |v| self.table.censored(patient, v))
    }

    /// First and last time of a patient's series, whatever the variable.
    pub(crate) fn span(&self, patient: PatientIx) -> Option<(i64, i64)> {
        let dynamic = (0..self.variables.len()).filter(|&v| self.variables.as_slice()[v].role.is_dynamic());
        let ends = dynamic.filter_map(|v| {
            let (times, _) = self.series(patient, v);
            Some((*times.first()?, *times.last()?))
        });
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// A patient's periods: number of the first, and how many. Checked by [`crate::rows::rows`].
    pub(crate) fn periods(&self, patient: PatientIx) -> Option<(i64, usize)> {
        let (first, last) = self.span(patient)?;
        let (first, last) = (self.params.grid.bin(first), self.params.grid.bin(last));
        Some((first, usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1)))
    }

    pub(crate) fn aggregate(&self, variable: usize) -> Aggregate {
        self.variables.as_slice()[variable].aggregate.unwrap_or(Aggregate::Last)
    }

    pub(crate) fn fill_limit(&self, variable: usize) -> Millis {
        fill_limit(self.params, &self.variables.as_slice()[variable])
    }

    /// [`Inputs::fill_limit`] in whole periods of the grid.
    pub(crate) fn fill_periods(&self, variable: usize) -> usize {
        let periods = self.fill_limit(variable).0 / self.params.grid.longest(1).0.max(1);
        usize::try_from(periods).unwrap_or(usize::MAX)
    }

    /// A variable's series on the grid, over the patient's periods.
    pub(crate) fn panel(&self, patient: PatientIx, variable: usize, periods: (i64, usize)) -> PanelSeries {
        let mut panel = PanelSeries::new(
            self.params.grid,
            self.aggregate(variable),
            self.fill_periods(variable),
            self.series(patient, variable),
            periods,
        );
        if self.variables.as_slice()[variable].absent == Absent::Zero {
            panel.filled.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        }
        panel
    }
}

/// How long a value of a variable stays known.
///
/// Where the variable does not say: three weeks on a weekly grid, nothing on a monthly one, else 6 h for what is
/// averaged (vital signs) and 24 h for the rest.
pub(crate) fn fill_limit(params: &SeriesParams, spec: &VariableSpec) -> Millis {
    spec.fill_limit.unwrap_or(match (params.grid, spec.aggregate) {
        (Grid::Week, _) => params.grid.longest(3),
        (Grid::Month, _) => Millis(0),
        (_, Some(Aggregate::Mean)) => Millis(6 * HOUR),
        _ => Millis(24 * HOUR),
    })
}
