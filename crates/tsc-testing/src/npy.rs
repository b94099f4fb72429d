//! Arrays in NumPy's npy format: version 1.0, C order, f64 or i32.

use std::path::Path;

use tsc_core::{Features, Label};

/// Values of an array, in C order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `<f8`.
    F64(Vec<f64>),
    /// `<i4`.
    I32(Vec<i32>),
}

/// An array of any shape; a scalar has the shape `[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length along each axis.
    pub shape: Vec<usize>,
    /// The values.
    pub data: Data,
}

impl Array {
    /// The values as f64.
    ///
    /// # Panics
    ///
    /// If they are i32.
    #[must_use]
    #[track_caller]
    pub fn f64(&self) -> &[f64] {
        match &self.data {
            Data::F64(values) => values,
            Data::I32(_) => panic!("the array holds i32, not f64"),
        }
    }

    /// The values as i32.
    ///
    /// # Panics
    ///
    /// If they are f64.
    #[must_use]
    #[track_caller]
    pub fn i32(&self) -> &[i32] {
        match &self.data {
            Data::I32(values) => values,
            Data::F64(_) => panic!("the array holds f64, not i32"),
        }
    }

    /// The values as labels; anything negative is noise.
    ///
    /// # Panics
    ///
    /// If they are f64.
    #[must_use]
    #[track_caller]
    pub fn labels(&self) -> Vec<Label> {
        Label::from_ids(self.i32())
    }

    /// The only value.
    ///
    /// # Panics
    ///
    /// If there are several, or it is i32.
    #[must_use]
    #[track_caller]
    pub fn scalar(&self) -> f64 {
        assert_eq!(self.f64().len(), 1, "a scalar has one value");
        self.f64()[0]
    }

    /// Length along the first axis.
    ///
    /// # Panics
    ///
    /// For a scalar.
    #[must_use]
    #[track_caller]
    pub fn n_rows(&self) -> usize {
        *self.shape.first().expect("a scalar has no rows")
    }

    /// Length along the second axis; 1 for a column.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// A finite f64 matrix as features.
    ///
    /// # Panics
    ///
    /// If it is i32, empty, or not finite.
    #[must_use]
    #[track_caller]
    pub fn features(&self) -> Features<'_> {
        Features::new(self.f64(), self.n_columns()).expect("a finite, non-empty matrix")
    }
}

/// Reads an npy file.
///
/// # Panics
///
/// If the file cannot be read, or is not npy 1.0 in C order with f64 or i32 (or f32 or i16, which are
/// widened); the message names it.
#[must_use]
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Array {
    let path = path.as_ref();
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Array, String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00").ok_or("not an npy file of version 1.0")?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or("the header is cut off")?;
    let (header, body) =
        rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or("the header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|e| e.to_string())?;
    if !header.contains("'fortran_order': False") {
        return Err("not in C order".into());
    }
    let shape = shape(header)?;
    let count = shape.iter().product::<usize>();
    let (data, width) = if header.contains("'<f8'") {
        (Data::F64(chunks::<8>(body).map(f64::from_le_bytes).collect()), 8)
    } else if header.contains("'<f4'") {
        (Data::F64(chunks::<4>(body).map(|value| f64::from(f32::from_le_bytes(value))).collect()), 4)
    } else if header.contains("'<i4'") {
        (Data::I32(chunks::<4>(body).map(i32::from_le_bytes).collect()), 4)
    } else if header.contains("'<i2'") {
        (Data::I32(chunks::<2>(body).map(|value| i32::from(i16::from_le_bytes(value))).collect()), 2)
    } else {
        return Err(format!("neither f64 nor i32, nor their half: {}", header.trim()));
    };
    let found = match &data {
        Data::F64(values) => values.len(),
        Data::I32(values) => values.len(),
    };
    if found != count || body.len() != count * width {
        return Err(format!("{} bytes do not hold {count} values", body.len()));
    }
    Ok(Array { shape, data })
}

fn shape(header: &str) -> Result<Vec<usize>, String> {
    let inner = header
        .split_once("'shape': (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(inner, _)| inner)
        .ok_or("no shape in the header")?;
    inner
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| format!("axis length {part:?}")))
        .collect()
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().expect("chunks_exact gives N bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_matrix_a_column_and_a_scalar_are_read() {
        let matrix = parse(&npy("<i4", "(1, 2)", &[1, 0, 0, 0, 255, 255, 255, 255])).unwrap();
        assert_eq!(matrix, Array { shape: vec![1, 2], data: Data::I32(vec![1, -1]) });
        assert_eq!(matrix.labels(), Label::from_ids(&[1, -1]));
        let scalar = parse(&npy("<f8", "()", &1.5f64.to_le_bytes())).unwrap();
        assert_eq!((scalar.shape.len(), scalar.scalar()), (0, 1.5));
        assert_eq!(parse(&npy("<f8", "(0,)", &[])).unwrap().f64(), [0.0; 0]);
        assert_eq!(parse(&npy("<f4", "(1,)", &0.5f32.to_le_bytes())).unwrap().f64(), [0.5]);
        assert_eq!(parse(&npy("<i2", "(1,)", &[255, 255])).unwrap().i32(), [-1]);
    }

    #[test]
    fn other_types_orders_and_cut_files_are_refused() {
        let good = npy("<f8", "(1,)", &1.5f64.to_le_bytes());
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "cut at {cut}");
        }
        assert!(parse(&npy("<c8", "(1,)", &[0; 8])).unwrap_err().contains("neither"));
        let text = String::from_utf8_lossy(&good).replace("False", "True ");
        assert!(parse(text.as_bytes()).is_err());
    }
}
