//! Segments: sizes that follow the rows, stability between thirds, and what a fit says about useless ones.
#![allow(clippy::unwrap_used, reason = "a test program: a panic is how a check reports")]
#![cfg(feature = "linear")]

mod common;

use common::{Cohort, config_with, tracked};
use tsc_pipeline::core::{ArtifactSource, FoldSpec, MemoryArtifacts, Millis, Save, Split, folds};
use tsc_pipeline::prelude::*;
use tsc_pipeline::series::{
    Featurizer, Format, PatientIx, SeriesTable, Source, TableSpec, VariableIx, simulate,
};
use tsc_pipeline::{ConfigWarning, SegmentParams, TrainingReport};
use tsc_testing::MemoryTracker;

fn report(more: &str, cohort: &Cohort) -> (TrainingReport, MemoryTracker) {
    let tracker = MemoryTracker::new();
    let (_, report) = tracked(&config_with(more), &tracker).fit_initial(&cohort.batch()).unwrap();
    (report, tracker)
}

fn one_group(n: usize) -> Cohort {
    Cohort::around(&[[30.0, 0.0, 5.0]], n, 3)
}

#[test]
fn a_fit_reports_how_far_thirds_agree_when_asked() {
    let (plain, _) = report("", &Cohort::new(450, 1));
    assert_eq!(plain.clustering.stability, None);
    let (asked, tracker) = report("segments.stability_cuts = 2", &Cohort::new(450, 1));
    let stability = asked.clustering.stability.unwrap();
    assert_eq!(stability.agreements.len(), 6);
    assert!(stability.worst_adjusted_rand() > 0.8, "{stability:?}");
    let logged = tracker.run("HDBSCAN").metric("stability/adjusted_rand");
    assert_eq!(logged, Some(stability.adjusted_rand()));
    // Looking changes nothing else.
    assert_eq!(asked.clustering.labels, plain.clustering.labels);
    assert_eq!(asked.models, plain.models);
}

#[test]
fn stability_is_reported_alike_by_a_fit_and_without_one() {
    let config = config_with("segments.stability_cuts = 2");
    let cohort = Cohort::new(450, 1);
    let pipeline = Pipeline::from_config(&config).unwrap();
    let alone = pipeline.segment_stability(&cohort.batch(), 2).unwrap();
    let (_, report) = pipeline.fit_initial(&cohort.batch()).unwrap();
    assert_eq!(report.clustering.stability, Some(alone));
}

#[test]
fn the_number_of_threads_changes_no_bit_of_it() {
    let cohort = Cohort::new(450, 1);
    let of = |threads: usize| {
        let config = config_with(&format!("threads = {threads}"));
        Pipeline::from_config(&config).unwrap().segment_stability(&cohort.batch(), 2).unwrap()
    };
    assert_eq!(of(1), of(4));
}

#[test]
fn useless_segments_are_warned_of_in_the_report_and_the_run() {
    let (report, tracker) = report("segments.stability_cuts = 1", &one_group(300));
    let of_segments = |w: &&ConfigWarning| {
        matches!(
            w,
            ConfigWarning::NoSegments
                | ConfigWarning::OneSegment { .. }
                | ConfigWarning::MostlyNoise { .. }
                | ConfigWarning::UnstableSegments { .. }
        )
    };
    let warned: Vec<String> = report.warnings.iter().filter(of_segments).map(ToString::to_string).collect();
    assert!(!warned.is_empty(), "{:?}", report.clustering);
    let tag = &tracker.run("Pipeline").tags["tsc.warnings"];
    assert!(warned.iter().all(|warning| tag.contains(warning)), "{tag}");
}

#[cfg(feature = "report")]
#[test]
fn the_page_says_what_a_silhouette_does_not() {
    let cohort = Cohort::new(450, 1);
    let pipeline = Pipeline::from_config(&config_with("segments.stability_cuts = 1")).unwrap();
    let (fitted, report) = pipeline.fit_initial(&cohort.batch()).unwrap();
    let page = fitted.report_html(&report, &cohort.batch()).unwrap();
    let dbcv = report.clustering.dbcv.unwrap();
    assert!(page.contains(&format!("Segments: DBCV {dbcv:.3}; ")), "the page has no DBCV");
    let index = report.clustering.stability.unwrap().adjusted_rand();
    assert!(page.contains(&format!("thirds of the rows is {index:.3}, ")), "the page has no stability");
}

