//! From raw stays to served, stored and tracked models: what `tsclust fit` does with the icu preset, without the last
//! fit on all rows (`training.refit`), which the script does not do either.

use std::time::Duration;

use anyhow::{Context, Result};
use tsc_peers::{Arguments, Report, measure};
use tsc_pipeline::{
    Pipeline, PipelineConfig, TrainingReport,
    series::{Format, SeriesTable, Source, TableSpec},
};

pub(crate) fn road(arguments: &Arguments) -> Result<Report> {
    let store = arguments.file("ours.db")?;
    let text = format!(
        "series.preset = \"icu\"\ntraining.refit = false\ntracking.uri = \"sqlite:///{}\"\n",
        store.display()
    );
    let config = PipelineConfig::from_toml(&text)?;
    let bundle = arguments.file("bundle")?;
    let data = arguments.text("data")?;

    let (fitted, spent) = measure(|| -> Result<(f64, TrainingReport)> {
        let (features, read) = measure(|| -> Result<_> {
            let spec = TableSpec::preset(Format::PhysioNet2012);
            let table = SeriesTable::read(Source::Path(data.as_ref()), &spec)?;
            Ok(Pipeline::from_config(&config)?.featurize(&table)?)
        });
        let (pipeline, matrix) = features?;
        let (mut fitted, report) = pipeline.fit_initial(&matrix.batch())?;
        fitted.save(&bundle)?;
        if let Some(page) = fitted.report_html(&report, &matrix.batch()) {
            std::fs::write(bundle.join("report.html"), page)?;
        }
        fitted.flush_tracking(Duration::from_secs(60));
        Ok((read.seconds, report))
    });
    let (read, report) = fitted?;
    let timings = &report.timings;
    let before = timings.preprocessing + timings.clustering + timings.stability + timings.fallback;
    std::fs::remove_dir_all(&bundle).context("remove the bundle")?;
    Ok(Report::new(spent)
        .with("read", read)
        .with("before", read + before)
        .with("models", timings.models + timings.resources)
        .with_known([("check", report.models.holdout.served.rmse)]))
}
