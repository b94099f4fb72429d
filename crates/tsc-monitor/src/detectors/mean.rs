/// Mean of a stream, in river's order of operations: m += (1/n)(x - m).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mean {
    pub(super) n: u64,
    pub(super) value: f64,
}

impl Mean {
    pub(super) fn push(&mut self, x: f64) {
        self.n += 1;
        self.value += 1.0 / self.n as f64 * (x - self.value);
    }
}
