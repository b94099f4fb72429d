//! Several npy arrays in one zip file, stored or deflated.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::npy::{self, Array};

/// Reads all arrays of an npz file by name, without the ending `.npy`.
///
/// # Panics
///
/// If the file cannot be read or an entry is no array of the kinds that [`npy`] reads; the message
/// names the file.
#[must_use]
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> BTreeMap<String, Array> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const CENTRAL_HEADER: usize = 46;
const LOCAL_HEADER: usize = 30;
const END_RECORD: usize = 22;

fn parse(zip: &[u8]) -> Result<BTreeMap<String, Array>, String> {
    let end = (0..=zip.len().saturating_sub(END_RECORD))
        .rev()
        .find(|&at| zip[at..].starts_with(b"PK\x05\x06"))
        .ok_or("no zip directory")?;
    let entries = u16_at(zip, end + 10)?;
    let mut at = u32_at(zip, end + 16)?;
    let mut arrays = BTreeMap::new();
    for _ in 0..entries {
        if !zip.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x01\x02")) {
            return Err("a directory entry is damaged".into());
        }
        let name_length = u16_at(zip, at + 28)?;
        let name = zip.get(at + CENTRAL_HEADER..at + CENTRAL_HEADER + name_length).ok_or("cut off")?;
        let name = std::str::from_utf8(name).map_err(|e| e.to_string())?;
        let array = npy::parse(&entry(zip, at)?).map_err(|e| format!("{name}: {e}"))?;
        arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        at += CENTRAL_HEADER + name_length + u16_at(zip, at + 30)? + u16_at(zip, at + 32)?;
    }
    Ok(arrays)
}

// Sizes come from the directory: NumPy leaves the local ones to a zip64 field.
fn entry(zip: &[u8], directory: usize) -> Result<Vec<u8>, String> {
    let method = u16_at(zip, directory + 10)?;
    let size = u32_at(zip, directory + 20)?;
    let local = u32_at(zip, directory + 42)?;
    let start = local + LOCAL_HEADER + u16_at(zip, local + 26)? + u16_at(zip, local + 28)?;
    let body = zip.get(start..start + size).ok_or("an entry is cut off")?;
    match method {
        0 => Ok(body.to_vec()),
        8 => {
            let mut out = Vec::new();
            flate2::read::DeflateDecoder::new(body).read_to_end(&mut out).map_err(|e| e.to_string())?;
            Ok(out)
        }
        other => Err(format!("zip method {other}, only stored and deflate are read")),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<usize, String> {
    let field = bytes.get(at..at + 2).ok_or("cut off")?;
    Ok(usize::from(u16::from_le_bytes([field[0], field[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, String> {
    Ok(u16_at(bytes, at)? | (u16_at(bytes, at + 2)? << 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared;

    #[test]
    fn every_hdbscan_reference_file_is_read_with_its_shapes() {
        let Some(folder) = shared("conformance/hdbscan") else { return };
        let case = read(folder.join("gmm1500_d10__mcs25ms10.npz"));
        assert_eq!(case["canonical_labels"].i32().len(), 1500);
        assert_eq!(case["pred_X"].shape, [40, 10]);
        assert_eq!(case["canonical_tree_parent"].i32().len(), 15);
        assert!(case["dbscan_cut0_eps"].scalar() > 0.0);
        // Lengths of the columns of one case must agree with its data file.
        let data = npy::read(folder.join("data_gmm1500_d10.npy"));
        assert_eq!((data.n_rows(), data.n_columns()), (1500, 10));
        let mut files = 0;
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|e| e == "npz") {
                assert!(!read(&path).is_empty(), "{}", path.display());
                files += 1;
            }
        }
        assert!(files >= 118, "118 cases and the fallback files");
    }
}
