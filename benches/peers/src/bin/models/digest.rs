//! One number for results that must be equal to the bit.

use sha2::{Digest, Sha256};

/// The first 48 bits of the SHA-256 of some bytes, which an f64 holds exactly.
pub(crate) fn digest(bytes: &[u8]) -> f64 {
    let hash = Sha256::digest(bytes);
    hash[..6].iter().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

/// The digest of numbers by their bits.
pub(crate) fn of_numbers(values: &[f64]) -> f64 {
    digest(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// The digest of the trees of some model texts, without what else a text says of its training.
pub(crate) fn of_trees<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let trees = |text: &'a str| {
        let start = text.find("\nTree=0").unwrap_or(0);
        &text[start..text.find("\nend of trees").unwrap_or(text.len())]
    };
    digest(texts.map(trees).collect::<String>().as_bytes())
}
