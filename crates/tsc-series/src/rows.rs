//! Which rows a patient gives, and when.

use tsc_core::Result;

use crate::error::SeriesError;
use crate::inputs::Inputs;
use crate::params::{Rows, SeriesParams, TargetSpec};
use crate::table::PatientIx;

/// A row of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its time: everything before may be known, nothing else.
    pub(crate) at: i64,
    /// Panel rows: the period that starts at that time.
    pub(crate) period: i64,
    /// Panel rows: how many periods ahead is forecast, 1 = that period; else 0.
    pub(crate) step: usize,
}

impl Row {
    /// Number of periods before the row, if the first is `first`.
    pub(crate) fn end(self, first: i64) -> usize {
        usize::try_from(self.period - first).unwrap_or(0)
    }

    /// Adds to the patient's name what tells its rows apart; nothing where there is one row.
    pub(crate) fn write_name(&self, name: &mut String, rows: Rows) {
        use std::fmt::Write as _;
        // Writing to a text does not fail.
        let _written = match rows {
            Rows::PerPatient { .. } => Ok(()),
            Rows::PerStep { .. } => write!(name, "@{}", self.at),
            Rows::Panel { .. } => write!(name, "@{}+{}", self.at, self.step),
        };
    }

    /// The period that is forecast.
    pub(crate) fn target_period(self) -> i64 {
        self.period + self.step as i64 - 1
    }
}

/// Periods of one series, or rows of one stay, that are sensible: a thousand years of days fit.
pub(crate) const MOST: u64 = 400_000;

/// The rows of each patient, rising in time and then in step.
pub(crate) fn rows(inputs: &Inputs<'_>) -> Result<Vec<Vec<Row>>> {
    (0..inputs.table.n_patients()).map(|patient| rows_of(inputs, PatientIx(patient))).collect()
}

fn rows_of(inputs: &Inputs<'_>, patient: PatientIx) -> Result<Vec<Row>> {
    // Checked settings fit i64.
    match inputs.params.rows {
        Rows::PerPatient { cut } => Ok(vec![Row { at: cut.0 as i64, period: 0, step: 0 }]),
        Rows::PerStep { from, every } => {
            let Some((_, last)) = inputs.span(patient) else { return Ok(Vec::new()) };
            let (from, every) = (from.0 as i64, every.0 as i64);
            let known = last.saturating_add(every).saturating_sub(from);
            if known < 0 {
                return Ok(Vec::new());
            }
            let steps = known / every;
            few(steps as u64, "a stay gives", "rows")?;
            Ok((0..=steps).map(|step| Row { at: from + step * every, period: 0, step: 0 }).collect())
        }
        Rows::Panel { from, every } => panel_rows(inputs, patient, from, every),
    }
}

fn panel_rows(inputs: &Inputs<'_>, patient: PatientIx, from: usize, every: usize) -> Result<Vec<Row>> {
    let Some((first, n_periods)) = inputs.periods(patient) else { return Ok(Vec::new()) };
    few(n_periods as u64, "a series spans", "periods of the grid")?;
    let Some(observed) = observed_periods(inputs, patient, (first, n_periods)) else {
        return Ok(Vec::new());
    };
    let Some(start) = observed.iter().position(|&is_observed| is_observed) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for end in (start.saturating_add(from)..=n_periods).step_by(every) {
        if !observed[end - 1] {
            continue;
        }
        let period = first + end as i64;
        let at = inputs.params.grid.start(period);
        rows.extend(inputs.params.horizon.iter().map(|&step| Row { at, period, step }));
    }
    Ok(rows)
}

/// In which periods the variable to forecast is known; without one, any variable.
fn observed_periods(inputs: &Inputs<'_>, patient: PatientIx, periods: (i64, usize)) -> Option<Vec<bool>> {
    let target = forecast_variable(inputs.params, inputs);
    let dynamic = |v: &usize| inputs.variables.as_slice()[*v].role.is_dynamic();
    let variables = (0..inputs.variables.len()).filter(|v| target.map_or(dynamic(v), |target| target == *v));
    let known = variables.map(|v| {
        let panel = inputs.panel(patient, v, periods);
        panel.filled.iter().map(|value| !value.is_nan()).collect::<Vec<bool>>()
    });
    known.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| *a || *b).collect())
}

/// The fitted variable that panel rows forecast.
pub(crate) fn forecast_variable(params: &SeriesParams, inputs: &Inputs<'_>) -> Option<usize> {
    match &params.target {
        Some(TargetSpec::Forecast { variable }) => inputs.variables.position(variable),
        _ => None,
    }
}

fn few(count: u64, what: &'static str, of: &'static str) -> Result<()> {
    if count <= MOST {
        return Ok(());
    }
    Err(SeriesError::Times { reason: format!("{what} {count} {of}, at most {MOST} are allowed") }.into())
}
