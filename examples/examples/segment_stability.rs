//! Would other patients give the same segments? On a simulated cohort and on one without groups:
//! `cargo run --release --example segment_stability`, or on your own stays:
//! `cargo run --release --example segment_stability -- --data FOLDER_OR_CSV [--data ..] [--cuts N] [--seed N]
//! [--columns GLOB,GLOB] [--size N --samples N]`
#![expect(clippy::print_stdout, reason = "an example prints what it asserts")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tsc_examples::shown;
use tsc_pipeline::cluster::{ClusterView, FittedClusterer, Hdbscan, dbcv, quality};
use tsc_pipeline::core::Label;
use tsc_pipeline::prelude::*;
use tsc_pipeline::series::simulate::Cohort;
use tsc_pipeline::series::{FeatureMatrix, Featurizer, Format, Role, SeriesTable, Source, TableSpec};
use tsc_pipeline::{ConfigWarning, SegmentStability};

/// Segments, and columns of each, that are described.
const MOST_DESCRIBED: usize = 12;

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    println!(
        "{:<22} {:>5} {:>4} {:>7} {:>7} {:>6} {:>6} {:>7} | {:>8} {:>13} {:>13} {:>13} {:>10} {:>6} {:>6}",
        "",
        "stays",
        "size",
        "samples",
        "columns",
        "found",
        "DBCV",
        "silh.",
        "segments",
        "ARI, worst",
        "without noise",
        "noise, worst",
        "largest",
        "met",
        "s"
    );
    if options.data.is_empty() {
        return simulated(&options);
    }
    for path in &options.data {
        let format = if path.is_dir() { Format::PhysioNet2012 } else { Format::Long };
        let table = SeriesTable::read(Source::Path(path), &TableSpec::preset(format))?;
        let (_, warnings) = measure(&name_of(path), &table, &options.config()?, options.cuts)?;
        for warning in warnings {
            println!("  warning: {warning}");
        }
    }
    Ok(())
}

/// What the members of each segment have in common, and what became of them.
fn describe(table: &SeriesTable, matrix: &FeatureMatrix, columns: &[usize], labels: &[Label]) {
    let outcomes = table.variables().as_slice().iter().filter(|variable| variable.role == Role::Outcome);
    let outcomes: Vec<_> =
        outcomes.filter_map(|variable| Some((&variable.name, table.variable(&variable.name)?))).collect();
    let mut found = labels.to_vec();
    found.sort_unstable();
    found.dedup();
    for label in found.into_iter().take(MOST_DESCRIBED) {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == label).collect();
        let name = label.cluster().map_or("noise".into(), |cluster| format!("segment {cluster}"));
        print!("  {name:<10} {:>5} stays:", rows.len());
        for &column in columns.iter().take(MOST_DESCRIBED) {
            let values = rows.iter().map(|&row| matrix.features().row(row)[column]);
            print!(
                " {} {:.2}",
                matrix.schema().columns()[column].name,
                values.sum::<f64>() / rows.len() as f64
            );
        }
        for &(name, variable) in &outcomes {
            let of = |&row: &usize| table.fixed(table.patient(&matrix.patients()[row])?, variable);
            let known: Vec<f64> = rows.iter().filter_map(of).collect();
            if !known.is_empty() {
                print!(" {name} {:.3}", known.iter().sum::<f64>() / known.len() as f64);
            }
        }
        println!();
    }
}

/// Four groups are found again by every third; a cohort of one group has no segments, and that is said.
fn simulated(options: &Options) -> Result<()> {
    let mut config = options.config()?;
    config.series.as_mut().context("the preset has series settings")?.cluster_columns =
        Cohort::params().cluster_columns;
    let groups = Cohort { patients: 900, ..Cohort::default() }.simulate()?;
    let (stability, warnings) = measure("four simulated groups", &groups.table, &config, options.cuts)?;
    ensure!(warnings.is_empty(), "{warnings:?}");
    ensure!(stability.worst_adjusted_rand() >= 0.9 && stability.n_clusters() == [4, 4], "{stability:?}");
    let one = Cohort { patients: 900, groups: 1, ..Cohort::default() }.simulate()?;
    let (_, warnings) = measure("one simulated group", &one.table, &config, options.cuts)?;
    for warning in &warnings {
        println!("  warning: {warning}");
    }
    ensure!(!warnings.is_empty(), "one group has no segments");
    Ok(())
}

