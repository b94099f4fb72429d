//! Rows eight side by side: plain loops over them become vector instructions, on any processor.

/// Rows of a chunk.
pub(crate) const LANES: usize = 8;

/// Bytes of chunks that stay in the first-level cache while a block of rows passes over them.
const TILE_BYTES: usize = 16 * 1024;

/// Some rows, feature by feature within chunks of eight. The last chunk is filled up with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    values: Vec<f64>,
    n_features: usize,
    n_rows: usize,
}

impl Lanes {
    pub(crate) fn of(rows: &[f64], n_features: usize) -> Self {
        let n_rows = rows.len() / n_features;
        let mut lanes =
            Self { values: vec![0.0; n_rows.div_ceil(LANES) * LANES * n_features], n_features, n_rows };
        for (position, row) in rows.chunks_exact(n_features).enumerate() {
            for (feature, &value) in row.iter().enumerate() {
                let at = lanes.at(position, feature);
                lanes.values[at] = value;
            }
        }
        lanes
    }

    fn at(&self, position: usize, feature: usize) -> usize {
        (position / LANES * self.n_features + feature) * LANES + position % LANES
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(crate) fn n_chunks(&self) -> usize {
        self.n_rows.div_ceil(LANES)
    }

    /// Chunks that hold eight rows; one more may hold fewer.
    pub(crate) fn n_full(&self) -> usize {
        self.n_rows / LANES
    }

    /// Chunks to take at a time.
    pub(crate) fn tile(&self) -> usize {
        (TILE_BYTES / (LANES * 8 * self.n_features)).max(1)
    }

    fn chunk(&self, chunk: usize) -> &[[f64; LANES]] {
        let size = self.n_features * LANES;
        self.values[chunk * size..(chunk + 1) * size].as_chunks().0
    }

    /// Squared distances of a row to the rows of a chunk, summed over the features in their order.
    pub(crate) fn squares(&self, chunk: usize, row: &[f64]) -> [f64; LANES] {
        let mut sums = [0.0; LANES];
        for (&a, column) in row.iter().zip(self.chunk(chunk)) {
            add_squares(&mut sums, a, column);
        }
        sums
    }

    /// [`squares`](Self::squares) of two rows, which share the loads of the chunk.
    pub(crate) fn squares_of_two(&self, chunk: usize, one: &[f64], two: &[f64]) -> [[f64; LANES]; 2] {
        let mut sums = [[0.0; LANES]; 2];
        for ((&a, &b), column) in one.iter().zip(two).zip(self.chunk(chunk)) {
            add_squares(&mut sums[0], a, column);
            add_squares(&mut sums[1], b, column);
        }
        sums
    }

    /// Removes the row at a position; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, position: usize) {
        self.n_rows -= 1;
        for feature in 0..self.n_features {
            let (from, to) = (self.at(self.n_rows, feature), self.at(position, feature));
            self.values[to] = self.values[from];
        }
    }
}

#[inline]
fn add_squares(sums: &mut [f64; LANES], value: f64, column: &[f64; LANES]) {
    for (sum, &other) in sums.iter_mut().zip(column) {
        let t = value - other;
        *sum += t * t;
    }
}
