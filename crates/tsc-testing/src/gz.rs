use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

/// Text of a gzip file, such as the csv.gz files of the reference data.
///
/// # Panics
///
/// If it cannot be read, or is no gzip file of text; the message names it.
#[must_use]
#[track_caller]
pub fn read_gz(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| GzDecoder::new(file).read_to_string(&mut text))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text
}
