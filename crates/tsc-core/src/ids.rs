use serde::{Deserialize, Serialize};

/// The unit that must not be split between training and holdout, usually a patient.
///
/// A 64-bit hash of the name, so that no patient identifier travels through reports or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u64);

/// Identity of a row, by which late targets are joined; a 64-bit hash like [`GroupId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowId(pub u64);

impl GroupId {
    /// The group of a name: the same name gives the same id on every machine.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(mix(fnv1a(name.as_bytes())))
    }

    /// Position of the group in a seeded order, uniform over `u64`.
    ///
    /// The one place that decides who is held out: [`crate::folds`] and every other split by group use it.
    #[must_use]
    pub fn seeded(self, seed: u64) -> u64 {
        mix(self.0 ^ mix(seed))
    }
}

impl RowId {
    /// The row of a name: the same name gives the same id on every machine.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(mix(fnv1a(name.as_bytes())))
    }
}

pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

// Finalizer of splitmix64: FNV alone leaves the high bits of short names poorly mixed.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
