//! What every [`DriftDetector`] keeps.

use tsc_core::{DriftDetector, ErrorKind, Observation, Reading};

/// Runs all checks on fresh detectors of `make`, over values in 0..=1 such as a noise ratio.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite<D: DriftDetector + 'static>(make: impl Fn() -> D) {
    let make = || -> Box<dyn DriftDetector> { Box::new(make()) };
    finds_a_large_step(&mut *make());
    constant_values_do_not_drift(&mut *make());
    state_goes_on_where_it_was(&make);
    reset_is_a_fresh_start(&make);
    foreign_state_is_refused(&make);
}

/// Value `i` of a stream that is around 0.1 for 200 observations and around 0.9 from then on.
fn observe(detector: &mut dyn DriftDetector, i: u64) -> Reading {
    let mut rng = fastrand::Rng::with_seed(i + 1);
    let level = if i < 200 { 0.1 } else { 0.9 };
    let value = level + 0.04 * (rng.f64() - 0.5);
    let n = 50 + rng.u64(0..100);
    let reading = detector.update(Observation { value, variance: None, n });
    if let Reading::Warning(excess) | Reading::Drift { excess, .. } = reading {
        assert!(!excess.statistic.is_nan() && !excess.limit.is_nan(), "an excess is a number: {excess:?}");
    }
    reading
}

fn is_drift(reading: Reading) -> bool {
    matches!(reading, Reading::Drift { .. })
}

fn finds_a_large_step(detector: &mut dyn DriftDetector) {
    let found = (0..400).any(|i| is_drift(observe(detector, i)) && i >= 200);
    assert!(found, "a step from 0.1 to 0.9 is found within 200 observations");
}

fn constant_values_do_not_drift(detector: &mut dyn DriftDetector) {
    for i in 0..500 {
        let reading = detector.update(Observation { value: 0.25, variance: None, n: 100 });
        assert!(!is_drift(reading), "constant values do not drift (observation {i}: {reading:?})");
    }
}

fn state_goes_on_where_it_was(make: &dyn Fn() -> Box<dyn DriftDetector>) {
    for at in [0, 1, 17, 120, 205] {
        let mut original = make();
        for i in 0..at {
            observe(&mut *original, i);
        }
        let mut restored = make();
        restored.restore(&original.state()).unwrap_or_else(|e| panic!("own state is restored: {e:?}"));
        assert_eq!(restored.state(), original.state(), "a restored detector has the same state");
        for i in at..at + 120 {
            assert_eq!(
                observe(&mut *restored, i),
                observe(&mut *original, i),
                "a restored detector goes on where it was (observation {i})"
            );
        }
        assert_eq!(restored.state(), original.state(), "a restored detector keeps the same state");
    }
}

fn reset_is_a_fresh_start(make: &dyn Fn() -> Box<dyn DriftDetector>) {
    let mut used = make();
    for i in 0..230 {
        observe(&mut *used, i);
    }
    used.reset();
    assert_eq!(used.state(), make().state(), "reset gives the state of a fresh detector");
}

fn foreign_state_is_refused(make: &dyn Fn() -> Box<dyn DriftDetector>) {
    let mut detector = make();
    for i in 0..50 {
        observe(&mut *detector, i);
    }
    let own = detector.state();
    let mut foreign = own.clone();
    foreign.detector = "someone_elses".into();
    let mut empty = own.clone();
    empty.counts.clear();
    empty.values.clear();
    let mut cases = vec![(foreign, "another detector's state")];
    if empty != own {
        cases.push((empty, "a state without numbers"));
    }
    for (state, what) in cases {
        let Err(error) = detector.restore(&state) else { panic!("{what} is refused: it was taken over") };
        assert_eq!(error.kind(), ErrorKind::Artifact, "{what} is an Artifact error: {error:?}");
        assert_eq!(detector.state(), own, "a refused state changes nothing");
    }
    // A state with one number more may be valid; it must not bring the detector down.
    let mut longer = own;
    longer.counts.push(u64::MAX);
    longer.values.push(1.0);
    let mut damaged = make();
    let taken = damaged.restore(&longer);
    assert!(taken.is_ok() || damaged.state() == make().state(), "a refused state changes nothing");
    damaged.update(Observation { value: 0.5, variance: None, n: 10 });
}

#[cfg(test)]
mod tests;
