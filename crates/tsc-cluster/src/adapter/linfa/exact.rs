use std::sync::Arc;

use linfa::Float;
use linfa_nn::distance::Distance;
use linfa_nn::{BuildError, NearestNeighbour, NearestNeighbourIndex, NnError};
use ndarray16::{ArrayBase, ArrayView1, ArrayView2, Data, Ix2};
use tsc_neighbors::{NeighborIndex, Scratch};

/// Our index behind linfa's trait, so that the backend and the rules for new samples agree to the bit on
/// what is near. It is asked for the matrix that it was built on only.
#[derive(Clone, Debug)]
pub(super) struct Exact(pub(super) Arc<NeighborIndex>);

struct Found<'a, F> {
    index: Arc<NeighborIndex>,
    batch: ArrayView2<'a, F>,
}

impl NearestNeighbour for Exact {
    fn from_batch_with_leaf_size<'a, F: Float, DT: Data<Elem = F>, D: 'a + Distance<F>>(
        &self,
        batch: &'a ArrayBase<DT, Ix2>,
        _leaf_size: usize,
        _distance: D,
    ) -> Result<Box<dyn 'a + Send + Sync + NearestNeighbourIndex<F>>, BuildError> {
        Ok(Box::new(Found { index: Arc::clone(&self.0), batch: batch.view() }))
    }
}

impl<F: Float> Found<'_, F> {
    fn rows<'s>(
        &'s self,
        point: ArrayView1<'_, F>,
        search: impl FnOnce(&NeighborIndex, &[f64], &mut Scratch) -> Option<Vec<usize>>,
    ) -> Result<Vec<(ArrayView1<'s, F>, usize)>, NnError> {
        let row: Vec<f64> = point.iter().map(|v| v.to_f64().unwrap_or(f64::NAN)).collect();
        let found = search(&self.index, &row, &mut Scratch::new()).ok_or(NnError::WrongDimension)?;
        Ok(found.into_iter().map(|row| (self.batch.row(row), row)).collect())
    }
}

impl<F: Float> NearestNeighbourIndex<F> for Found<'_, F> {
    fn k_nearest(
        &self,
        point: ArrayView1<'_, F>,
        k: usize,
    ) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        self.rows(point, |index, row, scratch| {
            Some(index.query_one(row, k, scratch).ok()?.iter().map(|n| n.row as usize).collect())
        })
    }

    fn within_range(
        &self,
        point: ArrayView1<'_, F>,
        range: F,
    ) -> Result<Vec<(ArrayView1<'_, F>, usize)>, NnError> {
        let radius = range.to_f64().ok_or(NnError::WrongDimension)?;
        self.rows(point, |index, row, scratch| {
            Some(index.within_one(row, radius, scratch).ok()?.iter().map(|n| n.row as usize).collect())
        })
    }
}
