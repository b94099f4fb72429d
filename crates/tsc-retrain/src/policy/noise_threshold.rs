use tsc_core::{PolicyState, Result, RetrainPolicy, Signals, Stage, Timestamp, Trigger, Vote, all_valid};

use super::check_owner;
use crate::error::RetrainError;
use crate::params::{CONFIG, RetrainParams, ratio};

const NAME: &str = "noise_threshold";

/// Retrains when batches hold more noise than the bar: three in a row, or one far above.
///
/// The bar is `min(max(noise_threshold, training_noise + noise_margin), (1 + training_noise) / 2)`, with
/// the noise of held-out training rows: data whose own training noise lies near `noise_threshold` would
/// otherwise retrain for ever. A batch counts at `>=` the bar; one at `>= min(severe_factor x bar, 1)` is
/// enough alone. The vote stands while the breach lasts; new models start the count again.
///
/// # Examples
///
/// ```
/// use tsc_retrain::{NoiseThreshold, RetrainParams, RetrainPolicy, Signals, Vote};
/// use tsc_core::Timestamp;
/// let mut policy = NoiseThreshold::new(&RetrainParams::default(), 0.3)?;
/// let mut signals = Signals::new(Timestamp(0), Timestamp(0));
/// signals.noise_ratio = Some(0.3);
/// assert_eq!(policy.decide(&signals), Vote::Keep);
/// assert_eq!(policy.decide(&signals), Vote::Keep);
/// assert!(matches!(policy.decide(&signals), Vote::Retrain(_)));
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[doc(alias = "monitor_noise_ratio")]
#[derive(Clone, Debug)]
pub struct NoiseThreshold {
    noise_threshold: f64,
    margin: Option<f64>,
    consecutive: u32,
    severe_factor: f64,
    breaches: u32,
    fitted: Option<Timestamp>,
}

impl NoiseThreshold {
    /// The policy of `noise_threshold`, in 0..=1, and of the table `retraining`.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` naming every broken bound.
    pub fn new(params: &RetrainParams, noise_threshold: f64) -> Result<Self> {
        let mut violations = params.check();
        ratio(&mut violations, "noise_threshold", noise_threshold);
        all_valid(&violations, Stage::Retraining, CONFIG)?;
        Ok(Self {
            noise_threshold,
            margin: params.noise_margin,
            consecutive: params.consecutive_breaches,
            severe_factor: params.severe_factor,
            breaches: 0,
            fitted: None,
        })
    }

    /// The noise ratio at which a batch counts, given the noise of held-out training rows.
    #[must_use]
    pub fn bar(&self, training_noise: f64) -> f64 {
        match self.margin {
            None => self.noise_threshold,
            Some(margin) => {
                self.noise_threshold.max(training_noise + margin).min((1.0 + training_noise) / 2.0)
            }
        }
    }
}

impl RetrainPolicy for NoiseThreshold {
    fn decide(&mut self, signals: &Signals<'_>) -> Vote {
        if self.fitted != Some(signals.last_fit) {
            self.fitted = Some(signals.last_fit);
            self.breaches = 0;
        }
        let Some(noise_ratio) = signals.noise_ratio else { return Vote::Keep };
        let threshold = self.bar(signals.training_noise);
        if noise_ratio >= threshold {
            self.breaches = self.breaches.saturating_add(1);
        } else {
            self.breaches = 0;
        }
        let severe = noise_ratio >= (self.severe_factor * threshold).min(1.0);
        if severe || self.breaches >= self.consecutive {
            return Vote::Retrain(Trigger::NoiseThresholdExceeded {
                noise_ratio,
                threshold,
                consecutive: self.breaches,
            });
        }
        Vote::Keep
    }

    fn state(&self) -> PolicyState {
        PolicyState {
            policy: NAME.into(),
            counts: vec![
                i64::from(self.breaches),
                i64::from(self.fitted.is_some()),
                self.fitted.unwrap_or_default().0,
            ],
            values: Vec::new(),
            children: Vec::new(),
        }
    }

