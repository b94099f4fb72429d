//! `featurizer.json`, version 1.

use serde::{Deserialize, Serialize};
use tsc_core::{ArtifactKind, ArtifactSink, ArtifactSource, Load, Result, Save, damaged};

use crate::columns::ColumnSource;
use crate::featurizer::{FittedColumn, FittedFeaturizer};
use crate::params::SeriesParams;
use crate::quality::DroppedColumn;
use crate::variables::VariableTable;

const FILE: &str = "featurizer.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnV1 {
    feature: String,
    source: ColumnSource,
    fill: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeaturizerV1 {
    params: SeriesParams,
    variables: VariableTable,
    columns: Vec<ColumnV1>,
    dropped: Vec<DroppedColumn>,
    n_training_patients: usize,
}

impl Save for FittedFeaturizer {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let column = |c: &FittedColumn| ColumnV1 {
            feature: c.source.name(&self.variables),
            source: c.source,
            fill: c.fill,
        };
        let stored = FeaturizerV1 {
            params: self.params.clone(),
            variables: self.variables.clone(),
            columns: self.columns.iter().map(column).collect(),
            dropped: self.dropped.clone(),
            n_training_patients: self.n_training_patients,
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|error| damaged(FILE, error))?;
        sink.put(FILE, &bytes)
    }
}

impl Load for FittedFeaturizer {
    const KIND: ArtifactKind = ArtifactKind { name: "featurizer", version: 1 };

    fn load(_version: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let stored: FeaturizerV1 =
            serde_json::from_slice(&source.get(FILE)?).map_err(|error| damaged(FILE, error))?;
        let violations = stored.params.check();
        if let Some(violation) = violations.first() {
            return Err(damaged(FILE, violation));
        }
        crate::targets::check(&stored.params, &stored.variables).map_err(|error| damaged(FILE, error))?;
        let mut columns = Vec::with_capacity(stored.columns.len());
        for column in stored.columns {
            let known = column.source.variable < stored.variables.len();
            if !known || column.source.name(&stored.variables) != column.feature || !column.fill.is_finite() {
                return Err(damaged(FILE, format!("column {:?} does not fit its variable", column.feature)));
            }
            columns.push(FittedColumn { source: column.source, fill: column.fill });
        }
        Self::new(stored.params, stored.variables, columns, stored.dropped, stored.n_training_patients)
            .map_err(|error| damaged(FILE, error))
    }
}
