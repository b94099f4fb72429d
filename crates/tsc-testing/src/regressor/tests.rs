use std::borrow::Cow;

use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, Capabilities, Error, FitOutcome, Importance, RegressorExt,
    Result, Save, Stage, StoredKind,
};

use super::*;
use crate::unwinding::must_fail;
use crate::{FittedToyRegressor, ToyRegressor};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    PredictsNothing,
    WorseThanTheMean,
    IgnoresConstants,
    AcceptsAnyTargets,
    DependsOnChunk,
    AcceptsAnyWidth,
    WritesBeforeError,
    AcceptsAnyLength,
    DifferentEachTime,
    ShortImportance,
    PromisesContributions,
    PromisesWeights,
    IgnoresStop,
}

#[derive(Clone, Copy, Debug)]
struct Broken(Fault);

#[derive(Clone, Copy, Debug)]
struct FittedBroken {
    toy: FittedToyRegressor,
    fault: Fault,
    stamp: u64,
}

fn next() -> u64 {
    use std::sync::atomic::AtomicU64;
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

impl Regressor for Broken {
    type Fitted = FittedBroken;

    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<FittedBroken> {
        let mut toy = match self.0 {
            Fault::AcceptsAnyTargets => ToyRegressor.fit(x.slice(0..y.len()), y)?,
            _ => ToyRegressor.fit(x, y)?,
        };
        let constant = y.as_slice().iter().all(|v| *v == y.as_slice()[0]);
        match self.0 {
            Fault::PredictsNothing => toy.mean = f64::NAN,
            Fault::WorseThanTheMean => toy.mean += 1.0,
            Fault::IgnoresConstants if constant => toy.mean = 0.0,
            _ => {}
        }
        Ok(FittedBroken { toy, fault: self.0, stamp: next() })
    }

    fn fit_set(&self, set: &TrainingSet<'_>, watch: &Watch<'_>) -> Result<FitOutcome<FittedBroken>> {
        if self.0 == Fault::IgnoresStop {
            let _flow = (watch.0)(&tsc_core::Progress { cluster: None, round: 0, rounds: 10 });
        }
        let extras = set.weights.is_some()
            || set.offset.is_some()
            || set.tuning.is_some()
            || set.loss != Loss::Configured;
        if extras {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                Stage::TimeSeriesModel,
                "TSC-TST-904",
                "extras",
            ));
        }
        let model = self.fit(set.x, set.y)?;
        Ok(FitOutcome { model, best_round: 0, history: Vec::new(), warnings: Vec::new() })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            contributions: self.0 == Fault::PromisesContributions,
            weights: self.0 == Fault::PromisesWeights,
            ..Capabilities::default()
        }
    }

    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedBroken> {
        Ok(FittedBroken { toy: tsc_core::restore(stored, source)?, fault: self.0, stamp: 0 })
    }
}

impl Save for FittedBroken {
    fn kind(&self) -> ArtifactKind {
        self.toy.kind()
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        if self.fault == Fault::DifferentEachTime {
            sink.put("stamp", &self.stamp.to_le_bytes())?;
        }
        self.toy.save(sink)
    }
}

impl FittedRegressor for FittedBroken {
    fn n_features(&self) -> usize {
        self.toy.n_features()
    }

    fn predict_into(&self, x: Features<'_>, out: &mut [f64]) -> Result<()> {
        let n = x.n_samples().min(out.len());
        let wide = x.n_features() != self.n_features();
        match self.fault {
            Fault::AcceptsAnyWidth if wide => return Ok(()),
            Fault::WritesBeforeError if wide => out.fill(0.0),
            Fault::AcceptsAnyLength => return self.toy.predict_into(x.slice(0..n), &mut out[..n]),
            _ => {}
        }
        self.toy.predict_into(x, out)?;
        if self.fault == Fault::DependsOnChunk {
            out[0] += 1e-9 * n as f64;
        }
        Ok(())
    }

    fn feature_importance(&self) -> Option<Importance<'_>> {
        let n = self.n_features() - usize::from(self.fault == Fault::ShortImportance);
        Some(Importance { split: Cow::Owned(vec![0.0; n]), gain: Cow::Owned(vec![0.0; n]) })
    }
}

#[test]
fn an_honest_regressor_passes_as_it_is_and_boxed() {
    suite(&ToyRegressor);
    suite(&ToyRegressor.boxed());
    suite(&Broken(Fault::None));
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::PredictsNothing, "predictions of finite samples are finite"),
        (Fault::WorseThanTheMean, "no worse than the mean"),
        (Fault::IgnoresConstants, "a constant target is predicted"),
        (Fault::AcceptsAnyTargets, "targets of another length are an error"),
        (Fault::DependsOnChunk, "depends on that sample alone"),
        (Fault::AcceptsAnyWidth, "another width is an error"),
        (Fault::WritesBeforeError, "an error leaves `out` untouched"),
        (Fault::AcceptsAnyLength, "an `out` of another length panics"),
        (Fault::DifferentEachTime, "two fits give the same bits"),
        (Fault::ShortImportance, "importance has one entry per feature"),
        (Fault::PromisesContributions, "contributions were promised"),
        (Fault::PromisesWeights, "weights is a capability"),
        (Fault::IgnoresStop, "a stopped fit is an error"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || suite(&Broken(fault)));
        must_fail(claim, || suite(&Broken(fault).boxed()));
    }
}
