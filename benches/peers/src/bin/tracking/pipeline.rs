//! What tracking adds to a fit and to a batch.

use anyhow::Result;
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::prelude::*;
use tsc_testing::Cohort;

use super::WAIT;

fn pipeline(uri: &str, backend: &str) -> Result<Pipeline> {
    let text = format!(
        "batch_size = 1000\n[tracking]\nuri = \"{uri}\"\n[models]\nbackend = \"{backend}\"\n\
         [hdbscan_params]\nmin_cluster_size = 25\nmin_samples = 10"
    );
    Ok(Pipeline::from_config(&PipelineConfig::from_toml(&text)?)?)
}

fn uri(arguments: &Arguments) -> Result<String> {
    Ok(format!("sqlite:///{}", arguments.file("pipeline.db")?.display()))
}

/// Fits in turn with and without runs: the median of each.
pub(crate) fn fit(arguments: &Arguments) -> Result<Report> {
    let cohort = Cohort::new(arguments.number("rows")?, 1);
    let uri = uri(arguments)?;
    let fit = |uri: &str| -> Result<f64> {
        let pipeline = pipeline(uri, "lightgbm")?;
        let (fitted, spent) = measure(|| pipeline.fit_initial(&cohort.batch()));
        // What the writer still has to do is no part of the fit, and must not run beside the next one.
        fitted?.0.flush_tracking(WAIT);
        Ok(spent.seconds)
    };
    in_turn(arguments.number("pairs")?, |is_tracked| fit(if is_tracked { &uri } else { "off" }))
}

/// Batches in turn with and without runs, in two pipelines that are otherwise the same.
pub(crate) fn batches(arguments: &Arguments) -> Result<Report> {
    let train = Cohort::new(2_000, 1);
    let batch = Cohort::new(arguments.number("rows")?, 2);
    let mut tracked = pipeline(&uri(arguments)?, "linear")?.fit_initial(&train.batch())?.0;
    let mut untracked = pipeline("off", "linear")?.fit_initial(&train.batch())?.0;
    tracked.flush_tracking(WAIT);
    in_turn(arguments.number("pairs")?, |is_tracked| {
        let fitted = if is_tracked { &mut tracked } else { &mut untracked };
        let (report, spent) = measure(|| fitted.process_batch(&batch.batch()));
        report?;
        Ok(spent.seconds)
    })
}

fn in_turn(pairs: usize, mut run: impl FnMut(bool) -> Result<f64>) -> Result<Report> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // The first of each warms up.
    for pair in 0..=pairs {
        let order = if pair % 2 == 0 { [true, false] } else { [false, true] };
        for is_tracked in order {
            let seconds = run(is_tracked)?;
            if pair > 0 {
                if is_tracked { &mut with } else { &mut without }.push(seconds);
            }
        }
    }
    let median = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let (_, spent) = measure(|| ());
    let spent = tsc_peers::Spent { seconds: median(with), ..spent };
    Ok(Report::new(spent).with("off", median(without)))
}
