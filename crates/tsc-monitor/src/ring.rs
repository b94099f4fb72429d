use std::collections::VecDeque;

/// Appends and drops the oldest beyond `capacity`; says how many were dropped.
pub(crate) fn push<T>(ring: &mut VecDeque<T>, item: T, capacity: usize) -> u64 {
    ring.push_back(item);
    trim(ring, capacity)
}

/// Drops the oldest beyond `capacity`; says how many were dropped.
pub(crate) fn trim<T>(ring: &mut VecDeque<T>, capacity: usize) -> u64 {
    let excess = ring.len().saturating_sub(capacity);
    ring.drain(..excess);
    excess as u64
}
