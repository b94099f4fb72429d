use tsc_core::{PolicyState, Result};

use super::*;
use crate::ToyPolicy;
use crate::unwinding::must_fail;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    FiresAtOnce,
    DiffersEachTime,
    ForgetsOnRestore,
    TakesForeignState,
    HalfTaken,
    SuggestsTooMuch,
    PanicsOnAge,
}

#[derive(Debug)]
struct Broken {
    toy: ToyPolicy,
    fault: Fault,
    stamp: u64,
}

impl RetrainPolicy for Broken {
    fn decide(&mut self, signals: &Signals<'_>) -> Vote {
        let vote = self.toy.decide(signals);
        match self.fault {
            Fault::FiresAtOnce => Vote::Retrain(tsc_core::Trigger::ManualCommand { reason: "always".into() }),
            Fault::DiffersEachTime if vote != Vote::Keep => Vote::Suggest(1.0 / self.stamp as f64),
            Fault::SuggestsTooMuch => Vote::Suggest(1.5),
            Fault::PanicsOnAge => {
                let age = signals.now.0.checked_sub(signals.last_fit.0).unwrap();
                if age < 0 { Vote::Keep } else { vote }
            }
            _ => vote,
        }
    }

    fn state(&self) -> PolicyState {
        self.toy.state()
    }

    fn restore(&mut self, state: &PolicyState) -> Result<()> {
        let mut state = state.clone();
        match self.fault {
            Fault::ForgetsOnRestore => state.counts = vec![0],
            Fault::TakesForeignState => state.policy = self.toy.state().policy,
            Fault::HalfTaken if state.policy == "someone_elses" => {
                self.toy = ToyPolicy::new(0.3, 3);
            }
            _ => {}
        }
        self.toy.restore(&state)
    }
}

fn make(fault: Fault) -> impl Fn() -> Broken {
    let made = std::cell::Cell::new(1);
    move || {
        made.set(made.get() + 1);
        Broken { toy: ToyPolicy::new(0.3, 3), fault, stamp: made.get() }
    }
}

#[test]
fn an_honest_policy_passes() {
    suite(|| ToyPolicy::new(0.3, 3));
    suite(make(Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::FiresAtOnce, "no retrain right after a fit"),
        (Fault::DiffersEachTime, "same signals give the same votes"),
        (Fault::ForgetsOnRestore, "a restored policy has the same state"),
        (Fault::TakesForeignState, "another policy's state is refused"),
        (Fault::HalfTaken, "a refused state changes nothing"),
        (Fault::SuggestsTooMuch, "a suggested weight lies in 0..=1"),
        (Fault::PanicsOnAge, "None"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(make(fault)));
    }
}
