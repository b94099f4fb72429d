//! `featurizer.json`, version 1.

use serde::{Deserialize, Serialize};
use tsc_core::{ArtifactKind, ArtifactSink, ArtifactSource, Load, Result, Save, damaged};

use crate::columns::ColumnSource;
use crate::featurizer::{Anchors, FittedColumn, FittedFeaturizer, Stored};
use crate::landmarks::Landmarks;
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
    /// Empty where no variable is scaled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    floors: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    landmarks: Vec<Landmarks>,
    n_training_patients: usize,
}

impl Save for FittedFeaturizer {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }

    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        let own = &self.stored;
        let column = |c: &FittedColumn| ColumnV1 {
            feature: c.source.name(&own.variables),
            source: c.source,
            fill: c.fill,
        };
        let stored = FeaturizerV1 {
            params: own.params.clone(),
            variables: own.variables.clone(),
            columns: own.columns.iter().map(column).collect(),
            dropped: own.dropped.clone(),
            floors: if own.anchors.floors.iter().all(|floor| *floor == 0.0) {
                Vec::new()
            } else {
                own.anchors.floors.clone()
            },
            landmarks: own.anchors.landmarks.clone(),
            n_training_patients: own.n_training_patients,
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
            if !column.source.fits(&stored.variables)
                || column.source.name(&stored.variables) != column.feature
                || !column.fill.is_finite()
            {
                return Err(damaged(FILE, format!("column {:?} does not fit its variable", column.feature)));
            }
            columns.push(FittedColumn { source: column.source, fill: column.fill });
        }
        let mut floors = stored.floors;
        if floors.is_empty() {
            floors = vec![0.0; stored.variables.len()];
        }
        if floors.len() != stored.variables.len() || floors.iter().any(|floor| !floor.is_finite()) {
            return Err(damaged(FILE, "floors are not one finite number per variable"));
        }
        let FeaturizerV1 { params, variables, dropped, landmarks, n_training_patients, .. } = stored;
        let anchors = Anchors { floors, landmarks };
        Self::new(Stored { params, variables, columns, dropped, anchors, n_training_patients })
            .map_err(|error| damaged(FILE, error))
    }
}
