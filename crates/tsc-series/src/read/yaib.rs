//! A cohort of YAIB: `dyn`, `sta` and `outc` in one folder.

use std::path::Path;

use tsc_core::Result;

use super::feed::Feed;
use super::input::{Input, open};
use super::rows;
use super::wide::{self, Part};
use super::{Source, TableSpec, file_name};
use crate::error::{Place, SeriesError};
use crate::variables::{Role, VariableTable};

const EXPECTED: &str =
    "dyn.parquet, and sta.parquet and outc.parquet if there are static values and outcomes";

/// Reads the three tables; outcomes are a series if their table has times.
pub(crate) fn read<'a>(
    source: Source<'_>,
    spec: &TableSpec,
    feed: impl FnOnce(VariableTable) -> Feed<'a>,
) -> Result<(Feed<'a>, Vec<String>)> {
    let Source::Path(folder) = source else {
        let place = Place::file(&source.name());
        return Err(SeriesError::NoInput { place, found: "bytes".into(), expected: "a folder" }.into());
    };
    let table = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let Some(dynamic) = table("dyn.parquet") else {
        let place = Place::file(&file_name(folder));
        return Err(SeriesError::NoInput { place, found: "no dyn.parquet".into(), expected: EXPECTED }.into());
    };
    let outcomes = table("outc.parquet");
    let mut variables = spec.variables.clone();
    if let Some(path) = &outcomes
        && has_times(path, spec)?
    {
        variables = variables.map(|mut variable| {
            if variable.role == Role::Outcome {
                variable.role = Role::OutcomeSeries;
            }
            variable
        });
    }
    let mut feed = feed(variables);
    let mut unmapped = Vec::new();
    for (path, part) in
        [(Some(dynamic), Part::Dynamic), (table("sta.parquet"), Part::Static), (outcomes, Part::Outcome)]
    {
        let Some(path) = path else { continue };
        unmapped.extend(match open(Source::Path(&path), spec)? {
            Input::Delimited(rows) => wide::read(rows, spec, part, &mut feed)?,
            #[cfg(feature = "parquet")]
            Input::Parquet(rows) => wide::read(rows, spec, part, &mut feed)?,
        });
    }
    Ok((feed, unmapped))
}

fn has_times(path: &Path, spec: &TableSpec) -> Result<bool> {
    let time = &spec.columns.time;
    Ok(match open(Source::Path(path), spec)? {
        Input::Delimited(rows) => rows::find(&rows, time)?.is_some(),
        #[cfg(feature = "parquet")]
        Input::Parquet(rows) => rows::find(&rows, time)?.is_some(),
    })
}
