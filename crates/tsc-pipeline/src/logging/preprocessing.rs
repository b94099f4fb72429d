use serde::Serialize;
use tsc_core::{Batch, Clusterer, DatasetInfo, Features, NoiseFallback, Regressor, Result, Run};

use super::json;
use crate::config::PipelineConfig;
use crate::reports::TrainingReport;
use crate::served::Models;
use crate::tracking::flat_params;

pub(super) fn log<C: Clusterer, R: Regressor, N: NoiseFallback>(
    run: &mut dyn Run,
    config: &PipelineConfig,
    models: &Models<C, R, N>,
    report: &TrainingReport,
    rows: &Batch<'_>,
    data: &DatasetInfo,
) -> Result<()> {
    run.log_params(&[
        ("scaling", &"standard"),
        ("clip", &config.cluster_view.clip),
        ("components", &models.view.n_out()),
    ])?;
    for (key, value) in flat_params(config).iter().filter(|(key, _)| key.starts_with("series.")) {
        run.log_params(&[(key.as_str(), value)])?;
    }
    run.log_metrics(
        0,
        &[
            ("rows_in", (report.n_samples + report.rejected.len()) as f64),
            ("rows_out", report.n_samples as f64),
            ("rows_dropped", report.rejected.len() as f64),
            ("missing_ratio", report.missing_ratio),
            ("feature_count", report.n_features as f64),
            ("preprocess_seconds", report.timings.preprocessing),
        ],
    )?;
    run.log_dataset(&DatasetInfo { name: "features".into(), ..data.clone() })?;
    run.log_artifact("features/schema.json", &json(&models.schema))?;
    match rows.features() {
        Some(x) => run.log_artifact("features/profile.json", &json(&profile(models.schema.names(), x))),
        None => Ok(()),
    }
}

/// Distribution of one feature over the rows of a fit; its extremes would be values of single patients.
#[derive(Debug, PartialEq, Serialize)]
struct FeatureProfile<'a> {
    feature: &'a str,
    mean: f64,
    standard_deviation: f64,
    #[serde(rename = "5%")]
    p5: f64,
    #[serde(rename = "25%")]
    p25: f64,
    #[serde(rename = "50%")]
    p50: f64,
    #[serde(rename = "75%")]
    p75: f64,
    #[serde(rename = "95%")]
    p95: f64,
}

fn profile<'a>(names: impl Iterator<Item = &'a str>, x: Features<'_>) -> Vec<FeatureProfile<'a>> {
    let n = x.n_samples();
    let mut column = vec![0.0; n];
    let of = |(at, feature): (usize, &'a str)| {
        column.iter_mut().zip(x.rows()).for_each(|(cell, row)| *cell = row[at]);
        column.sort_unstable_by(f64::total_cmp);
        let mean = column.iter().sum::<f64>() / n as f64;
        let squares: f64 = column.iter().map(|value| (value - mean).powi(2)).sum();
        // Linear between the neighbours, as numpy and pandas do.
        let quantile = |q: f64| {
            let place = q * (n - 1) as f64;
            let low = column[place.floor() as usize];
            low + (column[place.ceil() as usize] - low) * place.fract()
        };
        FeatureProfile {
            feature,
            mean,
            standard_deviation: (squares / (n - 1).max(1) as f64).sqrt(),
            p5: quantile(0.05),
            p25: quantile(0.25),
            p50: quantile(0.5),
            p75: quantile(0.75),
            p95: quantile(0.95),
        }
    };
    names.enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// pandas 2.3: `Series([1., 2., 4., 8., 16.]).describe(percentiles=[.05, .25, .5, .75, .95])`.
    #[test]
    fn a_profile_is_what_pandas_describes() {
        let values = [16.0, 1.0, 8.0, 2.0, 4.0];
        let profile = profile(["a"].into_iter(), Features::new(&values, 1).unwrap());
        let FeatureProfile { mean, standard_deviation, p5, p25, p50, p75, p95, .. } = profile[0];
        assert_eq!((mean, p5, p25, p50, p75, p95), (6.2, 1.2, 2.0, 4.0, 8.0, 14.399999999999999));
        assert!((standard_deviation - 6.099180272790763).abs() < 1e-14, "{standard_deviation}");
    }
}
