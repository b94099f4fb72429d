/// A column that some batches bring and others do not.
#[derive(Clone, Debug)]
pub(super) struct Partial<T> {
    /// One entry per row, with a placeholder where the batch brought none.
    pub(super) values: Vec<T>,
    /// Rows at the end of `values` that are known without a gap.
    pub(super) known: usize,
}

impl<T> Default for Partial<T> {
    fn default() -> Self {
        Self { values: Vec::new(), known: 0 }
    }
}

impl<T: Copy> Partial<T> {
    pub(super) fn extend(&mut self, column: Option<&[T]>, rows: &[usize], placeholder: T) {
        if rows.is_empty() {
            return;
        }
        match column {
            Some(values) => {
                self.values.extend(rows.iter().map(|&row| values[row]));
                self.known += rows.len();
            }
            None => {
                self.values.resize(self.values.len() + rows.len(), placeholder);
                self.known = 0;
            }
        }
    }

    /// The rows from `start`, if all of them are known.
    pub(super) fn complete(&self, start: usize) -> Option<&[T]> {
        let rows = &self.values[start..];
        (!rows.is_empty() && self.known >= rows.len()).then_some(rows)
    }

    pub(super) fn drain(&mut self, rows: usize) {
        self.values.drain(..rows);
        self.known = self.known.min(self.values.len());
    }
}
