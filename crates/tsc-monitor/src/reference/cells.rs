use serde::{Deserialize, Serialize};

/// Cells of one feature, frozen at the fit: right-open intervals between `edges`, and rows in each.
///
/// Cell `i` holds the values `edges[i - 1] <= v < edges[i]`; the first and the last reach to infinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cells {
    pub(crate) edges: Vec<f64>,
    pub(crate) counts: Vec<u64>,
}

// Quantile cells; also the largest number of cells.
pub(crate) const MAX_CELLS: usize = 10;

impl Cells {
    /// Ten quantile cells of a sorted, finite column. A value that holds a twentieth of the rows gets a
    /// cell of its own, the interval from it to the next representable number: without it a constant
    /// that moves would stay in its cell.
    pub(crate) fn of_sorted(sorted: &[f64]) -> Self {
        let mut edges: Vec<f64> = (1..MAX_CELLS).map(|i| quantile(sorted, i, MAX_CELLS)).collect();
        for run in sorted.chunk_by(|a, b| a == b) {
            if run.len() * 2 * MAX_CELLS >= sorted.len() && run.len() > 1 {
                edges.extend([run[0], run[0].next_up()]);
            }
        }
        // The next number after the largest, and a quantile across the whole range, overflow.
        edges.retain(|edge| edge.is_finite());
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let mut cells = Self { counts: vec![0; edges.len() + 1], edges };
        for &value in sorted {
            let cell = cells.position(value);
            cells.counts[cell] += 1;
        }
        cells.limit();
        cells
    }

    /// Cell of a value.
    pub(crate) fn position(&self, value: f64) -> usize {
        self.edges.partition_point(|&edge| edge <= value)
    }

    // Removes the edge between the two neighbours that hold the fewest rows together; values with a cell
    // of their own keep it as long as others can be merged.
    fn limit(&mut self) {
        while self.counts.len() > MAX_CELLS {
            let cost =
                |&i: &usize| (self.is_atom(i) || self.is_atom(i + 1), self.counts[i] + self.counts[i + 1]);
            let Some(at) = (0..self.edges.len()).min_by_key(cost) else { return };
            self.edges.remove(at);
            let rows = self.counts.remove(at);
            self.counts[at] += rows;
        }
    }

    fn is_atom(&self, cell: usize) -> bool {
        let (first, end) = (cell.checked_sub(1).map(|i| self.edges[i]), self.edges.get(cell));
        first.is_some_and(|first| Some(&first.next_up()) == end)
    }
}

// Type 7 of Hyndman and Fan, the default of numpy: linear between order statistics.
fn quantile(sorted: &[f64], i: usize, of: usize) -> f64 {
    let position = (sorted.len() - 1) as f64 * i as f64 / of as f64;
    let low = position.floor();
    let below = sorted[low as usize];
    let above = sorted[(low as usize + 1).min(sorted.len() - 1)];
    let share = position - low;
    // As numpy: from the nearer end, which keeps the result between both.
    if share < 0.5 { below + (above - below) * share } else { above - (above - below) * (1.0 - share) }
}
