//! Training series against which others are measured.

use serde::{Deserialize, Serialize};

use crate::distance::SeriesDistance;
use crate::inputs::Inputs;
use crate::params::FeatureSet;
use crate::rows::Row;
use crate::stats::between;
use crate::table::PatientIx;

/// The landmarks of one variable, in the order they were chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Landmarks {
    pub(crate) variable: usize,
    pub(crate) distance: SeriesDistance,
    pub(crate) series: Vec<Vec<f64>>,
}

/// Landmarks of each variable and distance that the families ask for.
pub(crate) fn choose(inputs: &Inputs<'_>, rows: &[Vec<Row>]) -> Vec<Landmarks> {
    let mut chosen = Vec::new();
    for family in &inputs.params.features {
        let distance = match family {
            FeatureSet::Sbd => SeriesDistance::Sbd,
            #[cfg(feature = "dtw")]
            FeatureSet::Dtw => SeriesDistance::Dtw,
            _ => continue,
        };
        for (variable, spec) in inputs.variables.as_slice().iter().enumerate() {
            if spec.role.is_dynamic() {
                let series = farthest_first(inputs, rows, variable, distance);
                chosen.push(Landmarks { variable, distance, series });
            }
        }
    }
    chosen
}

/// Each next one is the training series farthest from those before; the first belongs to the smallest identifier.
///
/// Ties go to the smaller identifier, so that the order of patients does not matter (Gonzalez 1985).
fn farthest_first(
    inputs: &Inputs<'_>,
    rows: &[Vec<Row>],
    variable: usize,
    distance: SeriesDistance,
) -> Vec<Vec<f64>> {
    let mut candidates: Vec<(&str, &[f64])> = Vec::new();
    for (patient, rows) in rows.iter().enumerate() {
        let Some(row) = rows.last() else { continue };
        let (_, values) = window(inputs, inputs.series(PatientIx(patient), variable), row.at);
        // A series that has no distance to itself is no landmark.
        if !distance.between(values, values).is_nan() {
            candidates.push((inputs.table.patients()[patient].as_str(), values));
        }
    }
    candidates.sort_unstable_by_key(|(id, _)| *id);
    let mut nearest = vec![f64::INFINITY; candidates.len()];
    let mut chosen = Vec::new();
    let mut next = (!candidates.is_empty()).then_some(0);
    while let Some(at) = next
        && chosen.len() < inputs.params.landmarks
    {
        chosen.push(candidates[at].1.to_vec());
        for ((_, values), nearest) in candidates.iter().zip(&mut nearest) {
            *nearest = nearest.min(distance.between(values, candidates[at].1));
        }
        // The first of equal ones; what is no farther than rounding is there already.
        let farthest = nearest.iter().copied().fold(0.0, f64::max);
        next = nearest.iter().position(|&far| far == farthest && far > 1e-12);
    }
    chosen
}

/// What a row at `at` sees of a series.
pub(crate) fn window<'a>(
    inputs: &Inputs<'_>,
    series: (&'a [i64], &'a [f64]),
    at: i64,
) -> (&'a [i64], &'a [f64]) {
    // Checked settings fit i64.
    let from = inputs.params.window.map_or(i64::MIN, |window| at.saturating_sub(window.0 as i64));
    between(series, from, at)
}
