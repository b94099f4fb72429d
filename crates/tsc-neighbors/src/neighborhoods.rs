/// A row of the index and its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// Row of the index.
    pub row: u32,
    /// Distance to it, in the metric's own unit.
    pub distance: f64,
}

impl Neighbor {
    /// Order of neighbours: nearer first, then the smaller row.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

/// Neighbours of many rows, each list sorted by (distance, row).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighborhoods {
    pub(crate) items: Vec<Neighbor>,
    pub(crate) n_samples: usize,
}

impl Neighborhoods {
    /// No rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows that have a list.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Length of every list: k, or fewer if the index holds fewer rows.
    #[must_use]
    pub fn k(&self) -> usize {
        self.items.len().checked_div(self.n_samples).unwrap_or(0)
    }

    /// Neighbours of one row, nearest first.
    ///
    /// # Panics
    ///
    /// If `sample >= n_samples`.
    #[must_use]
    pub fn of(&self, sample: usize) -> &[Neighbor] {
        assert!(sample < self.n_samples, "the sample has a list");
        let k = self.k();
        &self.items[sample * k..(sample + 1) * k]
    }
}