/// Prints a row of the table: the segments of all stays, then what thirds of them say about each other.
fn measure(
    name: &str,
    table: &SeriesTable,
    config: &PipelineConfig,
    cuts: usize,
) -> Result<(SegmentStability, Vec<ConfigWarning>)> {
    let params = config.series.clone().context("the preset has series settings")?;
    let matrix = Featurizer::new(params)?.fit(table)?.transform(table)?;
    let x = matrix.features();
    let columns: Vec<usize> =
        (0..x.n_features()).filter(|&c| matrix.schema().columns()[c].column_use.clusters()).collect();
    let sized = config.segments.sized(&config.hdbscan_params, x.n_samples());

    let mut buffer = Vec::new();
    let view = ClusterView::fit(x, &columns, &config.cluster_view)?;
    let seen = view.apply_into(x, &mut buffer)?;
    let clusters = Hdbscan::new(sized.clone())?.fit(seen)?;
    let labels = clusters.training_labels();
    let scores = quality(seen, labels, &Default::default())?;

    let watch = now();
    let stability = Pipeline::from_config(config)?.segment_stability(&matrix.batch(), cuts)?;
    let seconds = watch.elapsed().as_secs_f64();
    let [fewest, most] = stability.n_clusters();
    let worst = |values: &dyn Fn(usize) -> [f64; 2]| {
        (0..stability.agreements.len()).flat_map(values).fold(0.0, f64::max)
    };
    println!(
        "{name:<22} {:>5} {:>4} {:>7} {:>7} {:>6} {:>6} {:>7} | {:>8} {:>6.3} {:>6.3} {:>13} {:>6.3} {:>6.3} {:>10.3} {:>6} {:>6.2}",
        x.n_samples(),
        sized.min_cluster_size,
        sized.min_samples.unwrap_or(sized.min_cluster_size),
        columns.len(),
        clusters.n_clusters(),
        shown(dbcv(seen, labels)?),
        shown(scores.silhouette),
        format!("{fewest}-{most}"),
        stability.adjusted_rand(),
        stability.worst_adjusted_rand(),
        shown(stability.adjusted_rand_clustered()),
        stability.noise_ratio(),
        worst(&|i| stability.agreements[i].noise_ratios),
        worst(&|i| stability.agreements[i].largest_shares),
        format!("{}/{}", stability.meeting(&config.segments), stability.agreements.len()),
        seconds,
    );
    describe(table, &matrix, &columns, labels);
    let warnings = stability.warnings(&config.segments);
    Ok((stability, warnings))
}

fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[expect(clippy::disallowed_methods, reason = "the table has a column of wall time")]
fn now() -> Instant {
    Instant::now()
}

/// What the command line says on top of the icu preset.
#[derive(Debug)]
struct Options {
    data: Vec<PathBuf>,
    cuts: usize,
    seed: u64,
    columns: Vec<String>,
    size: Option<usize>,
    samples: Option<usize>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options =
            Self { data: Vec::new(), cuts: 5, seed: 42, columns: Vec::new(), size: None, samples: None };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--data" => options.data.push(value.into()),
                "--cuts" => options.cuts = value.parse().context("--cuts")?,
                "--seed" => options.seed = value.parse().context("--seed")?,
                "--columns" => options.columns = value.split(',').map(str::to_owned).collect(),
                "--size" => options.size = Some(value.parse().context("--size")?),
                "--samples" => options.samples = Some(value.parse().context("--samples")?),
                _ => bail!("unknown option {flag}"),
            }
        }
        Ok(options)
    }

    fn config(&self) -> Result<PipelineConfig> {
        let mut text = format!("random_state = {}\ntracking.uri = \"off\"\n", self.seed);
        for (key, value) in [("min_cluster_size", self.size), ("min_samples", self.samples)] {
            if let Some(value) = value {
                text += &format!("hdbscan_params.{key} = {value}\n");
            }
        }
        text += "[series]\npreset = \"icu\"\n";
        if !self.columns.is_empty() {
            text += &format!("cluster_columns = {:?}\n", self.columns);
        }
        PipelineConfig::from_toml(&text).context("the options of the command line")
    }
}
