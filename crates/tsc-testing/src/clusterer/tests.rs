use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, ClustererExt, Error, Load, Result, Save, Stage, StoredKind,
};

use super::*;
use crate::unwinding::must_fail;
use crate::{FittedToyClusterer, ToyClusterer};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    LabelsWithGaps,
    DependsOnOrder,
    DependsOnChunk,
    ForgetsTraining,
    AcceptsAnyWidth,
    WritesBeforeError,
    WrongKindOfError,
    AcceptsAnyLength,
    StrengthAboveOne,
    NoiseWithStrength,
    DifferentEachTime,
    RestoresAnything,
    PanicsOnDamage,
    ChangesOnSaving,
    FailsOnOneGroup,
}

#[derive(Clone, Debug)]
struct Broken(ToyClusterer, Fault);

#[derive(Clone, Debug)]
struct FittedBroken {
    toy: FittedToyClusterer,
    fault: Fault,
    labels: Vec<Label>,
    saved: u64,
}

fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

impl Clusterer for Broken {
    type Fitted = FittedBroken;

    fn fit(&self, x: Features<'_>) -> Result<FittedBroken> {
        if self.1 == Fault::FailsOnOneGroup && x.rows().all(|row| row[0] < 9.0) {
            return Err(Error::new(ErrorKind::Training, Stage::Clustering, "TSC-TST-900", "one group"));
        }
        let toy = match self.1 {
            // The first sample decides where the cut is.
            Fault::DependsOnOrder => ToyClusterer::new(&[x.row(0)[0]]).fit(x)?,
            _ => self.0.fit(x)?,
        };
        let mut labels = toy.training_labels().to_vec();
        if self.1 == Fault::LabelsWithGaps {
            labels = labels.iter().map(|l| Label::from_ids(&[l.id() * 2])[0]).collect();
        }
        Ok(FittedBroken { toy, fault: self.1, labels, saved: next() })
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedBroken> {
        let toy: FittedToyClusterer = match self.1 {
            Fault::RestoresAnything => Load::load(1, source)?,
            Fault::PanicsOnDamage => tsc_core::restore(stored, source).unwrap(),
            _ => tsc_core::restore(stored, source)?,
        };
        let labels = toy.training_labels().to_vec();
        Ok(FittedBroken { toy, fault: self.1, labels, saved: 0 })
    }
}

impl Save for FittedBroken {
    fn kind(&self) -> ArtifactKind {
        self.toy.kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        match self.fault {
            Fault::DifferentEachTime => sink.put("stamp", &self.saved.to_le_bytes())?,
            Fault::ChangesOnSaving => sink.put("stamp", &next().to_le_bytes())?,
            _ => {}
        }
        self.toy.save(sink)
    }
}

impl FittedClusterer for FittedBroken {
    fn training_labels(&self) -> &[Label] {
        &self.labels
    }

    fn n_clusters(&self) -> usize {
        self.toy.n_clusters()
    }

    fn n_features(&self) -> usize {
        self.toy.n_features()
    }

    fn assign_into(&self, x: Features<'_>, out: &mut [Assignment]) -> Result<()> {
        let n = x.n_samples().min(out.len());
        let wide = x.n_features() != self.toy.n_features();
        match self.fault {
            Fault::AcceptsAnyWidth if wide => return Ok(()),
            Fault::WritesBeforeError if wide => out.fill(Assignment::NOISE),
            Fault::WrongKindOfError if wide => {
                return Err(Error::new(ErrorKind::Prediction, Stage::Clustering, "TSC-TST-901", "width"));
            }
            Fault::AcceptsAnyLength => return self.toy.assign_into(x.slice(0..n), &mut out[..n]),
            _ => {}
        }
        self.toy.assign_into(x, out)?;
        match self.fault {
            Fault::DependsOnChunk => out.iter_mut().for_each(|a| a.strength /= n as f64),
            Fault::ForgetsTraining => out[0] = Assignment::NOISE,
            Fault::StrengthAboveOne => out.iter_mut().for_each(|a| a.strength *= 1.5),
            Fault::NoiseWithStrength => out.iter_mut().for_each(|a| a.strength = a.strength.max(0.1)),
            _ => {}
        }
        Ok(())
    }
}

fn toy() -> ToyClusterer {
    ToyClusterer::new(&[5.0, 15.0])
}

#[test]
fn an_honest_clusterer_passes_as_it_is_and_boxed() {
    suite(&toy());
    suite(&toy().boxed());
    suite(&Broken(toy(), Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::LabelsWithGaps, "numbered by their smallest member sample, without gaps"),
        (Fault::DependsOnOrder, "permuted samples give permuted labels"),
        (Fault::DependsOnChunk, "depends on that sample alone"),
        (Fault::ForgetsTraining, "a training sample gets its training label"),
        (Fault::AcceptsAnyWidth, "another width is an error"),
        (Fault::WritesBeforeError, "an error leaves `out` untouched"),
        (Fault::WrongKindOfError, "another width is an InvalidData error"),
        (Fault::AcceptsAnyLength, "an `out` of another length panics"),
        (Fault::StrengthAboveOne, "a strength lies in 0..=1"),
        (Fault::NoiseWithStrength, "noise has strength 0"),
        (Fault::DifferentEachTime, "two fits give the same bits"),
        (Fault::ChangesOnSaving, "two fits give the same bits"),
        (Fault::RestoresAnything, "another kind is refused"),
        (Fault::PanicsOnDamage, "someone_elses"),
        (Fault::FailsOnOneGroup, "zero or one cluster is a result"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(&Broken(toy(), fault)));
        must_fail(claim, || suite(&Broken(toy(), fault).boxed()));
    }
}
