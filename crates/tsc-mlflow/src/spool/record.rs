//! Records: a CRC-32 and a JSON object on a line of their own.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tsc_core::Result;

use crate::op::{Blob, NewRun, Op};

use super::files::file_error;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Run(NewRun),
    Op(Op),
}

/// The same, not owned: a block of metrics is written without a copy of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LineRef<'a> {
    Run(&'a NewRun),
    Op(&'a Op),
}

/// A record, and the place in the whole where it ends.
#[derive(Debug)]
pub(super) enum Found {
    Good(Line, u64),
    /// A line whose checksum is wrong, or that says nothing known.
    Damaged(u64),
}

impl Found {
    pub(super) fn end(&self) -> u64 {
        match self {
            Found::Good(_, end) | Found::Damaged(end) => *end,
        }
    }
}

/// One line of text, its line break included.
pub(super) fn encode(line: &LineRef<'_>) -> std::io::Result<Vec<u8>> {
    // The checksum comes first and is known last.
    let mut text = b"00000000 ".to_vec();
    serde_json::to_writer(&mut text, line)?;
    let crc = format!("{:08x}", crc32(&text[9..]));
    text[..8].copy_from_slice(crc.as_bytes());
    text.push(b'\n');
    Ok(text)
}

fn decode(text: &[u8], folder: &Path) -> Option<Line> {
    let json = text.get(8..)?.strip_prefix(b" ")?;
    let crc = std::str::from_utf8(&text[..8]).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok())?;
    if crc != crc32(json) {
        return None;
    }
    let mut line: Line = serde_json::from_slice(json).ok()?;
    if let Line::Op(op) = &mut line {
        for blob in op.blobs_mut() {
            if let Blob::Stored { folder: place, .. } = blob {
                *place = folder.to_path_buf();
            }
        }
    }
    Some(line)
}

/// The record of a file that holds one; `None` if it cannot be read as such.
pub(super) fn read_one(path: &Path) -> Result<Option<Line>> {
    let text = std::fs::read(path).map_err(|source| file_error("reading", path, source))?;
    Ok(text.strip_suffix(b"\n").and_then(|text| decode(text, path.parent().unwrap_or(path))))
}

/// The records of some segments, given by their start and path, from the place `from` on.
///
/// A damaged record is passed over; what is torn off at the end of a segment is none.
pub(super) fn records(segments: VecDeque<(u64, PathBuf)>, from: u64) -> Records {
    Records { segments, from, open: None }
}

pub(super) struct Records {
    segments: VecDeque<(u64, PathBuf)>,
    from: u64,
    open: Option<(BufReader<File>, PathBuf, u64)>,
}

impl Records {
    fn next_segment(&mut self) -> Option<()> {
        let (start, path) = self.segments.pop_front()?;
        // A place inside this segment, or before it where an earlier one is gone.
        let skip = self.from.saturating_sub(start);
        let mut file = File::open(&path).ok()?;
        if file.metadata().ok()?.len() >= skip {
            file.seek(SeekFrom::Start(skip)).ok()?;
            self.open = Some((BufReader::new(file), path, start + skip));
        }
        Some(())
    }
}

impl Iterator for Records {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let Some((reader, path, place)) = &mut self.open else {
                self.next_segment()?;
                continue;
            };
            let mut text = Vec::new();
            let read = reader.read_until(b'\n', &mut text).ok()?;
            let Some(line) = text.strip_suffix(b"\n") else {
                self.open = None;
                continue;
            };
            *place += read as u64;
            let (end, folder) = (*place, path.parent().unwrap_or(path));
            return Some(match decode(line, folder) {
                Some(line) => Found::Good(line, end),
                None => Found::Damaged(end),
            });
        }
    }
}

/// CRC-32 of IEEE 802.3.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ CRC[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

/// What eight steps of the division do to each value of a byte.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut step = 0;
        while step < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            step += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
