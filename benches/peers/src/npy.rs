use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};

/// Writes a matrix in NumPy's npy format, row by row.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_f64(path: &Path, shape: [usize; 2], values: impl IntoIterator<Item = f64>) -> Result<()> {
    let shape = format!("({}, {})", shape[0], shape[1]);
    write(path, "<f8", &shape, values.into_iter().map(f64::to_le_bytes))
}

/// Writes a column of whole numbers in NumPy's npy format.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_i32(path: &Path, values: impl ExactSizeIterator<Item = i32>) -> Result<()> {
    let shape = format!("({},)", values.len());
    write(path, "<i4", &shape, values.map(i32::to_le_bytes))
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
