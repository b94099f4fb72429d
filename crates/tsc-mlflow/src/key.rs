//! Keys of runs, models and operations: 32 hex digits that no other process makes.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// 32 random hex digits.
///
/// Randomness comes from the seeds of `RandomState`, which the standard library takes from the
/// operating system; process id, counter and time make a repetition impossible even if it did not.
pub(crate) fn random() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hash = Sha256::new();
    for salt in 0_u8..4 {
        hash.update(RandomState::new().hash_one(salt).to_le_bytes());
    }
    hash.update(std::process::id().to_le_bytes());
    hash.update(COUNTER.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    hash.update(crate::clock::now_ms().to_le_bytes());
    hex(&hash.finalize()[..16])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

/// sha256 of `bytes` as 64 hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_hex_digits_and_differ() {
        let keys: std::collections::BTreeSet<String> = (0..1_000).map(|_| random()).collect();
        assert_eq!(keys.len(), 1_000);
        assert!(keys.iter().all(|k| k.len() == 32 && k.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    // FIPS 180-2, appendix B.1.
    #[test]
    fn sha256_of_abc_is_the_published_digest() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }
}
