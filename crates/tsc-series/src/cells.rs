//! The cells of one patient's rows, NaN where missing.

use crate::calendar::{DAY_MS, iso_week, week_of_year, weekday, year_and_month};
use crate::columns::{Clock, ColumnSource, Content};
use crate::featurizer::Anchors;
use crate::grid::{Grid, bin_into, carry};
use crate::inputs::Inputs;
use crate::landmarks::{Landmarks, window};
use crate::panel::PanelStat;
use crate::params::SeriesParams;
use crate::recent::Recent;
use crate::rows::{MOST, Row};
use crate::scale::TargetForm;
use crate::shape::{ShapeScratch, Shapes, shapes};
use crate::stats::{MS_PER_HOUR, Summary};
use crate::table::PatientIx;
use crate::time_kind::TimeKind;
use crate::variables::Absent;

/// Writes the columns of each row; `out` holds `rows.len()` times `columns.len()` cells.
///
/// A row's cells depend on values before its time alone.
pub(crate) fn fill(
    inputs: &Inputs<'_>,
    columns: &[ColumnSource],
    anchors: &Anchors,
    (patient, rows): (PatientIx, &[Row]),
    out: &mut [f64],
) {
    let width = columns.len();
    let mut start = 0;
    let mut scratch = Scratch::default();
    for of_variable in columns.chunk_by(|a, b| a.variable == b.variable) {
        let end = start + of_variable.len();
        let Some(variable) = of_variable[0].variable else {
            for (row, cells) in rows.iter().zip(out.chunks_exact_mut(width)) {
                for (column, cell) in of_variable.iter().zip(&mut cells[start..end]) {
                    *cell = clock(column.content, inputs.params, row);
                }
            }
            start = end;
            continue;
        };
        let is_panel = |column: &ColumnSource| matches!(column.content, Content::Panel(_));
        if of_variable.iter().any(is_panel) {
            panel_columns(
                inputs,
                (of_variable, start),
                anchors.floors[variable],
                (patient, rows),
                (out, width),
            );
        }
        if of_variable.iter().all(is_panel) {
            start = end;
            continue;
        }
        let series = inputs.series(patient, variable);
        let fixed = inputs.fixed(patient, variable);
        for (position, row) in rows.iter().enumerate() {
            let cells = position * width;
            // Rows of one time differ in what is forecast alone.
            if position > 0 && rows[position - 1].at == row.at {
                let (before, here) = out.split_at_mut(cells);
                for (at, column) in of_variable.iter().enumerate() {
                    if !is_panel(column) {
                        here[start + at] = before[cells - width + start + at];
                    }
                }
                continue;
            }
            let mut seen = Seen::new(inputs, (variable, &anchors.landmarks), series, row.at, &mut scratch);
            for (column, cell) in of_variable.iter().zip(&mut out[cells + start..cells + end]) {
                match column.content {
                    Content::Panel(_) => (),
                    Content::Static => *cell = fixed,
                    Content::StaticMissing => *cell = f64::from(u8::from(fixed.is_nan())),
                    content => *cell = seen.cell(content),
                }
            }
        }
        start = end;
    }
}

fn panel_columns(
    inputs: &Inputs<'_>,
    (columns, start): (&[ColumnSource], usize),
    floor: f64,
    (patient, rows): (PatientIx, &[Row]),
    (out, width): (&mut [f64], usize),
) {
    // Without a value of any variable there is no row.
    let Some(periods) = inputs.periods(patient) else { return };
    let panel = inputs.panel(patient, columns[0].variable.unwrap_or(0), periods);
    let params = inputs.params;
    let is_scaled = params.scale.form != TargetForm::Level;
    let scale = |row: &Row| panel.recent_mean(row.end(panel.first), params.scale.window).max(floor);
    let scales: Vec<f64> = if is_scaled { rows.iter().map(scale).collect() } else { Vec::new() };
    for (at, column) in columns.iter().enumerate() {
        let Content::Panel(stat) = column.content else { continue };
        let Some(column) = out.get_mut(start + at..) else { return };
        panel.column(stat, params.season.unwrap_or(1), rows, (column, width));
        let scaled = column.iter_mut().step_by(width).zip(&scales);
        match stat {
            PanelStat::Scale => scaled.for_each(|(cell, scale)| *cell = *scale),
            _ if stat.is_scaled() => scaled.for_each(|(cell, scale)| *cell /= scale),
            _ => (),
        }
    }
}

fn clock(content: Content, params: &SeriesParams, row: &Row) -> f64 {
    let Content::Clock(clock) = content else { return f64::NAN };
    // Of panel rows the period that is forecast, else the row's time.
    let time = if row.step > 0 { params.grid.start(row.target_period()) } else { row.at };
    let day = time.div_euclid(DAY_MS);
    match clock {
        Clock::Hours => row.at as f64 / MS_PER_HOUR,
        Clock::Hour => (time.rem_euclid(DAY_MS) as f64 / MS_PER_HOUR).floor(),
        Clock::Weekday => weekday(day) as f64,
        Clock::Week => week_of_year(iso_week(day)) as f64,
        // A week belongs to the month of its Thursday, as it does to the year.
        Clock::Month if params.grid == Grid::Week => year_and_month(day + 3).1 as f64,
        Clock::Month => year_and_month(day).1 as f64,
        Clock::Step => row.step as f64,
    }
}

