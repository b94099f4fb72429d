//! Reading of stored states and checks of parameters, the same for every detector.

use tsc_core::{DetectorState, Result};

use crate::error::MonitorError;

/// Counts and numbers of a state of `detector`, all numbers finite.
pub(super) fn parts<'a>(state: &'a DetectorState, detector: &'static str) -> Result<(&'a [u64], &'a [f64])> {
    if state.detector != detector {
        let stored = state.detector.clone();
        return Err(MonitorError::OtherDetector { stored, detector }.into());
    }
    if state.values.iter().any(|v| !v.is_finite()) {
        return Err(damaged(detector, "holds a number that is not finite"));
    }
    Ok((&state.counts, &state.values))
}

/// As [`parts`], of a fixed size.
pub(crate) fn fixed<const C: usize, const V: usize>(
    state: &DetectorState,
    detector: &'static str,
) -> Result<([u64; C], [f64; V])> {
    let (counts, values) = parts(state, detector)?;
    match (counts.try_into(), values.try_into()) {
        (Ok(counts), Ok(values)) => Ok((counts, values)),
        _ => Err(damaged(detector, "has another size")),
    }
}

pub(crate) fn damaged(detector: &'static str, problem: &'static str) -> tsc_core::Error {
    MonitorError::DetectorState { detector, problem }.into()
}

/// A flag stored as a count.
pub(super) fn flag(count: u64, detector: &'static str) -> Result<bool> {
    match count {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(damaged(detector, "holds a flag that is neither 0 nor 1")),
    }
}

// Counts beyond this lose digits as f64; no stream is as long.
pub(super) const MOST: u64 = 1 << 52;

pub(crate) fn parameter(holds: bool, name: &'static str, value: f64, bound: &'static str) -> Result<()> {
    if holds { Ok(()) } else { Err(MonitorError::Parameter { name, value, bound }.into()) }
}

/// A share of probability: above 0 and below 1.
pub(crate) fn open_unit(name: &'static str, value: f64) -> Result<()> {
    parameter(value > 0.0 && value < 1.0, name, value, "lie between 0 and 1, both excluded")
}
