//! Stands in for the archive reader in a build without the feature `archive`.

use std::io::Read;

use tsc_core::Result;

use super::Limits;
use crate::error::{Place, SeriesError};

fn missing(place: &Place) -> tsc_core::Error {
    let reason = "this build reads no gzip; enable the feature `archive` or unpack it".into();
    SeriesError::Unreadable { place: place.clone(), reason }.into()
}

pub(crate) fn unpack<R: Read>(_: R, _: u64, _: &Limits, place: &Place) -> Result<R> {
    Err(missing(place))
}

pub(crate) fn members<R: Read>(
    _: R,
    _: u64,
    _: &Limits,
    place: &Place,
    _: &mut dyn FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    Err(missing(place))
}
