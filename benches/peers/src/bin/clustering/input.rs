//! Inputs as npy files, so that every program of a case reads the same bytes.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};
use tsc_cluster::{Label, Metric};
use tsc_testing::npy;

use crate::arguments::Arguments;

/// Writes `mixture(n, d, seed = d)` to `data` and the group of each row to `truth`.
pub(crate) fn mixture(arguments: &Arguments) -> Result<()> {
    let (n, d) = (arguments.number("n")?, arguments.number("d")?);
    let mixture = tsc_testing::mixture(n, d, d as u64);
    let values = mixture.values.iter().map(|value| value.to_le_bytes());
    write(&arguments.path("data")?, "<f8", &format!("({n}, {d})"), values)?;
    write_labels(&arguments.path("truth")?, &mixture.labels)
}

/// Writes the euclidean distances between the rows of `data` to `out`, a square matrix.
pub(crate) fn distances(arguments: &Arguments) -> Result<()> {
    let data = npy::read(arguments.path("data")?);
    let x = data.features();
    let n = x.n_samples();
    // Symmetric to the bit and 0 on the diagonal, which the peers demand too.
    let cells = (0..n * n).map(|cell| Metric::Euclidean.distance(x.row(cell / n), x.row(cell % n)));
    write(&arguments.path("out")?, "<f8", &format!("({n}, {n})"), cells.map(f64::to_le_bytes))
}

/// Labels as i32, -1 for noise.
pub(crate) fn write_labels(path: &Path, labels: &[Label]) -> Result<()> {
    let ids = labels.iter().map(|label| label.id().to_le_bytes());
    write(path, "<i4", &format!("({},)", labels.len()), ids)
}

fn write<const N: usize>(
    path: &Path,
    descr: &str,
    shape: &str,
    values: impl Iterator<Item = [u8; N]>,
) -> Result<()> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The format wants the values to start at a multiple of 64.
    let used = 10 + header.len() + 1;
    header.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    header.push('\n');
    let mut out = BufWriter::new(File::create(path).with_context(|| format!("create {}", path.display()))?);
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&u16::try_from(header.len()).context("a header is short")?.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for value in values {
        out.write_all(&value)?;
    }
    out.flush().with_context(|| format!("write {}", path.display()))
}
