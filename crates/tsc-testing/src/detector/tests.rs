use tsc_core::{DetectorState, Excess, Result};

use super::*;
use crate::ToyDetector;
use crate::unwinding::must_fail;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    NeverFires,
    FiresOnConstants,
    ForgetsOnRestore,
    KeepsOnReset,
    TakesForeignState,
    NanExcess,
    PanicsOnLongState,
}

#[derive(Debug)]
struct Broken(ToyDetector, Fault);

impl DriftDetector for Broken {
    fn update(&mut self, x: Observation) -> Reading {
        let reading = self.0.update(x);
        let excess = |statistic| Reading::Drift { excess: Excess { statistic, limit: 0.5 }, since: None };
        match self.1 {
            Fault::NeverFires => Reading::Stable,
            Fault::FiresOnConstants if reading == Reading::Stable => excess(1.0),
            Fault::NanExcess if is_drift(reading) => excess(f64::NAN),
            _ => reading,
        }
    }

    fn reset(&mut self) {
        if self.1 != Fault::KeepsOnReset {
            self.0.reset();
        }
    }

    fn state(&self) -> DetectorState {
        self.0.state()
    }

    fn restore(&mut self, state: &DetectorState) -> Result<()> {
        let mut state = state.clone();
        match self.1 {
            Fault::ForgetsOnRestore => state.counts = vec![0],
            Fault::TakesForeignState => state.detector = self.0.state().detector,
            Fault::PanicsOnLongState => assert!(state.counts.len() <= 1, "one count"),
            _ => {}
        }
        self.0.restore(&state)
    }
}

#[test]
fn an_honest_detector_passes() {
    suite(|| ToyDetector::new(20, 0.5));
    suite(|| Broken(ToyDetector::new(20, 0.5), Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::NeverFires, "a step from 0.1 to 0.9 is found"),
        (Fault::FiresOnConstants, "constant values do not drift"),
        (Fault::ForgetsOnRestore, "a restored detector has the same state"),
        (Fault::KeepsOnReset, "reset gives the state of a fresh detector"),
        (Fault::TakesForeignState, "another detector's state is refused"),
        (Fault::NanExcess, "an excess is a number"),
        (Fault::PanicsOnLongState, "one count"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(|| Broken(ToyDetector::new(20, 0.5), fault)));
    }
}
