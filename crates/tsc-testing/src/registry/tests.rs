use std::path::Path;

use super::*;
use crate::unwinding::must_fail;
use crate::{FailingTracker, MemoryTracker};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DeploysOnRegister,
    CountsAcrossModels,
    NewestIsProduction,
    StagingIsProduction,
    PromotesAnything,
    LosesBytes,
    FetchesAnything,
    FindsAnyVersion,
}

#[derive(Debug)]
struct Broken(MemoryTracker, Fault);

impl ModelRegistry for Broken {
    fn register(&self, name: &str, model: &ModelUri, info: &VersionInfo) -> Result<ModelVersion> {
        let mut version = self.0.register(name, model, info)?;
        match self.1 {
            Fault::DeploysOnRegister => self.0.promote(&version, DeploymentStage::Production)?,
            Fault::CountsAcrossModels => version.version = self.0.versions().len() as u64,
            _ => {}
        }
        Ok(version)
    }

    fn promote(&self, version: &ModelVersion, stage: DeploymentStage) -> Result<()> {
        let stage = if self.1 == Fault::StagingIsProduction { DeploymentStage::Production } else { stage };
        let promoted = self.0.promote(version, stage);
        if self.1 == Fault::PromotesAnything { Ok(()) } else { promoted }
    }

    fn latest(&self, name: &str, stage: DeploymentStage) -> Result<Option<ModelVersion>> {
        let found = self.0.latest(name, stage)?;
        if self.1 == Fault::NewestIsProduction && found.is_some() {
            return Ok(self.0.versions().into_iter().rfind(|v| v.name == name));
        }
        Ok(found)
    }

    fn version(&self, name: &str, number: u64) -> Result<Option<ModelVersion>> {
        if self.1 == Fault::FindsAnyVersion {
            return Ok(self.0.versions().into_iter().find(|v| v.name == name));
        }
        self.0.version(name, number)
    }

    fn fetch(&self, model: &ModelUri, into: &Path) -> Result<()> {
        let fetched = self.0.fetch(model, into);
        match self.1 {
            Fault::LosesBytes if fetched.is_ok() => std::fs::write(into.join("MLmodel"), b"").unwrap(),
            Fault::FetchesAnything => return Ok(()),
            _ => {}
        }
        fetched
    }
}

fn run(fault: Fault) {
    let store = MemoryTracker::new();
    suite(&Broken(store.clone(), fault), &store);
}

#[test]
fn an_honest_registry_passes() {
    let store = MemoryTracker::new();
    suite(&store, &store);
    run(Fault::None);
}

#[test]
fn each_fault_is_found_and_named() {
    let cases = [
        (Fault::DeploysOnRegister, "registering deploys nothing"),
        (Fault::CountsAcrossModels, "versions count from 1 for each model"),
        (Fault::NewestIsProduction, "the first promoted version is the one in production"),
        (Fault::StagingIsProduction, "a staged version is found"),
        (Fault::PromotesAnything, "promoting an unknown version is refused"),
        (Fault::LosesBytes, "has the bytes that were logged"),
        (Fault::FindsAnyVersion, "a version is found by its number alone"),
        (Fault::FetchesAnything, "fetching an unknown model is refused"),
    ];
    for (fault, claim) in cases {
        must_fail(claim, || run(fault));
    }
    must_fail("can be asked for", || suite(&FailingTracker::AtLog, &MemoryTracker::new()));
}