/// Space that a row's features need for a moment.
#[derive(Default)]
struct Scratch {
    sorted: Vec<f64>,
    binned: Binned,
    shape: ShapeScratch,
}

/// A window on the grid.
#[derive(Default)]
struct Binned {
    /// With values carried forward.
    values: Vec<f64>,
    /// Share of the bins that hold a value of their own.
    filled: f64,
}

/// One series as it is known at a row's time; each family is computed once, if asked for.
struct Seen<'a> {
    inputs: &'a Inputs<'a>,
    variable: usize,
    landmarks: &'a [Landmarks],
    /// All values, later ones too.
    series: (&'a [i64], &'a [f64]),
    /// Values of the window.
    window: (&'a [i64], &'a [f64]),
    at: i64,
    summary: Option<Summary>,
    shapes: Option<Shapes>,
    scratch: &'a mut Scratch,
    is_sorted: bool,
    is_binned: bool,
}

impl<'a> Seen<'a> {
    fn new(
        inputs: &'a Inputs<'a>,
        (variable, landmarks): (usize, &'a [Landmarks]),
        series: (&'a [i64], &'a [f64]),
        at: i64,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self {
            inputs,
            variable,
            landmarks,
            series,
            window: window(inputs, series, at),
            at,
            summary: None,
            shapes: None,
            scratch,
            is_sorted: false,
            is_binned: false,
        }
    }

    /// NaN where missing, never infinite.
    fn cell(&mut self, content: Content) -> f64 {
        let (params, at) = (self.inputs.params, self.at);
        let is_zero = self.inputs.variables.as_slice()[self.variable].absent == Absent::Zero;
        let value = match content {
            Content::Stat(stat) => {
                let summary = self.summary.get_or_insert_with(|| {
                    let summary = Summary::of(self.window, at);
                    if is_zero { summary.known_zero() } else { summary }
                });
                summary.get(stat)
            }
            Content::Missing => f64::from(u8::from(self.window.1.is_empty())),
            Content::Robust(_) if is_zero && self.window.1.is_empty() => 0.0,
            Content::Robust(stat) => stat.of(self.sorted()),
            Content::Recent(stat) => {
                let limit = self.inputs.fill_limit(self.variable).0 as i64;
                let value = stat.of(self.series, at, params.recent.0 as i64, limit);
                // A device that is recorded while on was off.
                if is_zero && value.is_nan() && stat != Recent::Std { 0.0 } else { value }
            }
            Content::Shape(stat) => {
                let shapes =
                    self.shapes.get_or_insert_with(|| shapes(self.window.1, &mut self.scratch.shape));
                shapes[stat as usize]
            }
            Content::Distance(distance, at) => {
                let own =
                    self.landmarks.iter().find(|l| l.variable == self.variable && l.distance == distance);
                let landmark = own.and_then(|own| own.series.get(at));
                landmark.map_or(f64::NAN, |landmark| distance.between(self.window.1, landmark))
            }
            Content::Filled => self.binned().filled,
            Content::Trend(stat) => stat.of(&self.binned().values, params.season.unwrap_or(1)),
            _ => f64::NAN,
        };
        if value.is_finite() { value } else { f64::NAN }
    }

    fn sorted(&mut self) -> &[f64] {
        if !self.is_sorted {
            self.scratch.sorted.clear();
            self.scratch.sorted.extend_from_slice(self.window.1);
            self.scratch.sorted.sort_unstable_by(f64::total_cmp);
            self.is_sorted = true;
        }
        &self.scratch.sorted
    }

    fn binned(&mut self) -> &Binned {
        if !self.is_binned {
            let (inputs, params) = (self.inputs, self.inputs.params);
            let first_value = self.window.0.first().copied().unwrap_or(self.at);
            let from = match (params.window, inputs.table.time_kind()) {
                (Some(window), _) => self.at.saturating_sub(window.0 as i64),
                (None, TimeKind::Relative) => first_value.min(0),
                (None, TimeKind::Calendar) => first_value,
            };
            let end = params.grid.bin(self.at.saturating_sub(1)) + 1;
            let first = params.grid.bin(from).max(end.saturating_sub(MOST as i64));
            let Binned { values, filled } = &mut self.scratch.binned;
            values.resize(usize::try_from(end - first).unwrap_or(0), 0.0);
            bin_into(params.grid, inputs.aggregate(self.variable), self.window, first, values);
            *filled = values.iter().filter(|value| !value.is_nan()).count() as f64 / values.len() as f64;
            carry(values, inputs.fill_periods(self.variable));
            self.is_binned = true;
        }
        &self.scratch.binned
    }
}
