//! The columns of a feature matrix: what each holds, its name, unit and use.

use serde::{Deserialize, Serialize};
use tsc_core::{Column, ColumnUse, Unit};

use crate::distance::SeriesDistance;
use crate::glob;
use crate::grid::Grid;
use crate::inputs::Inputs;
use crate::landmarks::Landmarks;
use crate::panel::PanelStat;
use crate::params::{FeatureSet, Rows, SeriesParams};
use crate::recent::Recent;
use crate::robust::Robust;
use crate::scale::TargetForm;
use crate::shape::Shape;
use crate::stats::Stat;
use crate::time_kind::TimeKind;
use crate::trend::Trend;
use crate::variables::{Absent, VariableSpec, VariableTable};

/// What a column holds of its variable, or of the row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "stat", rename_all = "snake_case")]
pub(crate) enum Content {
    Stat(Stat),
    Missing,
    Static,
    StaticMissing,
    Robust(Robust),
    Recent(Recent),
    Filled,
    Trend(Trend),
    Shape(Shape),
    /// To the landmark of this place.
    Distance(SeriesDistance, usize),
    Panel(PanelStat),
    Clock(Clock),
}

/// What a row knows of itself: its time, or the period that is forecast from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Clock {
    /// Hours since admission.
    Hours,
    /// Hour of the day.
    Hour,
    Weekday,
    Week,
    Month,
    /// Periods ahead.
    Step,
}

impl Clock {
    fn name(self) -> &'static str {
        match self {
            Clock::Hours => "hours",
            Clock::Hour => "hour",
            Clock::Weekday => "weekday",
            Clock::Week => "week",
            Clock::Month => "month",
            Clock::Step => "step",
        }
    }
}

/// One column; `variable` is a position in the fitted variable table, none for what a row knows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnSource {
    pub(crate) variable: Option<usize>,
    pub(crate) content: Content,
}

impl ColumnSource {
    /// Whether it holds what its content says: a clock belongs to no variable, all else to one that exists.
    pub(crate) fn fits(self, variables: &VariableTable) -> bool {
        match self.variable {
            None => matches!(self.content, Content::Clock(_)),
            Some(variable) => variable < variables.len() && !matches!(self.content, Content::Clock(_)),
        }
    }

    pub(crate) fn name(self, variables: &VariableTable) -> String {
        let of = |suffix: &str| {
            let variable = self.variable.map_or("", |v| variables.as_slice()[v].name.as_str());
            format!("{variable}.{suffix}")
        };
        let is_dynamic = self.variable.is_some_and(|v| variables.as_slice()[v].role.is_dynamic());
        match self.content {
            Content::Stat(stat) => of(stat.name()),
            Content::Missing => of("missing"),
            Content::StaticMissing if is_dynamic => of("static_missing"),
            Content::StaticMissing => of("missing"),
            Content::Static => self.variable.map_or("", |v| &variables.as_slice()[v].name).to_string(),
            Content::Robust(stat) => of(stat.name()),
            Content::Recent(stat) => of(stat.name()),
            Content::Filled => of("filled"),
            Content::Trend(stat) => of(stat.name()),
            Content::Shape(stat) => of(stat.name()),
            Content::Distance(distance, at) => of(&format!("{}{}", distance.name(), at + 1)),
            Content::Panel(stat) => of(&stat.name()),
            Content::Clock(clock) => clock.name().into(),
        }
    }

    fn unit(self, variable: Option<&VariableSpec>, params: &SeriesParams) -> Option<Unit> {
        let own = variable.and_then(|v| v.unit.clone());
        let per = |time: &str| own.as_ref().map(|unit| Unit::Other(format!("{unit}/{time}")));
        match self.content {
            Content::Stat(stat) => stat.unit(own.as_ref()),
            Content::Static | Content::Robust(_) | Content::Recent(_) => own,
            #[cfg(feature = "dtw")]
            Content::Distance(SeriesDistance::Dtw, _) => own,
            Content::Trend(Trend::Slope) => per(&params.grid.to_string()),
            Content::Panel(PanelStat::SeasonIndex) => None,
            Content::Panel(stat) if stat.is_scaled() && params.scale.form != TargetForm::Level => None,
            Content::Panel(PanelStat::Trend(_)) => per(&params.grid.to_string()),
            Content::Panel(_) => own,
            Content::Clock(Clock::Hours) => Some(Unit::Hours),
            _ => None,
        }
    }

    /// Name, unit and use, by the globs of `cluster_columns`.
    pub(crate) fn describe(self, variables: &VariableTable, params: &SeriesParams) -> Column {
        let name = self.name(variables);
        let column_use = match self.content {
            _ if !chosen(&params.cluster_columns, &name) => ColumnUse::Model,
            Content::Stat(Stat::LogCount) => ColumnUse::Cluster,
            _ => ColumnUse::Both,
        };
        let variable = self.variable.map(|v| &variables.as_slice()[v]);
        Column { unit: self.unit(variable, params), name, column_use }
    }
}

