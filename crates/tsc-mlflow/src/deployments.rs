//! Registrations that the writer carries out when the registry answers again.

use std::sync::Arc;
use std::time::Instant;

use crate::breaker::Breaker;
use crate::clock;
use crate::config::{MlflowConfig, Stages};
use crate::counters::{Counters, add};
use crate::deployment::Deployment;
use crate::spool::{KeptDeployment, Spool};
use crate::store::TrackingStore;
use crate::tracker::user;

#[derive(Debug)]
pub(crate) struct Deployments {
    registry: Arc<dyn TrackingStore>,
    spool: Spool,
    stages: Stages,
    /// Who promotes.
    user: String,
    waiting: Vec<KeptDeployment>,
    breaker: Breaker,
}

impl Deployments {
    pub(crate) fn new(registry: Arc<dyn TrackingStore>, spool: Spool, config: &MlflowConfig) -> Self {
        let breaker = Breaker::new(&config.retries);
        Self { registry, spool, stages: config.stages, user: user(), waiting: Vec::new(), breaker }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When to try although nothing new is queued.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.breaker.open_until.unwrap_or_else(clock::instant))
    }

    /// Takes over what processes that are gone left behind.
    pub(crate) fn adopt(&mut self) {
        self.waiting.extend(self.spool.deployments());
    }

    pub(crate) fn add(&mut self, deployment: Deployment, counters: &Counters) {
        // The caller has just failed to reach the registry.
        self.breaker.trip(None);
        self.waiting.retain(|kept| kept.deployment.key() != deployment.key());
        let kept = self.spool.keep(&deployment).unwrap_or_else(|error| {
            counters.loss(error.to_string());
            KeptDeployment::in_memory(deployment)
        });
        self.waiting.push(kept);
    }

    pub(crate) fn try_now(&mut self) {
        self.breaker.close();
    }

    /// Registers what waits. A model that the store does not know is given up once `all_delivered`.
    pub(crate) fn carry_out(&mut self, counters: &Counters, all_delivered: bool) {
        if self.breaker.open_until.is_some_and(|until| clock::instant() < until) {
            return;
        }
        let (mut left, mut fault) = (Vec::new(), None);
        for kept in std::mem::take(&mut self.waiting) {
            match kept.deployment.carry_out(&*self.registry, self.stages, &self.user) {
                Ok(()) => {
                    add(&counters.replayed, 1);
                    self.forget(kept, counters);
                }
                Err(error) if error.is_transient() => {
                    if counters.outage(error.to_string()) {
                        tracing::warn!(%error, "a version is not registered yet");
                    }
                    fault = Some(error);
                    left.push(kept);
                }
                // Its run may still be on the way.
                Err(_) if !all_delivered => left.push(kept),
                Err(error) => {
                    tracing::warn!(%error, "a version cannot be registered");
                    add(&counters.rejected, 1);
                    counters.loss(error.to_string());
                    self.forget(kept, counters);
                }
            }
        }
        if left.is_empty() {
            self.breaker.close();
        } else {
            self.breaker.trip(fault.as_ref());
        }
        self.waiting = left;
    }

    fn forget(&self, kept: KeptDeployment, counters: &Counters) {
        if let Err(error) = self.spool.forget(kept) {
            counters.loss(error.to_string());
        }
    }
}
