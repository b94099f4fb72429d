//! Positions of names, looked up once per row of a file.

/// Names by a hash of their bytes; the names are few and all known beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// A power of two of buckets.
    buckets: Vec<Vec<(Box<[u8]>, u32)>>,
}

impl Names {
    pub(crate) fn new<'a>(names: impl Iterator<Item = (&'a str, u32)> + Clone) -> Self {
        let size = (4 * names.clone().count()).next_power_of_two();
        let mut buckets = vec![Vec::new(); size];
        for (name, position) in names {
            buckets[hash(name.as_bytes()) & (size - 1)].push((name.as_bytes().into(), position));
        }
        Self { buckets }
    }

    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<u32> {
        let bucket = &self.buckets[hash(name) & (self.buckets.len() - 1)];
        bucket.iter().find(|(known, _)| **known == *name).map(|&(_, position)| position)
    }
}

/// Every byte turns up in the upper half of the product, which is all that is used.
#[inline]
fn hash(bytes: &[u8]) -> usize {
    let mixed = bytes.iter().fold(bytes.len() as u64, |hash, &byte| hash.rotate_left(7) ^ u64::from(byte));
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_and_no_other() {
        let names: Vec<String> = (0..200).map(|i| format!("v{i}")).collect();
        let lookup = Names::new(names.iter().map(String::as_str).zip(0..));
        for (position, name) in (0..).zip(&names) {
            assert_eq!(lookup.get(name.as_bytes()), Some(position));
        }
        assert_eq!((lookup.get(b""), lookup.get(b"v200")), (None, None));
        assert_eq!(Names::new(std::iter::empty()).get(b"v"), None);
    }
}