    fn restore(&mut self, state: &PolicyState) -> Result<()> {
        check_owner(state, NAME, 3, 0)?;
        self.breaches = u32::try_from(state.counts[0]).map_err(|_| RetrainError::DamagedState {
            policy: NAME,
            what: format!("{} breaches", state.counts[0]),
        })?;
        self.fitted = (state.counts[1] != 0).then_some(Timestamp(state.counts[2]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(noise: f64, training: f64) -> Signals<'static> {
        let mut signals = Signals::new(Timestamp(0), Timestamp(0));
        signals.noise_ratio = Some(noise);
        signals.training_noise = training;
        signals
    }

    fn first_vote(params: &RetrainParams, threshold: f64, training: f64, noise: &[f64]) -> Option<usize> {
        let mut policy = NoiseThreshold::new(params, threshold).unwrap();
        noise.iter().position(|&n| matches!(policy.decide(&signals(n, training)), Vote::Retrain(_)))
    }

    #[track_caller]
    fn check(noise: &[f64], fires_at: Option<usize>) {
        assert_eq!(first_vote(&RetrainParams::default(), 0.3, 0.0, noise), fires_at);
    }

    #[test]
    fn noise_trigger_fires_on_the_third_breach_in_a_row() {
        check(&[0.31, 0.31, 0.31], Some(2));
        check(&[0.31, 0.29, 0.31, 0.31], None);
        check(&[0.46], Some(0)); // severe: at least 1.5 x the bar
    }

    #[test]
    fn both_limits_are_reached_at_equality() {
        check(&[0.3, 0.3, 0.3], Some(2));
        check(&[0.45 - 1e-12], None);
        check(&[0.3 * 1.5], Some(0));
    }

    // P-31: the four cases of min(max(threshold, training + margin), (1 + training) / 2), by hand.
    #[test]
    fn the_bar_rises_with_training_noise_and_stays_reachable() {
        let policy = NoiseThreshold::new(&RetrainParams::default(), 0.3).unwrap();
        assert_eq!(policy.bar(0.05), 0.3);
        assert!((policy.bar(0.58) - 0.68).abs() < 1e-15);
        assert!((policy.bar(0.9) - 0.95).abs() < 1e-15);
        assert_eq!(policy.bar(1.0), 1.0);
        let off = RetrainParams { noise_margin: None, ..RetrainParams::default() };
        assert_eq!(NoiseThreshold::new(&off, 0.25).unwrap().bar(0.58), 0.25);
    }

    #[test]
    fn batches_like_noisy_training_data_do_not_retrain() {
        let like_training = [0.58; 50];
        assert_eq!(first_vote(&RetrainParams::default(), 0.25, 0.58, &like_training), None);
        let off = RetrainParams { noise_margin: None, ..RetrainParams::default() };
        assert_eq!(first_vote(&off, 0.25, 0.58, &like_training), Some(0));
    }

    #[test]
    fn a_full_noise_batch_is_severe_even_where_the_factor_exceeds_one() {
        let off = RetrainParams { noise_margin: None, ..RetrainParams::default() };
        assert_eq!(first_vote(&off, 0.9, 0.0, &[1.0]), Some(0));
        assert_eq!(first_vote(&off, 0.9, 0.0, &[0.95, 0.95]), None);
    }

    #[test]
    fn each_key_changes_the_outcome() {
        let noise = [0.35, 0.35, 0.35, 0.35];
        let base = RetrainParams::default();
        assert_eq!(first_vote(&base, 0.3, 0.0, &noise), Some(2));
        let one = RetrainParams { consecutive_breaches: 1, ..base.clone() };
        assert_eq!(first_vote(&one, 0.3, 0.0, &noise), Some(0));
        let severe = RetrainParams { severe_factor: 1.1, ..base.clone() };
        assert_eq!(first_vote(&severe, 0.3, 0.0, &noise), Some(0));
        let margin = RetrainParams { noise_margin: Some(0.4), ..base.clone() };
        assert_eq!(first_vote(&margin, 0.3, 0.0, &noise), None);
        assert_eq!(first_vote(&base, 0.36, 0.0, &noise), None);
    }

    #[test]
    fn the_vote_stands_until_new_models_serve() {
        let mut policy = NoiseThreshold::new(&RetrainParams::default(), 0.3).unwrap();
        let fires = |policy: &mut NoiseThreshold, fit: i64| {
            let mut s = signals(0.4, 0.0);
            s.last_fit = Timestamp(fit);
            matches!(policy.decide(&s), Vote::Retrain(_))
        };
        let before: Vec<bool> = (0..5).map(|_| fires(&mut policy, 1)).collect();
        assert_eq!(before, [false, false, true, true, true]);
        assert!(!fires(&mut policy, 2));
    }

    #[test]
    fn a_call_without_a_batch_changes_nothing() {
        let mut policy = NoiseThreshold::new(&RetrainParams::default(), 0.3).unwrap();
        policy.decide(&signals(0.4, 0.0));
        let state = policy.state();
        assert_eq!(policy.decide(&Signals::new(Timestamp(0), Timestamp(0))), Vote::Keep);
        assert_eq!(policy.state(), state);
    }

    #[test]
    fn state_of_another_policy_or_damaged_is_refused() {
        let mut policy = NoiseThreshold::new(&RetrainParams::default(), 0.3).unwrap();
        let good = policy.state();
        let mut other = good.clone();
        other.policy = "every".into();
        assert_eq!(policy.restore(&other).unwrap_err().code(), "TSC-RTR-002");
        let mut short = good.clone();
        short.counts.pop();
        assert_eq!(policy.restore(&short).unwrap_err().code(), "TSC-RTR-003");
        let mut negative = good;
        negative.counts[0] = -1;
        assert_eq!(policy.restore(&negative).unwrap_err().code(), "TSC-RTR-003");
    }

    #[test]
    fn a_threshold_outside_its_range_is_refused() {
        for threshold in [-0.1, 1.1, f64::NAN] {
            let error = NoiseThreshold::new(&RetrainParams::default(), threshold).unwrap_err();
            assert_eq!(error.code(), "TSC-RTR-001");
            assert!(error.to_string().contains("noise_threshold is"), "{error}");
        }
    }
}