#[test]
fn segments_that_are_of_use_warn_of_nothing() {
    let (report, tracker) = report("segments.stability_cuts = 1", &Cohort::new(450, 1));
    assert_eq!(report.warnings, []);
    assert!(!tracker.run("Pipeline").tags.contains_key("tsc.warnings"));
}

#[test]
fn a_look_on_too_small_thirds_is_skipped_and_the_fit_goes_on() {
    // Thirds of 20 rows cannot hold a cluster of 25.
    let sizes = "segments.stability_cuts = 1\nhdbscan_params.min_samples = 5\nhdbscan_params.min_cluster_size = 25\n\
        tracking.uri = \"off\"\nmodels.backend = \"linear\"\ntraining.min_rows_factor = 1";
    let config = PipelineConfig::from_toml(sizes).unwrap();
    let cohort = Cohort::new(60, 1);
    let (_, report) = Pipeline::from_config(&config).unwrap().fit_initial(&cohort.batch()).unwrap();
    assert_eq!(report.clustering.stability, None);
    let skipped = report.skipped.iter().find(|s| s.what == "segment stability").unwrap();
    assert_eq!(skipped.reason, "20 samples are fewer than min_cluster_size 25");
}

#[test]
fn every_key_of_the_bar_changes_the_warnings() {
    // Two groups that touch: their border is noise, and not the same noise in every third.
    let cohort = Cohort::around(&[[30.0, 0.0, 5.0], [36.0, 0.0, 5.0]], 450, 4);
    let warns = |key: &str, value: f64, of: fn(&ConfigWarning) -> bool| {
        let text = format!("segments.stability_cuts = 1\nsegments.{key} = {value:?}");
        report(&text, &cohort).0.warnings.iter().any(of)
    };
    let one = |w: &ConfigWarning| matches!(w, ConfigWarning::OneSegment { .. });
    assert_eq!((warns("max_share", 0.1, one), warns("max_share", 1.0, one)), (true, false));
    let noise = |w: &ConfigWarning| matches!(w, ConfigWarning::MostlyNoise { .. });
    assert_eq!((warns("max_noise", 0.0, noise), warns("max_noise", 1.0, noise)), (true, false));
    let unstable = |w: &ConfigWarning| matches!(w, ConfigWarning::UnstableSegments { .. });
    assert_eq!(
        (warns("min_agreement", 1.0, unstable), warns("min_agreement", -1.0, unstable)),
        (true, false)
    );
}

#[test]
fn automatic_sizes_reach_the_clusterer_and_the_run() {
    // 15 groups of 30 rows: too small to be segments of 450.
    let centers: Vec<[f64; 3]> =
        (0..15).map(|i| [f64::from(i) * 40.0, f64::from(i % 4) * 40.0, 0.0]).collect();
    let cohort = Cohort::around(&centers, 450, 1);
    let of = |more: &str| {
        let tracker = MemoryTracker::new();
        let text = format!("tracking.uri = \"off\"\nmodels.backend = \"linear\"\n{more}");
        let config = PipelineConfig::from_toml(&text).unwrap();
        let (_, report) = tracked(&config, &tracker).fit_initial(&cohort.batch()).unwrap();
        let params = tracker.run("HDBSCAN").params;
        (report.clustering, params["min_cluster_size"].clone(), params["min_samples"].clone())
    };
    let (fixed, size, samples) = of("");
    assert_eq!((size.as_str(), samples.as_str()), ("5", "3"));
    let (auto, size, samples) = of("segments.auto_size = true");
    // 360 rows are fitted on: 360^(2/3) is 50.6.
    assert_eq!((auto.fitted_points, size.as_str(), samples.as_str()), (360, "51", "10"));
    assert!(fixed.n_clusters >= 15, "{}", fixed.n_clusters);
    assert!(auto.n_clusters < 15 && auto.sizes.iter().all(|&size| size >= 51), "{:?}", auto.sizes);
}

#[test]
fn a_pipeline_with_automatic_sizes_is_stored_and_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let text = "tracking.uri = \"off\"\nmodels.backend = \"linear\"\nsegments.auto_size = true";
    let config = PipelineConfig::from_toml(text).unwrap();
    let cohort = Cohort::new(450, 1);
    let (fitted, _) = Pipeline::from_config(&config).unwrap().fit_initial(&cohort.batch()).unwrap();
    fitted.save(dir.path().join("bundle")).unwrap();
    let loaded = Pipeline::load(dir.path().join("bundle")).unwrap();
    assert_eq!(loaded.models().predict(cohort.x()).unwrap(), fitted.models().predict(cohort.x()).unwrap());
    assert_eq!(loaded.config().segments, config.segments);
}

