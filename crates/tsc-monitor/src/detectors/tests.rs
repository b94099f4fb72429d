//! Every stored index of river 0.26.1, and the promises of every detector.

use std::collections::BTreeMap;

use serde_json::Value;
use tsc_core::{DriftDetector, Observation, Reading};

use super::*;

fn read(name: &str) -> Option<Value> {
    let file = tsc_testing::shared("conformance/drift")?.join(name);
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

fn streams() -> Option<BTreeMap<String, Vec<f64>>> {
    let values = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let stored = read("streams_input.json")?;
    Some(stored.as_object().unwrap().iter().map(|(name, v)| (name.clone(), values(v))).collect())
}

fn indexes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as usize).collect()
}

fn observe(detector: &mut dyn DriftDetector, value: f64) -> Reading {
    detector.update(Observation { value, variance: None, n: 1 })
}

fn is_drift(reading: Reading) -> bool {
    matches!(reading, Reading::Drift { .. })
}

fn detections(detector: &mut dyn DriftDetector, stream: &[f64]) -> Vec<usize> {
    (0..stream.len()).filter(|&i| is_drift(observe(detector, stream[i]))).collect()
}

fn close(actual: f64, expected: f64) -> bool {
    (actual - expected).abs() <= 1e-12 * expected.abs().max(1e-300)
}

fn adwin_params(name: &str) -> Option<AdwinParams> {
    let default = AdwinParams::default();
    Some(match name {
        "ADWIN(default)" => default,
        "ADWIN(delta=0.05,clock=1)" => AdwinParams { delta: 0.05, clock: 1, ..default },
        "ADWIN(delta=1e-5)" => AdwinParams { delta: 1e-5, ..default },
        "ADWIN(max_buckets=3,min_window_length=10)" => {
            AdwinParams { max_buckets: 3, min_window_length: 10, ..default }
        }
        _ => return None,
    })
}

fn page_hinkley_params(name: &str) -> Option<PageHinkleyParams> {
    let default = PageHinkleyParams::default();
    Some(match name {
        "PageHinkley(default)" => default,
        "PageHinkley(threshold=10,delta=0.05,mode=up)" => {
            PageHinkleyParams { threshold: 10.0, delta: 0.05, direction: Direction::Up, ..default }
        }
        "PageHinkley(threshold=20,alpha=1,mode=both)" => {
            PageHinkleyParams { threshold: 20.0, alpha: 1.0, ..default }
        }
        "PageHinkley(threshold=0.5,delta=0.005,min=10)" => {
            PageHinkleyParams { threshold: 0.5, delta: 0.005, min_instances: 10, ..default }
        }
        _ => return None,
    })
}

/// 60 cases: indexes and widths exactly, mean and variance to 1e-12.
#[test]
fn adwin_restarting_equals_river_on_every_stream() {
    let (Some(streams), Some(stored)) = (streams(), read("streams_river-0.26.1.json")) else { return };
    let mut compared = 0;
    for case in stored["cases"].as_array().unwrap() {
        let (stream, name) = (case["stream"].as_str().unwrap(), case["detector"].as_str().unwrap());
        let Some(params) = adwin_params(name) else { continue };
        let mut adwin = Adwin::new(params).unwrap();
        let mut checkpoints = case["checkpoints_i_width_mean_variance"].as_array().unwrap().iter();
        let mut found = Vec::new();
        for (i, &value) in streams[stream].iter().enumerate() {
            if is_drift(observe(&mut adwin, value)) {
                found.push(i);
            }
            if (i + 1) % 250 == 0 {
                let stored = checkpoints.next().unwrap();
                assert_eq!(stored[0].as_u64(), Some(i as u64));
                assert_eq!(stored[1].as_u64(), Some(adwin.width()), "{stream} {name} at {i}");
                let mean = adwin.mean().unwrap();
                assert!(close(mean, stored[2].as_f64().unwrap()), "{stream} {name} at {i}: {mean}");
                let variance = adwin.squared_deviations();
                assert!(close(variance, stored[3].as_f64().unwrap()), "{stream} {name} at {i}: {variance}");
            }
        }
        assert_eq!(found, indexes(&case["detections"]), "{stream} {name}");
        compared += 1;
    }
    assert_eq!(compared, 60);
}

