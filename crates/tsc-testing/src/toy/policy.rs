use tsc_core::{Error, ErrorKind, PolicyState, Result, RetrainPolicy, Signals, Stage, Trigger, Vote};

const NAME: &str = "toy_policy";

/// Asks for a retrain when `batches` batches in a row have at least `threshold` noise.
#[derive(Clone, Debug, PartialEq)]
pub struct ToyPolicy {
    threshold: f64,
    batches: i64,
    in_a_row: i64,
}

impl ToyPolicy {
    /// A policy that has seen nothing.
    #[must_use]
    pub fn new(threshold: f64, batches: u32) -> Self {
        Self { threshold, batches: i64::from(batches), in_a_row: 0 }
    }
}

impl RetrainPolicy for ToyPolicy {
    fn decide(&mut self, signals: &Signals<'_>) -> Vote {
        let Some(noise_ratio) = signals.noise_ratio else { return Vote::Keep };
        self.in_a_row = if noise_ratio >= self.threshold { self.in_a_row.saturating_add(1) } else { 0 };
        if self.in_a_row < self.batches {
            return Vote::Keep;
        }
        self.in_a_row = 0;
        let consecutive = u32::try_from(self.batches).unwrap_or(u32::MAX);
        Vote::Retrain(Trigger::NoiseThresholdExceeded { noise_ratio, threshold: self.threshold, consecutive })
    }

    fn state(&self) -> PolicyState {
        PolicyState { policy: NAME.into(), counts: vec![self.in_a_row], values: vec![], children: vec![] }
    }

    fn restore(&mut self, state: &PolicyState) -> Result<()> {
        let ([in_a_row], NAME) = (state.counts.as_slice(), state.policy.as_str()) else {
            let message =
                format!("state of {} with {} counts, needs {NAME} with 1", state.policy, state.counts.len());
            return Err(Error::new(ErrorKind::Artifact, Stage::Retraining, "TSC-TST-003", message));
        };
        self.in_a_row = *in_a_row;
        Ok(())
    }
}
