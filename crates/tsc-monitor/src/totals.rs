//! What has happened since the fit, as counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsc_core::{AlertEvent, PredictionSource, RetrainOutcome, Severity, Signal};

use crate::BatchView;
use crate::feature_drift::TestedFeature;
use crate::history::BatchRecord;
use crate::snapshot::{BatchTotals, DurationHistogram, RowTotals};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) batches: BatchTotals,
    pub(crate) rows: RowTotals,
    pub(crate) seconds: DurationHistogram,
    /// By rule, then severity.
    pub(crate) alerts: BTreeMap<String, BTreeMap<Severity, u64>>,
    pub(crate) retrains: BTreeMap<String, u64>,
    /// Of the last batch: rows in each cluster, and the models that served it.
    pub(crate) mass: Vec<u64>,
    pub(crate) model_version: Option<u64>,
    /// Of the last tested window, in the order of the schema.
    pub(crate) features: Vec<TestedFeature>,
}

impl Totals {
    pub(crate) fn count(
        &mut self,
        batch: &BatchView<'_>,
        record: &BatchRecord,
        alerts: &[AlertEvent],
        n_clusters: usize,
    ) {
        self.batches.scored = self.batches.scored.saturating_add(1);
        for source in &batch.predictions.sources {
            let rows = match source {
                PredictionSource::Cluster => &mut self.rows.cluster,
                PredictionSource::Fallback => &mut self.rows.fallback,
                PredictionSource::Pooled => &mut self.rows.pooled,
                // One that this build does not know gave no value it could count.
                _ => &mut self.rows.unavailable,
            };
            *rows = rows.saturating_add(1);
        }
        self.rows.rejected = self.rows.rejected.saturating_add(batch.n_rejected);
        if let Some(seconds) = record.seconds {
            self.seconds.push(seconds);
        }
        for event in alerts {
            let rule = match &event.signal {
                Signal::Feature(_) => "feature".to_owned(),
                other => other.to_string(),
            };
            *self.alerts.entry(rule).or_default().entry(event.severity).or_default() += 1;
        }
        self.mass.clear();
        self.mass.resize(n_clusters, 0);
        for id in batch.predictions.density_labels.iter().filter_map(|label| label.cluster()) {
            if let Some(rows) = self.mass.get_mut(id.0 as usize) {
                *rows += 1;
            }
        }
        self.model_version = Some(batch.model_version);
    }

    pub(crate) fn count_failure(&mut self) {
        self.batches.failed = self.batches.failed.saturating_add(1);
    }

    pub(crate) fn count_retrain(&mut self, outcome: RetrainOutcome) {
        *self.retrains.entry(outcome.name().to_owned()).or_default() += 1;
    }

    /// What was measured against another reference is forgotten; counts go on.
    pub(crate) fn rebase(&mut self) {
        self.features.clear();
        self.mass.clear();
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.seconds.sum.is_finite()
    }
}
