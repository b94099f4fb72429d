use serde::{Deserialize, Serialize};

/// Which sums a CUSUM keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sides {
    Up,
    Both,
}

/// Settings of a CUSUM of standardised steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CusumParams {
    pub(crate) k: f64,
    pub(crate) h: f64,
    /// Largest step counted, so that one odd batch is no alarm.
    pub(crate) clip: Option<f64>,
    pub(crate) sides: Sides,
}

/// An alarm falls back below 0.7 of the limit in a few batches once the change is over: the sum goes no
/// higher than this many limits.
const CAP: f64 = 1.3;

/// Cumulative sum of standardised steps, two-sided: S = max(0, S +- z - k).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cusum {
    pub(crate) up: f64,
    pub(crate) down: f64,
    /// Steps so far, and the last one after which each sum was 0.
    pub(crate) seen: u64,
    pub(crate) up_since: u64,
    pub(crate) down_since: u64,
}

impl Cusum {
    pub(crate) fn step(&mut self, z: f64, p: &CusumParams) {
        let z = p.clip.map_or(z, |clip| z.clamp(-clip, clip));
        self.add(z - p.k, -z - p.k, p);
    }

    pub(crate) fn add(&mut self, up: f64, down: f64, p: &CusumParams) {
        self.seen += 1;
        self.up = (self.up + up).clamp(0.0, CAP * p.h);
        if self.up == 0.0 {
            self.up_since = self.seen;
        }
        if p.sides == Sides::Both {
            self.down = (self.down + down).clamp(0.0, CAP * p.h);
        }
        if self.down == 0.0 {
            self.down_since = self.seen;
        }
    }

    /// The larger sum, and the step at which it began to rise, counted from 0.
    pub(crate) fn largest(&self) -> (f64, u64) {
        if self.up >= self.down { (self.up, self.up_since) } else { (self.down, self.down_since) }
    }

    pub(crate) fn is_valid(&self, p: &CusumParams) -> bool {
        let sum = |v: f64| (0.0..=CAP * p.h).contains(&v);
        sum(self.up) && sum(self.down) && self.up_since <= self.seen && self.down_since <= self.seen
    }
}
