//! What the stored forms of all adapters share.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tsc_core::{ArtifactSink, ArtifactSource, Label, Result, damaged};

pub(crate) const FILE: &str = "model.postcard";

pub(crate) fn put<M: Serialize>(model: &M, sink: &mut dyn ArtifactSink) -> Result<()> {
    sink.put(FILE, &postcard::to_stdvec(model).map_err(|e| damaged(FILE, e))?)
}

pub(crate) fn get<M: DeserializeOwned>(source: &dyn ArtifactSource) -> Result<M> {
    let bytes = source.get(FILE)?;
    let (model, rest) = postcard::take_from_bytes::<M>(&bytes).map_err(|e| damaged(FILE, e))?;
    if !rest.is_empty() {
        return Err(damaged(FILE, format!("{} bytes follow the model", rest.len())));
    }
    Ok(model)
}

pub(crate) fn size(stored: u64) -> Result<usize> {
    usize::try_from(stored).map_err(|_| damaged(FILE, "a number is too large for this machine"))
}

pub(crate) fn ids(labels: &[Label]) -> Vec<i32> {
    labels.iter().map(|label| label.id()).collect()
}

/// Training labels, and how many clusters they name; numbered by smallest member.
pub(crate) fn labels(ids: &[i32]) -> Result<(Vec<Label>, usize)> {
    let mut next = 0;
    for &id in ids {
        if id < -1 || id > next {
            return Err(damaged(FILE, "its clusters are not numbered by their smallest member"));
        }
        next = next.max(id.saturating_add(1));
    }
    Ok((Label::from_ids(ids), next as usize))
}

/// Refuses a column of another length than the rest of the model asks for.
pub(crate) fn check_length(what: &str, got: usize, expected: Option<usize>) -> Result<()> {
    if Some(got) == expected {
        return Ok(());
    }
    Err(damaged(FILE, format!("{got} {what} do not fit the rest of the model")))
}
