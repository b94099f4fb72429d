//! Tasks on intensive care stays: PhysioNet 2012 and the MIMIC demo. Folds by stay.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tsc_pipeline::core::Millis;
use tsc_pipeline::models::{Measure, Objective};
use tsc_pipeline::series::{
    FeatureMatrix, Featurizer, Format, PatientIx, Rows, SeriesParams, SeriesTable, Source, TableSpec,
    TargetSpec,
};
use tsc_pipeline::{PipelineConfig, SegmentParams};

use super::judge::{Case, Judged, judge, outer_folds};
use super::table::{Clock, Line, Metric};

const FOLDS: usize = 5;
const SEED: u64 = 42;
const HOUR: u64 = 3_600_000;

/// What is predicted of a stay, and how it is learnt and judged.
struct Head {
    task: &'static str,
    target: &'static str,
    spec: TargetSpec,
    metric: Metric,
    /// On the scale of log(1 + value).
    log: bool,
    /// LightGBM as for resources, else as for time series.
    as_resource: bool,
}

/// Length of stay, heart rate of hours 42 to 48, and death in hospital, from 42 h of each stay.
pub(crate) fn icu(folder: &Path) -> Result<Vec<Line>> {
    let table = SeriesTable::read(Source::Path(folder), &TableSpec::preset(Format::PhysioNet2012))?;
    let outcome = |name: &str| TargetSpec::Outcome { name: name.into() };
    let Some(heart_rate) = SeriesParams::icu().target else { unreachable!("the preset has a target") };
    let heads = [
        Head {
            task: "icu",
            target: "heart rate, hours 42-48",
            spec: heart_rate,
            metric: Metric::Error(Measure::Rmse),
            log: false,
            as_resource: false,
        },
        Head {
            task: "icu",
            target: "log length of stay",
            spec: outcome("Length_of_stay"),
            metric: Metric::Error(Measure::Rmse),
            log: true,
            as_resource: true,
        },
        Head {
            task: "icu",
            target: "death in hospital",
            spec: outcome("In-hospital_death"),
            metric: Metric::Ranking,
            log: false,
            as_resource: true,
        },
    ];
    let config = PipelineConfig { segments: SegmentParams::icu(), ..PipelineConfig::default() };
    heads.iter().map(|head| by_stay(&table, &SeriesParams::icu(), head, &config)).collect()
}

/// Heart rate of the next hour and the hours that remain, from every hour after the first day.
pub(crate) fn los(folder: &Path) -> Result<Vec<Line>> {
    let table = yaib(&folder.join("los"))?;
    let hourly = SeriesParams {
        cluster_columns: ["hr", "map", "resp", "o2sat"].map(|vital| format!("{vital}.recent_mean")).to_vec(),
        ..SeriesParams::icu_hourly()
    };
    let Some(next_hour) = hourly.target.clone() else { unreachable!("the preset has a target") };
    let heads = [
        Head {
            task: "los",
            target: "heart rate, next hour",
            spec: next_hour,
            metric: Metric::Error(Measure::Rmse),
            log: false,
            as_resource: false,
        },
        Head {
            task: "los",
            target: "remaining hours",
            spec: TargetSpec::Outcome { name: "label".into() },
            metric: Metric::Error(Measure::Rmse),
            log: false,
            as_resource: true,
        },
    ];
    let segments = SegmentParams { auto_size: true, ..SegmentParams::default() };
    let config = PipelineConfig { segments, ..PipelineConfig::default() };
    heads.iter().map(|head| by_stay(&table, &hourly, head, &config)).collect()
}

/// Death in hospital from the first day; too few stays to prove anything.
pub(crate) fn mortality24(folder: &Path) -> Result<Vec<Line>> {
    let table = yaib(&folder.join("mortality24"))?;
    let name = outcome_of(&table).context("the cohort has no outcome")?;
    let params = SeriesParams {
        rows: Rows::PerPatient { cut: Millis(24 * HOUR) },
        cluster_columns: ["hr", "map", "resp", "o2sat"].map(|vital| format!("{vital}.mean")).to_vec(),
        target: None,
        resources: Vec::new(),
        ..SeriesParams::default()
    };
    let head = Head {
        task: "mortality24",
        target: "death in hospital",
        spec: TargetSpec::Outcome { name },
        metric: Metric::Ranking,
        log: false,
        as_resource: true,
    };
    Ok(vec![by_stay(&table, &params, &head, &PipelineConfig::default())?])
}

fn outcome_of(table: &SeriesTable) -> Option<String> {
    let outcomes = table.variables().as_slice().iter().filter(|v| v.role.is_outcome());
    let known = |name: &str| {
        let Some(variable) = table.variable(name) else { return false };
        (0..table.n_patients()).any(|p| table.fixed(PatientIx(p), variable).is_some())
    };
    outcomes.map(|v| v.name.clone()).find(|name| known(name))
}

/// The first cohort in a folder of cohorts, or the folder itself.
fn yaib(folder: &Path) -> Result<SeriesTable> {
    let mut inside: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("{}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("dyn.parquet").is_file())
        .collect();
    inside.sort();
    let cohort = inside.first().map_or(folder, PathBuf::as_path);
    Ok(SeriesTable::read(Source::Path(cohort), &TableSpec::preset(Format::Yaib))?)
}

/// Five folds by stay: featurizer, segments and models see the stays of four, the fifth is judged.
fn by_stay(table: &SeriesTable, params: &SeriesParams, head: &Head, config: &PipelineConfig) -> Result<Line> {
    let clock = Clock::start();
    let params = SeriesParams { target: Some(head.spec.clone()), resources: Vec::new(), ..params.clone() };
    let mut config = config.clone();
    config.intervals.levels = match head.metric {
        Metric::Error(_) => vec![0.8],
        Metric::Ranking => Vec::new(),
    };
    if head.as_resource {
        config.lgb_timeseries_params = config.lgb_resource_params.clone();
    }
    if head.metric == Metric::Ranking {
        config.lgb_timeseries_params.objective = Some(Objective::Binary);
    }
    let mut all = Judged::default();
    for held_out in outer_folds(&table.groups(), FOLDS, SEED)? {
        let is_held = |patient: &PatientIx| held_out.binary_search(&patient.0).is_ok();
        let (test, train): (Vec<PatientIx>, Vec<PatientIx>) =
            (0..table.n_patients()).map(PatientIx).partition(is_held);
        let train = table.select(&train);
        let featurizer = Featurizer::new(params.clone())?.fit(&train)?;
        let (train, test) = (featurizer.transform(&train)?, featurizer.transform(&table.select(&test))?);
        let targets = scaled(&train, head.log);
        let case = Case { train: &train, train_targets: &targets, test: &test };
        let mut judged = judge(&config, &case, scaled(&test, head.log))?;
        let known: Vec<f64> = targets.iter().copied().filter(|y| y.is_finite()).collect();
        // One value for everybody ranks nobody; folds of unlike means would rank by fold.
        let mean = if head.metric == Metric::Ranking { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        judged.naive.push(("one value for all".into(), vec![mean; judged.truth.len()]));
        all.extend(judged);
    }
    Ok(Line::of(head.task, head.target, head.metric, &all, clock.seconds()))
}

fn scaled(matrix: &FeatureMatrix, log: bool) -> Vec<f64> {
    let targets = matrix.targets().unwrap_or_default();
    targets.iter().map(|y| if log { y.ln_1p() } else { *y }).collect()
}