#[test]
fn dbcv_is_reported_up_to_its_bound() {
    let cohort = Cohort::new(450, 1);
    let (report_all, _) = report("", &cohort);
    let score = report_all.clustering.dbcv.unwrap();
    assert!(score > 0.5 && score <= 1.0, "three separated groups: {score}");
    let (bounded, _) = report("segments.dbcv_max_rows = 100", &cohort);
    assert_eq!(bounded.clustering.dbcv, None);
}

/// S-22 through the pipeline: values of held-out patients change no stored byte of the featurizer.
#[test]
fn held_out_patients_teach_the_featurizer_nothing() {
    let table = simulate::Cohort { patients: 300, ..simulate::Cohort::default() }.simulate().unwrap().table;
    let config = PipelineConfig { series: Some(simulate::Cohort::params()), ..config_with("") };
    let groups = table.groups();
    let spec = FoldSpec {
        split: Split::Group,
        holdout: config.training.validation_fraction,
        folds: 5,
        gap: Millis(0),
        seed: config.random_state,
    };
    let held_out = folds(groups.len(), Some(&groups), None, &spec).unwrap().holdout;
    let with_values_of = |changed: &[usize]| {
        let mut builder = SeriesTable::builder(table.variables().clone());
        for (number, name) in table.patients().iter().enumerate() {
            for (v, spec) in table.variables().as_slice().iter().enumerate() {
                let factor = if changed.contains(&number) { 1.3 } else { 1.0 };
                let (times, values) = table.series(PatientIx(number), VariableIx(v));
                for (time, value) in times.iter().zip(values) {
                    builder.push(name, *time, &spec.name, value * factor);
                }
                if let Some(value) = table.fixed(PatientIx(number), VariableIx(v)) {
                    builder.push(name, 0, &spec.name, value);
                }
            }
        }
        let (pipeline, matrix) =
            Pipeline::from_config(&config).unwrap().featurize(&builder.finish().unwrap()).unwrap();
        let (fitted, _) = pipeline.fit_initial(&matrix.batch()).unwrap();
        let mut files = MemoryArtifacts::new();
        fitted.featurizer().unwrap().save(&mut files).unwrap();
        files.get("featurizer.json").unwrap()
    };
    let unchanged = with_values_of(&[]);
    assert!(!held_out.is_empty() && with_values_of(&held_out) == unchanged);
    let seen = (0..groups.len()).find(|row| !held_out.contains(row)).unwrap();
    assert!(with_values_of(&[seen]) != unchanged, "a training patient does teach it");
}

/// The bar for intensive care on 4,000 real stays, by the preset alone, in every agreement of five cuts.
#[test]
fn the_icu_preset_gives_useful_segments_on_set_a() {
    let Some(folder) = tsc_testing::shared("data/physionet2012") else { return };
    let text = "tracking.uri = \"off\"\nmodels.backend = \"linear\"\n[series]\npreset = \"icu\"";
    let config = PipelineConfig::from_toml(text).unwrap();
    let spec = TableSpec::preset(Format::PhysioNet2012);
    let table = SeriesTable::read(Source::Path(&folder), &spec).unwrap();
    let featurizer = Featurizer::new(config.series.clone().unwrap()).unwrap().fit(&table).unwrap();
    let matrix = featurizer.transform(&table).unwrap();
    let cuts = config.segments.stability_cuts;
    let stability = Pipeline::from_config(&config).unwrap().segment_stability(&matrix.batch(), cuts).unwrap();
    assert_eq!(stability.agreements.len(), 15);
    // Written out, so that a change of the defaults of the bar cannot lower it.
    for agreement in &stability.agreements {
        assert!(agreement.n_clusters.iter().all(|&n| n >= 2), "{agreement:?}");
        assert!(agreement.largest_shares.iter().all(|&share| share <= 0.9), "{agreement:?}");
        assert!(agreement.noise_ratios.iter().all(|&noise| noise <= 0.3), "{agreement:?}");
        assert!(agreement.adjusted_rand >= 0.6, "{agreement:?}");
    }
    assert_eq!(stability.meeting(&SegmentParams::default()), 15);
    assert_eq!(stability.warnings(&config.segments), []);
}