/// 60 cases with the paper's semantics: 217 detections where a restart gives 60.
#[test]
fn adwin_shrinking_equals_the_paper_on_every_stream() {
    let (Some(streams), Some(stored)) = (streams(), read("streams_adwin_shrink.json")) else { return };
    let (mut compared, mut all) = (0, 0);
    for case in stored["cases"].as_array().unwrap() {
        let (stream, name) = (case["stream"].as_str().unwrap(), case["detector"].as_str().unwrap());
        let params = AdwinParams { after_drift: AfterDrift::Shrink, ..adwin_params(name).unwrap() };
        let mut adwin = Adwin::new(params).unwrap();
        let found = detections(&mut adwin, &streams[stream]);
        assert_eq!(found, indexes(&case["detections"]), "{stream} {name}");
        assert_eq!(case["final_width"].as_f64(), Some(adwin.width() as f64), "{stream} {name}");
        for (got, key) in [(adwin.total(), "final_total"), (adwin.squared_deviations(), "final_variance")] {
            let want = case[key].as_f64().unwrap();
            assert!(close(got, want), "{stream} {name} {key}: {got} against {want}");
        }
        (compared, all) = (compared + 1, all + found.len());
    }
    assert_eq!((compared, all), (60, 217));
}

/// 60 cases.
#[test]
fn page_hinkley_equals_river_on_every_stream() {
    let (Some(streams), Some(stored)) = (streams(), read("streams_river-0.26.1.json")) else { return };
    let mut compared = 0;
    for case in stored["cases"].as_array().unwrap() {
        let (stream, name) = (case["stream"].as_str().unwrap(), case["detector"].as_str().unwrap());
        let Some(params) = page_hinkley_params(name) else { continue };
        let mut test = PageHinkley::new(params).unwrap();
        assert_eq!(detections(&mut test, &streams[stream]), indexes(&case["detections"]), "{stream} {name}");
        compared += 1;
    }
    assert_eq!(compared, 60);
}

fn binary(name: &str) -> Option<Box<dyn DriftDetector>> {
    Some(match name {
        "DDM" => Box::new(Ddm::new(DdmParams::default()).unwrap()),
        "EDDM" => Box::new(Eddm::new(EddmParams::default()).unwrap()),
        "HDDM_A" => Box::new(HddmA::new(HddmAParams::default()).unwrap()),
        "HDDM_W" => Box::new(HddmW::new(HddmWParams::default()).unwrap()),
        "FHDDM" => Box::new(Fhddm::new(FhddmParams::default()).unwrap()),
        _ => return None,
    })
}

/// 15 cases: drifts and warnings.
#[test]
fn binary_detectors_equal_river_on_every_stream_of_both_releases() {
    for file in ["streams_river-0.26.1.json", "streams_river-0.23.0.json"] {
        let (Some(streams), Some(stored)) = (streams(), read(file)) else { return };
        let mut compared = 0;
        for case in stored["cases"].as_array().unwrap() {
            let (stream, name) = (case["stream"].as_str().unwrap(), case["detector"].as_str().unwrap());
            let Some(mut detector) = binary(name) else { continue };
            let (mut drifts, mut warnings) = (Vec::new(), Vec::new());
            for (i, &value) in streams[stream].iter().enumerate() {
                match observe(&mut *detector, value) {
                    Reading::Drift { .. } => drifts.push(i),
                    Reading::Warning(_) => warnings.push(i),
                    _ => continue,
                }
                // river's EDDM leaves a warning up on the drift that follows it.
                let raised = i > 0 && warnings.last() == Some(&(i - 1));
                if name == "EDDM" && drifts.last() == Some(&i) && raised {
                    warnings.push(i);
                }
            }
            assert_eq!(drifts, indexes(&case["detections"]), "{stream} {name}");
            assert_eq!(Some(warnings.len() as u64), case["n_warning"].as_u64(), "{stream} {name}");
            assert_eq!(
                warnings.first().map(|i| *i as u64),
                case["first_warning"].as_u64(),
                "{stream} {name}"
            );
            compared += 1;
        }
        assert_eq!(compared, 15);
    }
}

/// Trap 16: KSWIN draws at random, so only rates are compared, summed over the streams of one kind.
#[test]
fn kswin_detects_at_rivers_rate() {
    let (Some(streams), Some(stored)) = (streams(), read("streams_river-0.26.1.json")) else { return };
    const SEEDS: u64 = 20;
    let mut table = Vec::new();
    for case in stored["cases"].as_array().unwrap() {
        let (stream, name) = (case["stream"].as_str().unwrap(), case["detector"].as_str().unwrap());
        if !name.starts_with("KSWIN") {
            continue;
        }
        let ours: usize = (0..SEEDS)
            .map(|seed| {
                let params = KswinParams { alpha: 1e-4, seed, ..KswinParams::default() };
                detections(&mut Kswin::new(params).unwrap(), &streams[stream]).len()
            })
            .sum();
        table.push((stream.to_owned(), ours as f64 / SEEDS as f64, case["n"].as_f64().unwrap()));
    }
    println!("{table:?}");
    assert_eq!(table.len(), 15);
    // One draw of river's against the mean of ours: within four Poisson deviations and one detection.
    for (stream, ours, river) in &table {
        assert!(
            (ours - river).abs() <= 1.0 + 4.0 * ours.max(*river).sqrt(),
            "{stream}: {ours} against {river}"
        );
    }
    let total = |side: fn(&(String, f64, f64)) -> f64| table.iter().map(side).sum::<f64>();
    let (ours, river) = (total(|t| t.1), total(|t| t.2));
    assert!((ours - river).abs() <= 3.0 * river.sqrt(), "{ours} against {river}");
}

