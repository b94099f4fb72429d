//! Tasks on panels: monthly hospital demand, weekly beds, monthly emergency visits. Splits by time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tsc_pipeline::core::Split;
use tsc_pipeline::models::{Measure, Objective};
use tsc_pipeline::series::{
    ColumnMap, FeatureMatrix, Featurizer, Format, Rows, ScaleParams, SeriesParams, SeriesTable, Source,
    TableSpec, TargetForm, TargetSpec, TimeFormat, VariableTable,
};
use tsc_pipeline::{PipelineConfig, SegmentParams};

use super::judge::{Case, Judged, judge};
use super::table::{Clock, Line, Metric};

const WEEK: i64 = 7 * 86_400_000;

/// A forecast of one variable of a panel.
struct Panel<'a> {
    table: &'a SeriesTable,
    params: SeriesParams,
    config: PipelineConfig,
}

impl Panel<'_> {
    /// Learns from what was known at `origin`, and judges the rows for which `keep` holds.
    fn judge(
        &self,
        origin: i64,
        keep: &dyn Fn(&FeatureMatrix, usize) -> bool,
    ) -> Result<(FeatureMatrix, Judged)> {
        let known = self.table.before(origin);
        let (featurizer, train) = Featurizer::new(self.params.clone())?.fit_transform(&known)?;
        let rows: Vec<usize> = (0..train.n_samples())
            .filter(|&row| {
                train.known_at()[row].0 <= origin && train.targets().is_some_and(|y| y[row].is_finite())
            })
            .collect();
        let train = train.select_rows(&rows);
        let all = featurizer.transform(self.table)?;
        let rows: Vec<usize> = (0..all.n_samples()).filter(|&row| keep(&all, row)).collect();
        let test = all.select_rows(&rows);
        let targets = train.targets().unwrap_or_default();
        let truth = test.to_unit(test.targets().unwrap_or_default());
        let case = Case { train: &train, train_targets: targets, test: &test };
        let judged = judge(&self.config, &case, truth)?;
        Ok((test, judged))
    }
}

