use tsc_core::{DetectorState, DriftDetector, Error, ErrorKind, Excess, Observation, Reading, Result, Stage};

const NAME: &str = "toy_detector";

/// Learns the mean of the first `learn` values, then reports every value more than `limit` away from it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToyDetector {
    learn: u64,
    limit: f64,
    seen: u64,
    sum: f64,
}

impl ToyDetector {
    /// A detector that has seen nothing; `learn` is at least 1.
    #[must_use]
    pub fn new(learn: u64, limit: f64) -> Self {
        Self { learn: learn.max(1), limit, seen: 0, sum: 0.0 }
    }
}

impl DriftDetector for ToyDetector {
    fn update(&mut self, x: Observation) -> Reading {
        if self.seen < self.learn {
            self.seen += 1;
            self.sum += x.value;
            return Reading::Learning { need: self.learn - self.seen };
        }
        let statistic = (x.value - self.sum / self.learn as f64).abs();
        if statistic <= self.limit {
            return Reading::Stable;
        }
        Reading::Drift { excess: Excess { statistic, limit: self.limit }, since: None }
    }

    fn reset(&mut self) {
        (self.seen, self.sum) = (0, 0.0);
    }

    fn state(&self) -> DetectorState {
        DetectorState { detector: NAME.into(), counts: vec![self.seen], values: vec![self.sum] }
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let ([seen], [sum], NAME) =
            (state.counts.as_slice(), state.values.as_slice(), state.detector.as_str())
        else {
            let message = format!("state of {}, needs {NAME} with one count and one number", state.detector);
            return Err(Error::new(ErrorKind::Artifact, Stage::Monitoring, "TSC-TST-004", message));
        };
        (self.seen, self.sum) = (*seen, *sum);
        Ok(())
    }
}