#[test]
fn every_detector_keeps_the_promises_of_the_suite() {
    use tsc_testing::detector::suite;
    for after_drift in [AfterDrift::Restart, AfterDrift::Shrink] {
        suite(|| Adwin::new(AdwinParams { after_drift, ..AdwinParams::default() }).unwrap());
    }
    suite(|| PageHinkley::new(PageHinkleyParams { threshold: 5.0, ..PageHinkleyParams::default() }).unwrap());
    suite(|| Ddm::new(DdmParams::default()).unwrap());
    suite(|| Eddm::new(EddmParams::default()).unwrap());
    for direction in [Direction::Up, Direction::Both] {
        suite(|| HddmA::new(HddmAParams { direction, ..HddmAParams::default() }).unwrap());
        suite(|| HddmW::new(HddmWParams { direction, ..HddmWParams::default() }).unwrap());
        suite(|| Fhddm::new(FhddmParams { direction, ..FhddmParams::default() }).unwrap());
    }
    suite(|| Kswin::new(KswinParams { alpha: 1e-4, ..KswinParams::default() }).unwrap());
}

fn all() -> Vec<Box<dyn DriftDetector>> {
    let mut all: Vec<Box<dyn DriftDetector>> = vec![
        Box::new(Adwin::new(AdwinParams { clock: 1, ..AdwinParams::default() }).unwrap()),
        Box::new(PageHinkley::new(PageHinkleyParams::default()).unwrap()),
        Box::new(Kswin::new(KswinParams::default()).unwrap()),
    ];
    all.extend(["DDM", "EDDM", "HDDM_A", "HDDM_W", "FHDDM"].map(|name| binary(name).unwrap()));
    all
}

/// Trap 16: negative totals, and values no detector can use.
#[test]
fn values_of_any_size_are_taken_or_left_out_and_state_stays_storable() {
    for mut detector in all() {
        let name = detector.state().detector;
        for i in 0..200_u32 {
            let value = f64::from(i % 2);
            observe(&mut *detector, value);
        }
        let before = detector.state();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN] {
            assert_eq!(observe(&mut *detector, value), Reading::Stable, "{name}: {value}");
            assert_eq!(detector.state(), before, "{name} is unmoved by {value}");
        }
        for i in 0..300 {
            observe(&mut *detector, [-1e100, 1e100, -1.0, 0.5, 5e-324][i % 5]);
            assert!(detector.state().values.iter().all(|v| v.is_finite()), "{name}");
        }
        let state = detector.state();
        detector.restore(&state).unwrap();
    }
}

/// Frouros's ADWIN fails on a negative total; a stream and its mirror image drift at the same values.
#[test]
fn adwin_finds_the_same_change_in_negative_values() {
    let step = |sign: f64| (0..2_000).map(|i| sign * if i < 1_000 { 1.0 } else { 3.0 }).collect::<Vec<_>>();
    let found = |sign| detections(&mut Adwin::new(AdwinParams::default()).unwrap(), &step(sign));
    assert_eq!(found(1.0), found(-1.0));
    assert_eq!(found(-1.0).len(), 1);
}

/// A few hundred buckets however long the stream: memory is fixed at construction.
#[test]
fn the_state_of_a_long_stream_is_small() {
    let mut adwin = Adwin::new(AdwinParams::default()).unwrap();
    for i in 0..200_000_u32 {
        observe(&mut adwin, f64::from(i % 2));
    }
    assert_eq!(adwin.width(), 200_000);
    assert!(adwin.state().values.len() < 200);
    let Reading::Drift { since, .. } =
        (0..1_000).map(|_| observe(&mut adwin, 5.0)).find(|r| is_drift(*r)).unwrap()
    else {
        unreachable!()
    };
    assert!(since.unwrap() > 100_000);
}

