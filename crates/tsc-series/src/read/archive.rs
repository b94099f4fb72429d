//! Gzip and tar.gz in memory: nothing is written, sizes are limited.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use tsc_core::Result;

use super::{Limits, archive_error};
use crate::error::{Place, SeriesError, excerpt};

/// Unpacked bytes below which the ratio says nothing: small texts of one repeated row pack very well.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Fails once more is read than the limits allow.
pub(crate) struct Limited<R> {
    inner: R,
    left: u64,
    error: SeriesError,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(self.error.clone())),
        }
        Ok(read)
    }
}

type Unpacked<R> = Limited<MultiGzDecoder<BufReader<R>>>;

/// The unpacked stream of a gzip file of `packed` bytes.
pub(crate) fn unpack<R: Read>(input: R, packed: u64, limits: &Limits, place: &Place) -> Result<Unpacked<R>> {
    let by_ratio = packed.saturating_mul(limits.ratio).max(RATIO_FREE_BYTES);
    let (left, what, limit) = if by_ratio < limits.total_bytes {
        (by_ratio, "an unpacked size over packed size", limits.ratio)
    } else {
        (limits.total_bytes, "an unpacked size in bytes", limits.total_bytes)
    };
    let error = SeriesError::TooLarge { place: place.clone(), what, limit };
    Ok(Limited { inner: MultiGzDecoder::new(BufReader::new(input)), left, error })
}

/// Calls `each` with name and content of every regular file of a tar.gz, in archive order.
///
/// Names are labels only: no path of an archive is ever opened.
pub(crate) fn members<R: Read>(
    input: R,
    packed: u64,
    limits: &Limits,
    place: &Place,
    each: &mut dyn FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(unpack(input, packed, limits, place)?);
    let mut content = Vec::new();
    // Raw: extension headers come as members of their own instead of being collected in memory.
    let entries = archive.entries().map_err(|error| archive_error(error, place))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| archive_error(error, place))?;
        let kind = entry.header().entry_type();
        let name = entry.path_bytes().into_owned();
        let member = place.member(&String::from_utf8_lossy(&name));
        if kind.is_gnu_longname() {
            let reason = "file names of more than 100 characters are not read".into();
            return Err(SeriesError::Damaged { place: member, reason }.into());
        }
        if !kind.is_file() {
            continue;
        }
        let name = std::str::from_utf8(&name).map_err(|_| SeriesError::NotUtf8 {
            place: member.clone(),
            column: "file name".into(),
            text: excerpt(&name),
        })?;
        if entry.size() > limits.entry_bytes {
            let (what, limit) = ("a size in bytes", limits.entry_bytes);
            return Err(SeriesError::TooLarge { place: member, what, limit }.into());
        }
        content.clear();
        entry.read_to_end(&mut content).map_err(|error| archive_error(error, &member))?;
        // A cut archive may end inside a member without an error of its own.
        if content.len() as u64 != entry.size() {
            let reason = format!("{} of {} bytes are there", content.len(), entry.size());
            return Err(SeriesError::Damaged { place: member, reason }.into());
        }
        each(name, &content)?;
    }
    Ok(())
}
