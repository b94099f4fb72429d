//! Where rows go: one table, or a table per chunk of patients.

use std::collections::BTreeMap;

use tsc_core::{GroupId, Result};

use crate::builder::SeriesTableBuilder;
use crate::error::{Place, SeriesError};
use crate::quality::QualityReport;
use crate::table::SeriesTable;

/// Takes each table of a stream.
pub(crate) type Each<'a> = dyn FnMut(SeriesTable) -> Result<()> + 'a;

pub(crate) struct Feed<'a> {
    pub(crate) builder: SeriesTableBuilder,
    chunks: Option<Chunks<'a>>,
}

struct Chunks<'a> {
    size: usize,
    each: &'a mut Each<'a>,
    /// Where each patient's rows began, by a hash of the name: 16 bytes a patient is what a stream remembers.
    begun: BTreeMap<GroupId, u64>,
    current: Option<GroupId>,
    report: QualityReport,
}

impl<'a> Feed<'a> {
    pub(crate) fn whole(builder: SeriesTableBuilder) -> Self {
        Self { builder, chunks: None }
    }

    /// Passes on a table whenever `size` patients are complete.
    pub(crate) fn in_chunks(builder: SeriesTableBuilder, size: usize, each: &'a mut Each<'a>) -> Self {
        let report = QualityReport::default();
        Self { builder, chunks: Some(Chunks { size, each, begun: BTreeMap::new(), current: None, report }) }
    }

    /// The rows that follow are this patient's.
    ///
    /// # Errors
    ///
    /// If the patient's rows were passed on or left before, in a stream; or what the receiver returns.
    pub(crate) fn begin(&mut self, patient: &str, place: impl Fn() -> Place) -> Result<()> {
        if let Some(chunks) = &mut self.chunks
            && !patient.is_empty()
        {
            let group = GroupId::of(patient);
            if chunks.current != Some(group) {
                let place = place();
                if let Some(first) = chunks.begun.insert(group, place.line.unwrap_or(0)) {
                    return Err(SeriesError::Reappears { place, first }.into());
                }
                chunks.current = Some(group);
                if self.builder.n_patients() >= chunks.size {
                    chunks.pass_on(self.builder.take())?;
                }
            }
        }
        self.builder.begin(patient);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.builder.n_patients() == 0 && self.chunks.as_ref().is_none_or(|chunks| chunks.begun.is_empty())
    }

    /// Whether the patient is known already.
    pub(crate) fn holds(&self, patient: &str) -> bool {
        match &self.chunks {
            Some(chunks) => chunks.begun.contains_key(&GroupId::of(patient)),
            None => self.builder.holds(patient),
        }
    }

    /// The one table, or the report over all chunks.
    pub(crate) fn finish(self) -> Result<(Option<SeriesTable>, QualityReport)> {
        let Some(mut chunks) = self.chunks else {
            let table = self.builder.finish()?;
            let report = table.quality().clone();
            return Ok((Some(table), report));
        };
        if self.builder.n_patients() > 0 {
            chunks.pass_on(self.builder)?;
        }
        Ok((None, chunks.report))
    }
}

impl Chunks<'_> {
    fn pass_on(&mut self, builder: SeriesTableBuilder) -> Result<()> {
        let table = builder.finish()?;
        self.report.add(table.quality());
        (self.each)(table)
    }
}
