//! What a forecast must beat: naive answers from the past of the target's own variable.

use crate::panel::PanelSeries;
use crate::recent::Recent;
use crate::rows::Row;

/// A naive forecast of each row, in the target variable's unit; NaN where it is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Which: `last`, `recent_mean`, `seasonal` or `growth`.
    ///
    /// `last` is the last value before the row; `recent_mean` the mean of the last `recent` hours, of panels of
    /// the last 12 periods; `seasonal` the same period a season before; `growth` the last value times the growth
    /// from the period a season before it to the one a season before the forecast.
    pub name: &'static str,
    /// One value per row.
    pub values: Vec<f64>,
    /// The same in the target's form, where that is not the variable's unit.
    pub(crate) in_form: Option<Vec<f64>>,
}

impl Reference {
    /// In the form of the matrix's targets.
    pub(crate) fn in_form(&self) -> &[f64] {
        self.in_form.as_deref().unwrap_or(&self.values)
    }
}

/// Naive forecasts of panel rows, by the grid of the target's variable.
pub(crate) const OF_PANELS: [&str; 4] = ["last", "recent_mean", "seasonal", "growth"];

/// Naive forecasts of the rows of a stay, by the values of the target's variable.
pub(crate) const OF_STAYS: [&str; 2] = ["last", "recent_mean"];

/// Periods of a panel's `recent_mean`.
const RECENT_PERIODS: usize = 12;

/// The answers of [`OF_PANELS`]; the seasonal ones are NaN without a season.
pub(crate) fn of_panel(panel: &PanelSeries, row: &Row, season: Option<usize>) -> [f64; 4] {
    let end = row.end(panel.first);
    let last = panel.lag(end, 1);
    let recent_mean = panel.recent_mean(end, RECENT_PERIODS);
    let Some(season) = season else { return [last, recent_mean, f64::NAN, f64::NAN] };
    let seasonal = panel.season(end, row.step, season, 1);
    // As many whole seasons before the last value as the seasonal forecast lies before its target.
    let before_last = panel.lag(end, 1 + season * row.step.div_ceil(season));
    let growth = if before_last > 0.0 { last * (seasonal / before_last) } else { f64::NAN };
    [last, recent_mean, seasonal, growth]
}

/// The answers of [`OF_STAYS`].
pub(crate) fn of_stay(series: (&[i64], &[f64]), row: &Row, recent_ms: i64) -> [f64; 2] {
    let of = |stat: Recent| stat.of(series, row.at, recent_ms, i64::MAX);
    [of(Recent::Carried), of(Recent::Mean)]
}
