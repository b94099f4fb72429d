//! What every [`RetrainPolicy`] keeps.

use tsc_core::{ErrorKind, Finding, RegressionScores, RetrainPolicy, Signal, Signals, Timestamp, Vote};

const HOUR: i64 = 3_600_000;

/// Runs all checks on fresh policies of `make`, over 400 batches of half an hour.
///
/// # Panics
///
/// At the first broken promise, naming it.
pub fn suite<P: RetrainPolicy + 'static>(make: impl Fn() -> P) {
    let make = || -> Box<dyn RetrainPolicy> { Box::new(make()) };
    stays_silent_when_nothing_happened(&*make(), make());
    same_signals_give_the_same_votes(&make);
    state_goes_on_where_it_was(&make);
    foreign_state_is_refused(&make);
    takes_extreme_signals(&mut *make());
}

fn stays_silent_when_nothing_happened(fresh: &dyn RetrainPolicy, mut policy: Box<dyn RetrainPolicy>) {
    assert_eq!(policy.state(), fresh.state(), "fresh policies have the same state");
    let quiet = Signals::new(Timestamp(HOUR), Timestamp(HOUR));
    let vote = policy.decide(&quiet);
    assert!(!matches!(vote, Vote::Retrain(_)), "no retrain right after a fit without noise: {vote:?}");
}

/// Signals of batch `i`: quiet, then noisy, with gaps, findings and growing data.
fn decide(policy: &mut dyn RetrainPolicy, i: u32) -> Vote {
    let mut rng = fastrand::Rng::with_seed(u64::from(i) + 1);
    let drift = [Finding::new(Signal::NoiseRatioTrend, 2.5, 2.0)];
    let mut signals = Signals::new(Timestamp(i64::from(i) * HOUR / 2), Timestamp(0));
    let level = if i % 100 < 60 { 0.05 } else { 0.6 };
    signals.noise_ratio = (i % 7 != 3).then(|| level + 0.05 * rng.f64());
    signals.training_noise = 0.05;
    signals.training_samples = 1000;
    signals.new_samples = u64::from(i) * 25;
    signals.scores =
        i.is_multiple_of(5).then(|| RegressionScores::of(&[1.0, 2.0, 3.0], &[1.0 + level, 2.0, 3.0 - level]));
    if level > 0.5 && i.is_multiple_of(3) {
        signals.findings = &drift;
    }
    let vote = policy.decide(&signals);
    if let Vote::Suggest(weight) = vote {
        assert!((0.0..=1.0).contains(&weight), "a suggested weight lies in 0..=1, not {weight}");
    }
    vote
}

fn same_signals_give_the_same_votes(make: &dyn Fn() -> Box<dyn RetrainPolicy>) {
    let (mut a, mut b) = (make(), make());
    for i in 0..400 {
        assert_eq!(decide(&mut *a, i), decide(&mut *b, i), "same signals give the same votes (batch {i})");
    }
    assert_eq!(a.state(), b.state(), "same signals give the same state");
}

fn state_goes_on_where_it_was(make: &dyn Fn() -> Box<dyn RetrainPolicy>) {
    let mut original = make();
    for i in 0..400 {
        // Breaks inside a noisy stretch, where there is most to remember.
        if matches!(i, 0 | 61 | 62 | 163 | 210) {
            let mut restored = make();
            restored.restore(&original.state()).unwrap_or_else(|e| panic!("own state is restored: {e:?}"));
            assert_eq!(restored.state(), original.state(), "a restored policy has the same state");
            let mut twin = make();
            twin.restore(&original.state()).expect("own state is restored");
            for j in i..i + 60 {
                assert_eq!(
                    decide(&mut *restored, j),
                    decide(&mut *twin, j),
                    "restored policies vote alike (batch {j})"
                );
            }
            let mut ahead = make();
            for j in 0..i + 60 {
                decide(&mut *ahead, j);
            }
            assert_eq!(restored.state(), ahead.state(), "a restored policy goes on where it was (batch {i})");
        }
        decide(&mut *original, i);
    }
}

fn foreign_state_is_refused(make: &dyn Fn() -> Box<dyn RetrainPolicy>) {
    let mut policy = make();
    for i in 55..65 {
        decide(&mut *policy, i);
    }
    let own = policy.state();
    let mut foreign = own.clone();
    foreign.policy = "someone_elses".into();
    let mut empty = own.clone();
    empty.counts.clear();
    empty.values.clear();
    empty.children.clear();
    let mut cases = vec![(foreign, "another policy's state")];
    if empty != own {
        cases.push((empty, "a state without numbers"));
    }
    for (state, what) in cases {
        let Err(error) = policy.restore(&state) else { panic!("{what} is refused: it was taken over") };
        assert_eq!(error.kind(), ErrorKind::Artifact, "{what} is an Artifact error: {error:?}");
        assert_eq!(policy.state(), own, "a refused state changes nothing");
    }
    // A state with other numbers may be valid; it must not bring the policy down.
    let mut odd = own.clone();
    odd.counts.iter_mut().for_each(|c| *c = i64::MIN);
    odd.values.iter_mut().for_each(|v| *v = f64::NAN);
    let mut longer = own;
    longer.counts.push(i64::MAX);
    longer.values.push(f64::INFINITY);
    for state in [odd, longer] {
        let mut damaged = make();
        let taken = damaged.restore(&state);
        assert!(taken.is_ok() || damaged.state() == make().state(), "a refused state changes nothing");
        decide(&mut *damaged, 0);
    }
}

fn takes_extreme_signals(policy: &mut dyn RetrainPolicy) {
    for (now, last) in [(0, i64::MAX), (i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0)] {
        for noise in [None, Some(0.0), Some(1.0)] {
            let mut signals = Signals::new(Timestamp(now), Timestamp(last));
            signals.last_success = Some(Timestamp(last));
            signals.noise_ratio = noise;
            signals.new_samples = u64::MAX;
            signals.scores = Some(RegressionScores::default());
            let _vote = policy.decide(&signals);
        }
    }
}

#[cfg(test)]
mod tests;
