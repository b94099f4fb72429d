//! A stored pipeline: the same bits after loading, and an error, never a panic, for anything else.
#![allow(clippy::unwrap_used, reason = "a test program: a panic is how a check reports")]
#![cfg(feature = "linear")]

mod common;

use std::fs;
use std::path::Path;

use common::{Cohort, WIDTH, config, fitted};
use tsc_pipeline::core::{ErrorKind, Timestamp};
use tsc_pipeline::prelude::*;

#[test]
fn a_loaded_pipeline_goes_on_as_if_nothing_had_happened() {
    let dir = tempfile::tempdir().unwrap();
    let mut here = fitted();
    for seed in 0..4 {
        here.process_batch(&Cohort::new(60, 20 + seed).batch().at(Timestamp(seed as i64))).unwrap();
    }
    here.save(dir.path()).unwrap();
    let mut there = Pipeline::load(dir.path()).unwrap();
    assert_eq!(there.window_rows(), here.window_rows());
    let shifted = Cohort::around(&[[200.0, 0.0, 5.0], [30.0, 0.0, 5.0]], 300, 7);
    for (i, data) in [Cohort::new(60, 40), shifted, Cohort::new(60, 41)].iter().enumerate() {
        let at = Timestamp(100 + i as i64);
        let (a, b) = (here.process_batch(&data.batch().at(at)), there.process_batch(&data.batch().at(at)));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.predictions, b.predictions);
        assert_eq!((a.alerts, a.trigger, a.model_version), (b.alerts, b.trigger, b.model_version));
    }
    assert_eq!(here.models().version(), there.models().version());
}

#[test]
fn the_first_and_the_newest_version_are_kept_and_the_newest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut pipeline = fitted();
    let first = pipeline.save(dir.path()).unwrap();
    assert_eq!(
        pipeline.save(dir.path()).unwrap().file_name().unwrap().to_str().unwrap().len(),
        "0001-12345678-2".len()
    );
    assert!(!first.exists(), "the same models with older state are replaced");
    let shifted = Cohort::around(&[[200.0, 0.0, 5.0], [30.0, 0.0, 5.0]], 600, 7);
    pipeline.process_batch(&shifted.batch()).unwrap();
    assert_eq!(pipeline.models().version(), 2);
    pipeline.save(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("versions")).unwrap().count(), 2);
    assert_eq!(Pipeline::load(dir.path()).unwrap().models().version(), 2);
}

#[test]
fn an_interrupted_save_leaves_the_previous_version_served() {
    let dir = tempfile::tempdir().unwrap();
    fitted().save(dir.path()).unwrap();
    // What a kill in the middle of a save leaves behind: a temporary folder, and no new pointer.
    let half = dir.path().join("versions/.tmp-1-2-0");
    fs::create_dir_all(half.join("clusterer")).unwrap();
    fs::write(half.join("config.json"), b"{").unwrap();
    assert_eq!(Pipeline::load(dir.path()).unwrap().models().version(), 1);
}

#[cfg(unix)]
#[test]
fn patient_rows_are_readable_by_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let version = fitted().save(dir.path()).unwrap();
    let mode = fs::metadata(version.join("state/window.bin")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// F-38: whatever happens to a file, loading is an error of kind `Artifact`, and runs no code.
#[test]
fn f38_damaged_bundles_are_errors_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let version = fitted().save(dir.path()).unwrap();
    let mut rng = fastrand::Rng::with_seed(38);
    for file in files(&version) {
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[rng.usize(..whole.len())] ^= 1 << rng.u32(..8);
        let truncated = whole[..whole.len() / 2].to_vec();
        for bytes in [flipped, truncated, Vec::new()] {
            fs::write(&file, &bytes).unwrap();
            if let Err(error) = Pipeline::load(dir.path()) {
                assert_eq!(error.kind(), ErrorKind::Artifact, "{}: {error}", file.display());
            } else {
                panic!("{} was damaged and loaded", file.display());
            }
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(Pipeline::load(dir.path()).unwrap_err().kind(), ErrorKind::Artifact);
        fs::write(&file, &whole).unwrap();
    }
    Pipeline::load(dir.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused_naming_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let version = fitted().save(dir.path()).unwrap();
    let path = version.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format_version\": 1", "\"format_version\": 2");
    fs::write(&path, text).unwrap();
    let error = Pipeline::load(dir.path()).unwrap_err();
    assert_eq!(error.code(), "TSC-ART-010");
    assert_eq!(error.to_string(), "manifest.json is tsc-bundle v2, this build reads tsc-bundle up to v1");
}

#[test]
fn a_pointer_out_of_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fitted().save(dir.path()).unwrap();
    fs::write(dir.path().join("current"), "../../etc").unwrap();
    assert_eq!(Pipeline::load(dir.path()).unwrap_err().kind(), ErrorKind::Artifact);
}

#[test]
fn a_folder_without_a_bundle_says_so() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Pipeline::load(dir.path()).unwrap_err().code(), "TSC-ART-012");
}

#[test]
fn a_bundle_of_other_stages_is_refused_naming_both_kinds() {
    let dir = tempfile::tempdir().unwrap();
    fitted().save(dir.path()).unwrap();
    let toy = tsc_testing::ToyClusterer::new(&[0.0]);
    let pipeline = Pipeline::builder()
        .clusterer(toy)
        .regressor(tsc_pipeline::models::Linear::new(Default::default()).unwrap())
        .fallback(tsc_pipeline::fallback::KnnFallback::new(Default::default()).unwrap())
        .config(config())
        .build()
        .unwrap();
    let error = pipeline.load_with(dir.path()).unwrap_err();
    assert_eq!(error.code(), "TSC-ART-001");
    assert!(error.to_string().contains("hdbscan v2"), "{error}");
}

#[test]
fn predictions_survive_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let here = fitted();
    here.save(dir.path()).unwrap();
    let there = Pipeline::load(dir.path()).unwrap();
    let data = Cohort::new(200, 77);
    assert_eq!(data.values.len(), 200 * WIDTH);
    assert_eq!(here.models().predict(data.x()).unwrap(), there.models().predict(data.x()).unwrap());
}
