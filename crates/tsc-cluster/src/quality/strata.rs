use std::ops::Range;

/// Samples chosen of one cluster.
#[derive(Debug, PartialEq)]
pub(crate) struct Stratum {
    /// Ascending.
    pub(crate) rows: Vec<usize>,
    /// Samples the cluster has.
    pub(crate) size: usize,
}

/// Chooses `max_rows` samples: two of each cluster that has two, because one alone does not tell how its
/// cluster spreads, and then each cluster by its share.
pub(crate) fn strata(ranges: &[Range<usize>], max_rows: usize, seed: u64) -> Vec<Stratum> {
    let total: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let counts = counts(ranges, total, max_rows);
    let mut random = SplitMix(seed);
    let one = |(range, count): (&Range<usize>, usize)| {
        // Selection sampling (Knuth, Algorithm S): ascending, every subset equally likely.
        let mut rows = Vec::with_capacity(count);
        for row in range.clone() {
            let left = (range.end - row) as u64;
            if random.below(left) < (count - rows.len()) as u64 {
                rows.push(row);
            }
        }
        Stratum { rows, size: range.len() }
    };
    ranges.iter().zip(counts).map(one).collect()
}

fn counts(ranges: &[Range<usize>], total: usize, max_rows: usize) -> Vec<usize> {
    if total <= max_rows {
        return ranges.iter().map(ExactSizeIterator::len).collect();
    }
    let least = |range: &Range<usize>| range.len().min(2);
    let spare = max_rows.saturating_sub(ranges.iter().map(least).sum()) as u128;
    let open: usize = ranges.iter().map(|range| range.len() - least(range)).sum();
    // Rounding the running sum, not each share, keeps the total.
    let (mut seen, mut given) = (0, 0);
    let share = |range: &Range<usize>| {
        seen += (range.len() - least(range)) as u128;
        let upto = spare * seen / (open as u128).max(1);
        let extra = upto - given;
        given = upto;
        least(range) + extra as usize
    };
    ranges.iter().map(share).collect()
}

/// Source: Steele, Lea and Flood, OOPSLA 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The bias of the remainder is below n / 2^64.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