#[test]
fn parameters_outside_their_bounds_are_named() {
    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: tsc_core::Result<T>, name: &str) {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.code()), (tsc_core::ErrorKind::InvalidConfig, "TSC-MON-008"));
        assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
    }
    for delta in [0.0, 1.0, f64::NAN] {
        refused(Adwin::new(AdwinParams { delta, ..AdwinParams::default() }), "delta");
    }
    refused(Adwin::new(AdwinParams { clock: 0, ..AdwinParams::default() }), "clock");
    refused(Adwin::new(AdwinParams { max_buckets: 101, ..AdwinParams::default() }), "max_buckets");
    refused(Adwin::new(AdwinParams { min_window_length: 0, ..AdwinParams::default() }), "min_window_length");
    let page = PageHinkleyParams::default();
    refused(PageHinkley::new(PageHinkleyParams { delta: -1.0, ..page }), "delta");
    refused(PageHinkley::new(PageHinkleyParams { threshold: 0.0, ..page }), "threshold");
    refused(PageHinkley::new(PageHinkleyParams { alpha: 1.1, ..page }), "alpha");
    refused(Ddm::new(DdmParams { warning_threshold: -1.0, ..DdmParams::default() }), "warning_threshold");
    refused(Ddm::new(DdmParams { drift_threshold: 1.0, ..DdmParams::default() }), "drift_threshold");
    refused(Eddm::new(EddmParams { alpha: 1.0, ..EddmParams::default() }), "alpha");
    refused(Eddm::new(EddmParams { beta: 0.96, ..EddmParams::default() }), "beta");
    let a = HddmAParams::default();
    refused(HddmA::new(HddmAParams { drift_confidence: 0.0, ..a }), "drift_confidence");
    refused(HddmA::new(HddmAParams { warning_confidence: 1e-4, ..a }), "warning_confidence");
    refused(HddmW::new(HddmWParams { lambda: 0.0, ..HddmWParams::default() }), "lambda");
    refused(Fhddm::new(FhddmParams { window: 0, ..FhddmParams::default() }), "window");
    refused(Fhddm::new(FhddmParams { confidence: 1.0, ..FhddmParams::default() }), "confidence");
    let k = KswinParams::default();
    refused(Kswin::new(KswinParams { alpha: 0.0, ..k }), "alpha");
    refused(Kswin::new(KswinParams { window: 3, ..k }), "window");
    refused(Kswin::new(KswinParams { recent: 51, ..k }), "recent");
}

#[test]
fn a_fall_is_found_where_it_counts() {
    let fall: Vec<f64> = (0..400).map(|i| if i < 200 { 1.0 } else { 0.0 }).collect();
    for (direction, found) in [(Direction::Up, false), (Direction::Down, true), (Direction::Both, true)] {
        let mut detectors: Vec<Box<dyn DriftDetector>> = vec![
            Box::new(HddmA::new(HddmAParams { direction, ..HddmAParams::default() }).unwrap()),
            Box::new(HddmW::new(HddmWParams { direction, ..HddmWParams::default() }).unwrap()),
            Box::new(Fhddm::new(FhddmParams { direction, ..FhddmParams::default() }).unwrap()),
        ];
        for detector in &mut detectors {
            assert_eq!(!detections(&mut **detector, &fall).is_empty(), found, "{detector:?}");
        }
    }
}

/// Any counts and numbers: refused, or a detector that goes on.
#[test]
fn damaged_states_never_bring_a_detector_down() {
    let mut rng = fastrand::Rng::with_seed(17);
    for mut detector in all() {
        for i in 0..137_u32 {
            observe(&mut *detector, f64::from(u8::from(i % 5 == 0)));
        }
        let good = detector.state();
        for _ in 0..2_000 {
            let mut state = good.clone();
            for _ in 0..rng.usize(1..4) {
                match rng.u8(0..4) {
                    0 if !state.counts.is_empty() => {
                        let at = rng.usize(..state.counts.len());
                        state.counts[at] = [0, 1, 2, 5, 6, u64::MAX, 1 << 53][rng.usize(..7)];
                    }
                    1 if !state.values.is_empty() => {
                        let at = rng.usize(..state.values.len());
                        state.values[at] = [0.0, -1.0, 1e300, f64::NAN, 1.5, -1e-300][rng.usize(..6)];
                    }
                    2 => state.counts.truncate(rng.usize(..=state.counts.len())),
                    _ => state.values.truncate(rng.usize(..=state.values.len())),
                }
            }
            if detector.restore(&state).is_ok() {
                (0..70).for_each(|i| _ = observe(&mut *detector, f64::from(i % 2)));
            }
        }
    }
}
