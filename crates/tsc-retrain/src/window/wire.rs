//! The stored form of a window: postcard, f64 bit for bit.

use serde::{Deserialize, Serialize};
use tsc_core::{Error, GroupId, ResourceKind, Result, RowId, Timestamp, Unit, damaged};

use super::{Partial, Resource, Window};

const FILE: &str = "window.bin";

#[derive(Serialize, Deserialize)]
enum Stored {
    V1(WindowV1),
}

#[derive(Serialize, Deserialize)]
struct WindowV1 {
    n_features: u64,
    capacity: u64,
    values: Vec<f64>,
    targets: Vec<f64>,
    resources: Vec<(ResourceKind, Unit, Vec<f64>)>,
    groups: Column<u64>,
    ids: Column<u64>,
    times: Column<i64>,
}

#[derive(Serialize, Deserialize)]
struct Column<T> {
    values: Vec<T>,
    known: u64,
}

impl Window {
    /// All rows as bytes, for [`Window::from_bytes`].
    ///
    /// # Errors
    ///
    /// `Artifact` if the bytes cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let start = self.start;
        let stored = Stored::V1(WindowV1 {
            n_features: self.n_features as u64,
            capacity: self.capacity as u64,
            values: self.values[start * self.n_features..].to_vec(),
            targets: self.targets[start..].to_vec(),
            resources: self
                .resources
                .iter()
                .map(|r| (r.kind.clone(), r.unit.clone(), r.values[start..].to_vec()))
                .collect(),
            groups: column(&self.groups, start, |group| group.0),
            ids: column(&self.ids, start, |id| id.0),
            times: column(&self.times, start, |time| time.0),
        });
        postcard::to_stdvec(&stored).map_err(bad)
    }

    /// Reads what [`Window::to_bytes`] wrote, bit for bit. Runs no code and never panics.
    ///
    /// # Errors
    ///
    /// `Artifact` if the bytes are damaged or contradict themselves.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (Stored::V1(stored), rest) = postcard::take_from_bytes(bytes).map_err(bad)?;
        if !rest.is_empty() {
            return Err(bad(format!("{} bytes after the end", rest.len())));
        }
        let size = |v: u64| usize::try_from(v).ok().filter(|v| *v > 0);
        let (Some(n_features), Some(capacity)) = (size(stored.n_features), size(stored.capacity)) else {
            return Err(bad(format!(
                "{} features and room for {} rows, both must be above 0",
                stored.n_features, stored.capacity
            )));
        };
        let n = stored.targets.len();
        if n > capacity || n.checked_mul(n_features) != Some(stored.values.len()) {
            return Err(bad(format!(
                "{n} targets and {} cells in a window of {capacity} rows of {n_features} features",
                stored.values.len()
            )));
        }
        if !stored.values.iter().chain(&stored.targets).all(|v| v.is_finite()) {
            return Err(bad("a cell or target is not finite"));
        }
        for (kind, _, values) in &stored.resources {
            if values.len() != n || values.iter().any(|v| v.is_infinite()) {
                return Err(bad(format!("resource {kind} is infinite, or has not {n} values")));
            }
            if stored.resources.iter().filter(|other| other.0 == *kind).count() > 1 {
                return Err(bad(format!("resource {kind} is stored twice")));
            }
        }
        Ok(Self {
            n_features,
            capacity,
            start: 0,
            values: stored.values,
            targets: stored.targets,
            resources: stored
                .resources
                .into_iter()
                .map(|(kind, unit, values)| Resource { kind, unit, values })
                .collect(),
            groups: partial(stored.groups, n, GroupId)?,
            ids: partial(stored.ids, n, RowId)?,
            times: partial(stored.times, n, Timestamp)?,
        })
    }
}

fn column<T: Copy, U>(from: &Partial<T>, start: usize, raw: impl Fn(T) -> U) -> Column<U> {
    let values: Vec<U> = from.values[start..].iter().map(|&v| raw(v)).collect();
    let known = from.known.min(values.len()) as u64;
    Column { values, known }
}

fn partial<T, U>(from: Column<U>, n: usize, typed: impl Fn(U) -> T) -> Result<Partial<T>> {
    let known = usize::try_from(from.known).unwrap_or(usize::MAX);
    if from.values.len() != n || known > n {
        return Err(bad(format!(
            "a column has {} entries and {known} known, the window has {n} rows",
            from.values.len()
        )));
    }
    Ok(Partial { values: from.values.into_iter().map(typed).collect(), known })
}

#[cold]
fn bad(what: impl std::fmt::Display) -> Error {
    damaged(FILE, what)
}
