use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Assignment, ClusterId, NoiseFallbackExt, Result, Save,
    StoredKind,
};

use super::*;
use crate::unwinding::must_fail;
use crate::{FittedToyFallback, ToyFallback};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    InventsACluster,
    InventsTheGap,
    SwapsGroups,
    AlwaysAbstains,
    LearnsTheFirstHalf,
    AcceptsNoiseAlone,
    AcceptsAnyLabels,
    DependsOnChunk,
}

#[derive(Clone, Copy, Debug)]
struct Broken(Fault);

#[derive(Clone, Debug)]
struct FittedBroken(FittedToyFallback, Fault);

impl NoiseFallback for Broken {
    type Fitted = FittedBroken;

    fn fit(&self, x: Features<'_>, labels: &[Label]) -> Result<FittedBroken> {
        let n = labels.len();
        let zeros = vec![Label::of(ClusterId(0)); n];
        let toy = match self.0 {
            Fault::AcceptsNoiseAlone if labels.iter().all(|l| l.is_noise()) => {
                ToyFallback::default().fit(x, &zeros)
            }
            Fault::AcceptsAnyLabels => ToyFallback::default().fit(x.slice(0..n), labels),
            Fault::LearnsTheFirstHalf => ToyFallback { reach: 0.1 }.fit(x.slice(0..n / 2), &labels[..n / 2]),
            _ => ToyFallback::default().fit(x, labels),
        }?;
        Ok(FittedBroken(toy, self.0))
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedBroken> {
        Ok(FittedBroken(tsc_core::restore(stored, source)?, self.0))
    }
}

impl Save for FittedBroken {
    fn kind(&self) -> ArtifactKind {
        self.0.kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        self.0.save(sink)
    }
}

impl FittedFallback for FittedBroken {
    fn n_features(&self) -> usize {
        self.0.n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        self.0.assign_into(x, out)?;
        let n = out.len() as f64;
        let named = |id: u32| Assignment { label: Label::of(ClusterId(id)), strength: 0.5 };
        for (a, row) in out.iter_mut().zip(x.rows()) {
            match self.1 {
                Fault::InventsACluster if a.label.is_noise() => *a = named(7),
                Fault::InventsTheGap if (8.0..12.0).contains(&row[0]) => *a = named(1),
                Fault::SwapsGroups if a.label.id() == 2 => *a = named(0),
                Fault::AlwaysAbstains => *a = Assignment::NOISE,
                Fault::DependsOnChunk => a.strength /= n,
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn an_honest_fallback_passes_as_it_is_and_boxed() {
    suite(&ToyFallback::default());
    suite(&ToyFallback::default().boxed());
    suite(&Broken(Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let outside = "names no cluster outside its training labels";
    let cases = [
        (Fault::InventsACluster, outside),
        (Fault::InventsTheGap, outside),
        (Fault::SwapsGroups, "gets that group or abstains"),
        (Fault::AlwaysAbstains, "names a cluster for some training sample"),
        (Fault::LearnsTheFirstHalf, "the order of the training samples does not matter"),
        (Fault::AcceptsNoiseAlone, "without a cluster are an error"),
        (Fault::AcceptsAnyLabels, "labels of another length panic"),
        (Fault::DependsOnChunk, "depends on that sample alone"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(&Broken(fault)));
        must_fail(claim, || suite(&Broken(fault).boxed()));
    }
}
