use std::ops::Range;
use std::slice::ChunksExact;

use crate::{Error, ErrorKind, Result, Stage};

/// A checked feature matrix: `(n_samples, n_features)`, row-major, not empty, finite.
///
/// Values are checked once, here; no stage scans for NaN again.
///
/// # Examples
///
/// ```
/// use tsc_core::Features;
/// let x = Features::new(&[1.0, 2.0, 3.0, 4.0], 2)?;
/// assert_eq!((x.n_samples(), x.n_features()), (2, 2));
/// assert!(Features::new(&[1.0, f64::NAN], 2).is_err());
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    values: &'a [f64],
    n_features: usize,
}

impl<'a> Features<'a> {
    /// Checks shape and values.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is no sample or no feature, if the length is no multiple of
    /// `n_features`, or if a value is NaN or infinite (total and first ten positions are named).
    pub fn new(values: &'a [f64], n_features: usize) -> Result<Self> {
        if n_features == 0 {
            return Err(input("TSC-DAT-001", "n_features is 0, must be at least 1"));
        }
        if values.is_empty() {
            return Err(input("TSC-DAT-002", "the matrix has no sample, needs at least 1"));
        }
        if !values.len().is_multiple_of(n_features) {
            return Err(input(
                "TSC-DAT-003",
                format!("{} values are no multiple of {n_features} features", values.len()),
            ));
        }
        let bad: Vec<usize> = (0..values.len()).filter(|&i| !values[i].is_finite()).collect();
        if bad.is_empty() {
            return Ok(Self { values, n_features });
        }
        let first: Vec<String> = bad
            .iter()
            .take(10)
            .map(|&i| {
                let what = if values[i].is_nan() { "NaN" } else { "infinite" };
                format!("[{}, {}] is {what}", i / n_features, i % n_features)
            })
            .collect();
        Err(input(
            "TSC-DAT-004",
            format!("{} of {} values are not finite: {}", bad.len(), values.len(), first.join(", ")),
        )
        .with_help("impute or remove these cells, or hand the rows over with Batch::raw"))
    }

    /// Values that were checked before, by [`Features::new`] or cell by cell.
    ///
    /// # Panics
    ///
    /// If the matrix is empty or ragged; in debug builds also if a value is not finite.
    pub(crate) fn trusted(values: &'a [f64], n_features: usize) -> Self {
        assert!(n_features > 0 && !values.is_empty() && values.len().is_multiple_of(n_features));
        debug_assert!(values.iter().all(|v| v.is_finite()));
        Self { values, n_features }
    }

    /// The same matrix from an ndarray view, without a copy.
    ///
    /// # Errors
    ///
    /// As [`Features::new`], and `InvalidData` if the rows are not contiguous.
    #[cfg(feature = "ndarray")]
    pub fn from_array(view: ndarray::ArrayView2<'a, f64>) -> Result<Self> {
        let n_features = view.ncols();
        let values = view.to_slice().ok_or_else(|| {
            input("TSC-DAT-005", "the array is not in standard layout (row-major, contiguous)")
                .with_help("call as_standard_layout() first")
        })?;
        Self::new(values, n_features)
    }

    /// The same matrix as an ndarray view, without a copy.
    #[cfg(feature = "ndarray")]
    #[must_use]
    pub fn as_array(self) -> ndarray::ArrayView2<'a, f64> {
        match ndarray::ArrayView2::from_shape((self.n_samples(), self.n_features), self.values) {
            Ok(view) => view,
            Err(_) => unreachable!("the length is n_samples x n_features by construction"),
        }
    }

    /// Number of samples, at least 1.
    #[must_use]
    pub fn n_samples(self) -> usize {
        self.values.len() / self.n_features
    }

    /// Number of features, at least 1.
    #[must_use]
    pub fn n_features(self) -> usize {
        self.n_features
    }

    /// All values, row-major.
    #[must_use]
    pub fn as_slice(self) -> &'a [f64] {
        self.values
    }

    /// One sample.
    ///
    /// # Panics
    ///
    /// If `sample >= n_samples`.
    #[must_use]
    pub fn row(self, sample: usize) -> &'a [f64] {
        &self.values[sample * self.n_features..(sample + 1) * self.n_features]
    }

    /// The samples in order.
    pub fn rows(self) -> ChunksExact<'a, f64> {
        self.values.chunks_exact(self.n_features)
    }

    /// A contiguous range of samples, without a copy.
    ///
    /// # Panics
    ///
    /// If the range is empty or reaches beyond the last sample.
    #[must_use]
    pub fn slice(self, rows: Range<usize>) -> Features<'a> {
        assert!(rows.start < rows.end, "a chunk of samples must not be empty");
        let values = &self.values[rows.start * self.n_features..rows.end * self.n_features];
        Features { values, n_features: self.n_features }
    }

    /// Chosen samples, copied into `buffer` in the order given; values are not checked again.
    ///
    /// # Panics
    ///
    /// If `rows` is empty or names a sample beyond the last.
    pub fn gather<'b>(self, rows: &[usize], buffer: &'b mut Vec<f64>) -> Features<'b> {
        assert!(!rows.is_empty(), "gathering needs at least one sample");
        buffer.clear();
        for &row in rows {
            buffer.extend_from_slice(self.row(row));
        }
        Features { values: buffer, n_features: self.n_features }
    }
}

/// One finite value per sample.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a>(&'a [f64]);

impl<'a> Targets<'a> {
    /// Checks that every value is finite.
    ///
    /// # Errors
    ///
    /// `InvalidData` naming the first non-finite position.
    pub fn new(values: &'a [f64]) -> Result<Self> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(Self(values)),
            Some(row) => Err(input("TSC-DAT-006", format!("target {row} is not finite"))
                .with_help("leave rows without a target out of the training set")),
        }
    }

    /// The values, one per sample.
    #[must_use]
    pub fn as_slice(self) -> &'a [f64] {
        self.0
    }

    /// Number of values.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Refuses a matrix of another width than a fitted stage expects.
///
/// # Errors
///
/// `InvalidData` naming both widths.
pub fn check_width(x: Features<'_>, fitted_on: usize, stage: Stage) -> Result<()> {
    if x.n_features() == fitted_on {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidData,
        stage,
        "TSC-DAT-007",
        format!("batch has {} features, the model was fitted on {fitted_on}", x.n_features()),
    )
    .with_help("pass the features of the training schema, in its order"))
}

#[cold]
pub(crate) fn input(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, Stage::Input, code, message)
}
