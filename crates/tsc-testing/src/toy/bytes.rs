//! Stored form of the toys: little-endian 64-bit words with their count and check sum in front.

use tsc_core::{ArtifactSink, ArtifactSource, Result, damaged};

const FILE: &str = "model.words";

pub(super) fn put(sink: &mut dyn ArtifactSink, words: &[u64]) -> Result<()> {
    let header = [words.len() as u64, check(words)];
    let bytes: Vec<u8> = header.iter().chain(words).flat_map(|w| w.to_le_bytes()).collect();
    sink.put(FILE, &bytes)
}

/// The words; a cut or changed file is an error.
pub(super) fn get(source: &dyn ArtifactSource) -> Result<Vec<u64>> {
    let bytes = source.get(FILE)?;
    let (words, rest) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
    match words.split_at_checked(2) {
        Some((header, body))
            if rest.is_empty() && header[0] == body.len() as u64 && header[1] == check(body) =>
        {
            Ok(body.to_vec())
        }
        _ => Err(damaged(FILE, format!("{} bytes do not match their count and check sum", bytes.len()))),
    }
}

pub(super) fn wrong_content() -> tsc_core::Error {
    damaged(FILE, "the words do not describe a model")
}

fn check(words: &[u64]) -> u64 {
    words
        .iter()
        .fold(0x9e37_79b9_7f4a_7c15, |sum, word| (sum.rotate_left(7) ^ word).wrapping_mul(0x0100_0000_01b3))
}
