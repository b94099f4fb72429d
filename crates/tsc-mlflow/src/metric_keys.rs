//! The keys of a run's metrics: checked once, then shared by all their values.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::TrackingError;
use crate::limits::check_key;

/// Keys that are remembered; a run with more than these has no loop that repeats them.
const MOST: usize = 4_096;

/// Keys a run has logged so far.
#[derive(Debug, Default)]
pub(crate) struct MetricKeys {
    known: Vec<Arc<str>>,
    places: BTreeMap<Arc<str>, usize>,
    /// Place of the key that follows the last one, if the same keys come in the same order again.
    next: usize,
}

impl MetricKeys {
    /// The shared form of a key that MLflow takes.
    pub(crate) fn get(&mut self, key: &str) -> Result<Arc<str>, TrackingError> {
        if let Some(expected) = self.known.get(self.next)
            && **expected == *key
        {
            let key = Arc::clone(expected);
            self.expect_after(self.next);
            return Ok(key);
        }
        self.search(key)
    }

    fn search(&mut self, key: &str) -> Result<Arc<str>, TrackingError> {
        if let Some(place) = self.places.get(key).copied() {
            self.expect_after(place);
            return Ok(Arc::clone(&self.known[place]));
        }
        check_key("metric", key)?;
        let key: Arc<str> = key.into();
        if self.known.len() < MOST {
            self.places.insert(Arc::clone(&key), self.known.len());
            self.known.push(Arc::clone(&key));
            self.next = 0;
        }
        Ok(key)
    }

    fn expect_after(&mut self, place: usize) {
        self.next = if place + 1 < self.known.len() { place + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shared_whatever_the_order() {
        let mut keys = MetricKeys::default();
        let first: Vec<Arc<str>> = ["a", "b", "c"].map(|key| keys.get(key).unwrap()).into();
        for order in [[0, 1, 2], [2, 0, 1], [1, 1, 0]] {
            for place in order {
                let again = keys.get(["a", "b", "c"][place]).unwrap();
                assert!(Arc::ptr_eq(&again, &first[place]), "{order:?}");
            }
        }
    }

    #[test]
    fn a_refused_key_is_refused_again_and_many_keys_are_all_taken() {
        let mut keys = MetricKeys::default();
        for _ in 0..2 {
            assert!(keys.get("x=1").is_err());
        }
        for n in 0..MOST + 10 {
            let key = format!("k{n}");
            assert_eq!(&*keys.get(&key).unwrap(), key);
        }
        assert_eq!((keys.known.len(), keys.places.len()), (MOST, MOST));
        assert_eq!(&*keys.get("k3").unwrap(), "k3");
    }
}