/// No glob chooses all.
fn chosen(globs: &[String], name: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob::matches(glob, name))
}

/// All columns that the families ask for and `feature_columns` chooses, by variable.
pub(crate) fn candidates(inputs: &Inputs<'_>, landmarks: &[Landmarks]) -> Vec<ColumnSource> {
    let params = inputs.params;
    let mut columns: Vec<ColumnSource> = clocks(inputs)
        .into_iter()
        .map(|clock| ColumnSource { variable: None, content: Content::Clock(clock) })
        .collect();
    for (variable, spec) in inputs.variables.as_slice().iter().enumerate() {
        let mut contents = Vec::new();
        if spec.role.is_static() {
            static_contents(params, &mut contents);
        }
        if spec.role.is_dynamic() {
            dynamic_contents(params, spec, &mut contents);
            for own in landmarks.iter().filter(|own| own.variable == variable) {
                contents.extend((0..own.series.len()).map(|at| Content::Distance(own.distance, at)));
            }
        }
        columns
            .extend(contents.into_iter().map(|content| ColumnSource { variable: Some(variable), content }));
    }
    columns.retain(|column| chosen(&params.feature_columns, &column.name(inputs.variables)));
    columns
}

fn static_contents(params: &SeriesParams, add: &mut Vec<Content>) {
    for family in &params.features {
        match family {
            FeatureSet::Stats => add.push(Content::Static),
            FeatureSet::Missingness => add.push(Content::StaticMissing),
            _ => (),
        }
    }
}

fn dynamic_contents(params: &SeriesParams, spec: &VariableSpec, add: &mut Vec<Content>) {
    for family in &params.features {
        match family {
            FeatureSet::Stats => add.extend(Stat::BASE.map(Content::Stat)),
            FeatureSet::Missingness => {
                add.push(Content::Stat(Stat::HoursSinceLast));
                // Absence that means zero is a value.
                if spec.absent == Absent::Missing {
                    add.push(Content::Missing);
                }
            }
            FeatureSet::LogCounts => add.push(Content::Stat(Stat::LogCount)),
            FeatureSet::Robust => add.extend(Robust::ALL.map(Content::Robust)),
            FeatureSet::Carried => add.push(Content::Recent(Recent::Carried)),
            FeatureSet::Recent => add.extend(Recent::WINDOWED.map(Content::Recent)),
            FeatureSet::Filled => add.push(Content::Filled),
            FeatureSet::Trend => {
                let asked = Trend::ALL.into_iter().filter(|t| !t.needs_season() || params.season.is_some());
                add.extend(asked.map(Content::Trend));
            }
            FeatureSet::Shape => add.extend(Shape::ALL.map(Content::Shape)),
            FeatureSet::Panel => add.extend(panel_stats(params).into_iter().map(Content::Panel)),
            // Depend on what was chosen for the variable.
            FeatureSet::Sbd => (),
            #[cfg(feature = "dtw")]
            FeatureSet::Dtw => (),
            FeatureSet::Clock => (),
        }
    }
}

fn panel_stats(params: &SeriesParams) -> Vec<PanelStat> {
    let mut stats: Vec<PanelStat> = params.lags.iter().map(|&k| PanelStat::Lag(k)).collect();
    stats.extend(params.rolling.iter().map(|&rolling| PanelStat::Rolling(rolling)));
    stats.extend(params.ewm.iter().map(|&alpha| PanelStat::Ewm(alpha)));
    stats.extend(params.differences.iter().map(|&k| PanelStat::Difference(k)));
    stats.extend(params.expanding.iter().map(|&stat| PanelStat::Expanding(stat)));
    stats.extend(params.trends.iter().map(|&window| PanelStat::Trend(window)));
    if params.season.is_some() {
        stats.extend([
            PanelStat::Season(1),
            PanelStat::Season(2),
            PanelStat::SeasonMean,
            PanelStat::SeasonIndex,
            PanelStat::Smoothed,
        ]);
    }
    if params.scale.form != TargetForm::Level {
        stats.push(PanelStat::Scale);
    }
    stats
}

/// What tells rows of this kind and grid apart.
fn clocks(inputs: &Inputs<'_>) -> Vec<Clock> {
    let params = inputs.params;
    let has = |family| params.features.contains(&family);
    let is_panel = matches!(params.rows, Rows::Panel { .. }) && has(FeatureSet::Panel);
    let is_calendar = inputs.table.time_kind() == TimeKind::Calendar;
    if !is_panel && !has(FeatureSet::Clock) {
        return Vec::new();
    }
    let mut clocks = match params.grid {
        _ if !is_calendar && has(FeatureSet::Clock) => vec![Clock::Hours],
        _ if !is_calendar => Vec::new(),
        Grid::Month => vec![Clock::Month],
        Grid::Week => vec![Clock::Week, Clock::Month],
        Grid::Every(_) => vec![Clock::Hour, Clock::Weekday, Clock::Week, Clock::Month],
    };
    if is_panel && params.horizon.len() > 1 {
        clocks.push(Clock::Step);
    }
    clocks
}
