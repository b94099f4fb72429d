//! Inputs as npy files, so that every program of a case reads the same bytes.

use anyhow::Result;
use tsc_cluster::{Label, Metric};
use tsc_peers::{Arguments, write_f64, write_i32};
use tsc_testing::Labelled;

/// Writes `mixture(n, d, seed = d)` to `rows.npy` and the group of each row to `truth.npy`.
pub(crate) fn mixture(arguments: &Arguments) -> Result<()> {
    let mixture = labelled(arguments)?;
    let x = mixture.features();
    write_f64(&arguments.file("rows.npy")?, [x.n_samples(), x.n_features()], mixture.values.iter().copied())
}

/// Writes the euclidean distances between the rows of the mixture to `rows.npy`, a square matrix.
pub(crate) fn distances(arguments: &Arguments) -> Result<()> {
    let mixture = labelled(arguments)?;
    let x = mixture.features();
    let n = x.n_samples();
    // Symmetric to the bit and 0 on the diagonal, which the peers demand too.
    let cells = (0..n * n).map(|cell| Metric::Euclidean.distance(x.row(cell / n), x.row(cell % n)));
    write_f64(&arguments.file("rows.npy")?, [n, n], cells)
}

fn labelled(arguments: &Arguments) -> Result<Labelled> {
    let (n, d) = (arguments.number("n")?, arguments.number("d")?);
    let mixture = tsc_testing::mixture(n, d, d as u64);
    write_labels(arguments, "truth.npy", &mixture.labels)?;
    Ok(mixture)
}

/// Labels as i32, -1 for noise.
pub(crate) fn write_labels(arguments: &Arguments, name: &str, labels: &[Label]) -> Result<()> {
    write_i32(&arguments.file(name)?, labels.iter().map(|label| label.id()))
}
