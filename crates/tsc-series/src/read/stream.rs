//! Tables of a chunk of patients, one after the other.

use tsc_core::Result;

use super::{Source, TableSpec};
use crate::error::SeriesError;
use crate::quality::QualityReport;
use crate::table::SeriesTable;

/// An input that is read in chunks of patients, so that memory holds one chunk and not the input.
///
/// A patient's rows must stand together, as they do in archives: that and 16 bytes a patient to see that they
/// do is all a stream needs. With `order = "any"`, and for wide panels and YAIB, it reads all and gives one table.
/// Outcomes of PhysioNet 2012 stand in a file of their own, which is held in memory.
///
/// # Examples
///
/// ```
/// use tsc_series::{SeriesTable, Source, TableSpec};
/// let csv = b"patient,time,variable,value\nA,0,HR,80\nB,0,HR,90\nB,1,HR,91\nC,0,HR,85\n";
/// let source = Source::Bytes { name: "ward.csv", bytes: csv };
/// let spec = TableSpec::default();
/// let mut sizes = Vec::new();
/// let report = SeriesTable::stream(source, &spec)?.with_patients(2)?.for_each(|table| {
///     sizes.push((table.n_patients(), table.n_values()));
///     Ok(())
/// })?;
/// assert_eq!(sizes, [(2, 3), (1, 1)]);
/// assert_eq!(report.rows.used, 4);
/// # Ok::<(), tsc_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct PatientStream<'a> {
    source: Source<'a>,
    spec: &'a TableSpec,
    patients: usize,
}

impl<'a> PatientStream<'a> {
    pub(crate) fn new(source: Source<'a>, spec: &'a TableSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self { source, spec, patients: 1_000 })
    }

    /// Patients in a chunk; default 1,000.
    ///
    /// # Errors
    ///
    /// `InvalidConfig` if it is 0.
    pub fn with_patients(self, patients: usize) -> Result<Self> {
        if patients == 0 {
            let (key, value) = ("patients", "0".into());
            return Err(SeriesError::Setting { key, value, bound: "at least 1" }.into());
        }
        Ok(Self { patients, ..self })
    }

    /// Calls `each` with every table in input order; returns the report over all.
    ///
    /// A table's own report is of its rows alone. Medians of coverage are those of a single chunk, or none.
    ///
    /// # Errors
    ///
    /// As [`SeriesTable::read`]; `InvalidData` if a patient's rows do not stand together, naming both lines; and
    /// whatever `each` returns. Tables before the fault have been passed on by then.
    pub fn for_each(self, mut each: impl FnMut(SeriesTable) -> Result<()>) -> Result<QualityReport> {
        super::stream(self.source, self.spec, self.patients, &mut each)
    }
}