/// The first file of a folder with an ending.
fn file(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("{}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found.into_iter().next().with_context(|| format!("no {ending} in {}", folder.display()))
}

fn config() -> PipelineConfig {
    let mut config = PipelineConfig {
        segments: SegmentParams { auto_size: true, ..SegmentParams::default() },
        ..PipelineConfig::default()
    };
    config.training.split = Split::Panel;
    config.training.folds = Some(3);
    config.intervals.levels = vec![0.8];
    config
}

/// Monthly demand of 767 products, twelve months ahead, from three origins; the last is the published split.
pub(crate) fn hospital(folder: &Path) -> Result<Vec<Line>> {
    let clock = Clock::start();
    let spec = TableSpec { time: TimeFormat::Date, ..TableSpec::preset(Format::WidePanel) };
    let spec = TableSpec { columns: ColumnMap { time: "month".into(), ..spec.columns.clone() }, ..spec };
    let table = SeriesTable::read(Source::Path(&file(folder, ".csv")?), &spec)?;
    let params = SeriesParams {
        rows: Rows::Panel { from: 24, every: 6 },
        target: Some(TargetSpec::Forecast { variable: "value".into() }),
        scale: ScaleParams { form: TargetForm::SmoothedDifference, ..ScaleParams::default() },
        cluster_columns: ["season_index", "trend24", "roll12_std"].map(|f| format!("value.{f}")).to_vec(),
        ..SeriesParams::monthly()
    };
    let mut config = config();
    config.lgb_timeseries_params.objective = Some(Objective::RegressionL1);
    let panel = Panel { table: &table, params, config };
    let months = months(&table);
    let mut published = Judged::default();
    let mut scaled = BTreeMap::new();
    for back in [36, 24, 12] {
        let origin = months[months.len() - back];
        let (test, judged) = panel.judge(origin, &|rows, row| rows.times()[row].0 == origin)?;
        mase(&table, &test, &judged, origin, &mut scaled);
        published = judged;
    }
    let seconds = clock.seconds();
    let line = |judged: &Judged| {
        Line::of("hospital", "demand, 12 months", Metric::Error(Measure::Mae), judged, seconds)
    };
    let over_origins = |way: &str| scaled.get(way).map_or(f64::NAN, |all: &Vec<f64>| mean(all));
    Ok(vec![line(&published), line(&published).with_loss("MASE, 3 origins", over_origins)])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The starts of the months of a panel.
fn months(table: &SeriesTable) -> Vec<i64> {
    let Some(variable) = table.variable("value") else { return Vec::new() };
    table.series(tsc_pipeline::series::PatientIx(0), variable).0.to_vec()
}

/// Mean absolute error of each series over its mean absolute yearly difference before the origin.
fn mase(
    table: &SeriesTable,
    test: &FeatureMatrix,
    judged: &Judged,
    origin: i64,
    all: &mut BTreeMap<String, Vec<f64>>,
) {
    let Some(variable) = table.variable("value") else { return };
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, series) in test.patients().iter().enumerate() {
        rows.entry(series).or_default().push(row);
    }
    for (series, rows) in rows {
        let Some(patient) = table.patient(series) else { continue };
        let (times, values) = table.series(patient, variable);
        let known = &values[..times.partition_point(|&at| at < origin)];
        let yearly: Vec<f64> = known.windows(13).map(|year| (year[12] - year[0]).abs()).collect();
        let scale = mean(&yearly);
        let ways =
            [("pipeline", &judged.pipeline), ("global", &judged.global), ("permuted", &judged.permuted)];
        let ways = ways.into_iter().chain(judged.naive.iter().map(|(name, column)| (name.as_str(), column)));
        for (way, column) in ways {
            let errors: Vec<f64> = rows.iter().map(|&row| (judged.truth[row] - column[row]).abs()).collect();
            if scale > 0.0 && mean(&errors).is_finite() {
                all.entry(way.into()).or_default().push(mean(&errors) / scale);
            }
        }
    }
}

/// Beds and intensive care beds in use in hospitals of New York, one to four weeks ahead; the last 30 % of the weeks.
pub(crate) fn hhs(folder: &Path) -> Result<Vec<Line>> {
    let spec = TableSpec {
        columns: ColumnMap { patient: "hospital_pk".into(), time: "date".into(), ..ColumnMap::default() },
        time: TimeFormat::Date,
        variables: VariableTable::from_toml(HOSPITAL_WEEKS)?,
        ..TableSpec::preset(Format::Wide)
    };
    let all = SeriesTable::read(Source::Path(&file(folder, ".csv")?), &spec)?;
    // Reporting before August 2020 and after September 2022 is another matter.
    let (start, end) = (1_596_240_000_000, 1_664_582_400_000);
    let table = all.before(end);
    let mut lines = Vec::new();
    for (target, variable) in
        [("beds in use", "total_adult_used_inpatient_avg"), ("ICU beds in use", "used_icu_avg")]
    {
        let clock = Clock::start();
        let params = SeriesParams {
            target: Some(TargetSpec::Forecast { variable: variable.into() }),
            cluster_columns: vec![format!("{variable}.scale"), format!("{variable}.roll12_std")],
            horizon: vec![1, 2, 3, 4],
            ..SeriesParams::weekly()
        };
        let panel = Panel { table: &table, params, config: config() };
        let origin = start + (end - start) / 10 * 7;
        let later = |rows: &FeatureMatrix, row: usize| rows.times()[row].0 >= origin;
        let (test, judged) = panel.judge(origin, &later)?;
        for ahead in 1..=4 {
            let is_ahead = |row: usize| (test.known_at()[row].0 - test.times()[row].0) / WEEK == ahead;
            let judged = judged.select(&is_ahead);
            let name = format!("{target}, {ahead} week{} ahead", if ahead == 1 { "" } else { "s" });
            lines.push(Line::of("hhs", &name, Metric::Error(Measure::Rmse), &judged, clock.seconds()));
        }
    }
    Ok(lines)
}

const HOSPITAL_WEEKS: &str = r#"
variables = [
    { name = "total_adult_used_inpatient_avg", aggregate = "mean", censored = { sentinel = -999999, value = 2 } },
    { name = "used_icu_avg", aggregate = "mean", censored = { sentinel = -999999, value = 2 } },
    { name = "total_adult_confirmed_covid_avg", aggregate = "mean", censored = { sentinel = -999999, value = 2 } },
    { name = "total_adult_inpatient_avg", aggregate = "mean", censored = { sentinel = -999999, value = 2 } },
]
"#;

/// Emergency attendances and admissions of each provider and department, next month; the last six months.
pub(crate) fn nhs(folder: &Path) -> Result<Vec<Line>> {
    let spec = TableSpec::from_toml(EMERGENCY_MONTHS)?;
    let table = SeriesTable::read(Source::Path(&file(folder, ".csv")?), &spec)?;
    let mut lines = Vec::new();
    for (target, variable) in
        [("attendances, next month", "attendances"), ("admissions, next month", "admissions")]
    {
        let clock = Clock::start();
        let table = whole(&table, variable)?;
        let params = SeriesParams {
            target: Some(TargetSpec::Forecast { variable: variable.into() }),
            cluster_columns: vec![format!("{variable}.season_index"), format!("{variable}.roll12_std")],
            horizon: vec![1],
            ..SeriesParams::monthly()
        };
        let panel = Panel { table: &table, params, config: config() };
        let Some(index) = table.variable(variable) else { continue };
        let months = table.series(tsc_pipeline::series::PatientIx(0), index).0.to_vec();
        let origin = months[months.len() - 6];
        let later = |rows: &FeatureMatrix, row: usize| rows.times()[row].0 >= origin;
        let (_, judged) = panel.judge(origin, &later)?;
        lines.push(Line::of("nhs", target, Metric::Error(Measure::Rmse), &judged, clock.seconds()));
    }
    Ok(lines)
}

/// Series with every month, and for admissions without a zero.
fn whole(table: &SeriesTable, variable: &str) -> Result<SeriesTable> {
    let index = table.variable(variable).with_context(|| format!("no column {variable}"))?;
    let patients = (0..table.n_patients()).map(tsc_pipeline::series::PatientIx);
    let longest = patients.clone().map(|p| table.series(p, index).0.len()).max().unwrap_or(0);
    let keep = |p: &tsc_pipeline::series::PatientIx| {
        let (times, values) = table.series(*p, index);
        times.len() == longest && (variable != "admissions" || values.iter().all(|v| *v > 0.0))
    };
    Ok(table.select(&patients.filter(keep).collect::<Vec<_>>()))
}

const EMERGENCY_MONTHS: &str = r#"
format = "wide"
time = "date"
columns = { patient = ["org_code", "type"], time = "period" }
variables = [{ name = "attendances", aggregate = "sum" }, { name = "admissions", aggregate = "sum" }]
"#;
