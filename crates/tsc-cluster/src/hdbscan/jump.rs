//! Jump pointers: from a node of a forest to an ancestor in O(log depth) steps, one number per node.

/// For each node an ancestor far above it; a root points at itself. A parent comes before its children.
///
/// Two jumps of equal length are followed by one over both, so lengths grow as in a skew binary counter.
///
/// Source: Myers, Information Processing Letters 17 (1983), 241-248.
pub(crate) fn pointers(parents: impl Iterator<Item = Option<u32>>) -> Vec<u32> {
    let mut jumps: Vec<u32> = Vec::new();
    let mut depth: Vec<u32> = Vec::new();
    for (node, parent) in parents.enumerate() {
        let Some(parent) = parent else {
            jumps.push(node as u32);
            depth.push(0);
            continue;
        };
        let far = jumps[parent as usize];
        let farther = jumps[far as usize];
        let length = |from: u32, to: u32| depth[from as usize] - depth[to as usize];
        jumps.push(if length(parent, far) == length(far, farther) { farther } else { parent });
        depth.push(depth[parent as usize] + 1);
    }
    jumps
}

/// Goes up while `above` gives a parent to go to, which it does for all nodes below some ancestor.
pub(crate) fn climb(mut node: u32, jumps: &[u32], above: impl Fn(u32) -> Option<u32>) -> u32 {
    while let Some(parent) = above(node) {
        let far = jumps[node as usize];
        node = if above(far).is_some() { far } else { parent };
    }
    node
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Two shapes: a path, and a tree whose parents are drawn at random.
    #[test]
    fn climbing_ends_where_single_steps_end_and_takes_few() {
        let n = 100_000u32;
        let path: Vec<Option<u32>> = (0..n).map(|c| c.checked_sub(1)).collect();
        let mut state = 7u64;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(below)) as u32
        };
        let random: Vec<Option<u32>> = (0..n).map(|c| (c > 0).then(|| draw(c))).collect();
        let starts: Vec<(u32, u32)> = (0..500).map(|_| (draw(n), draw(n))).collect();
        for parents in [path, random] {
            let jumps = pointers(parents.iter().copied());
            for &(start, top) in &starts {
                let steps = Cell::new(0);
                let above = |c: u32| {
                    steps.set(steps.get() + 1);
                    parents[c as usize].filter(|_| c > top)
                };
                let found = climb(start, &jumps, above);
                let mut expected = start;
                while expected > top {
                    expected = parents[expected as usize].unwrap_or(0);
                }
                assert_eq!(found, expected, "from {start} to {top}");
                // 17 bits of depth; at most three steps a bit, two questions a step.
                assert!(steps.get() <= 6 * 17 + 2, "{} questions", steps.get());
            }
        }
    }
}
