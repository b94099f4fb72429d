use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, GroupId, Millis, Result, Stage, Timestamp};

/// How rows are told apart when some are held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// By group if the batch has groups, else by time if rows have times, else each row by itself.
    #[default]
    Auto,
    /// A group is wholly on one side.
    Group,
    /// The newest timestamps are held out.
    Time,
    /// Time cut, and rows of groups on both sides leave the training side.
    GroupTime,
    /// For panels, many series over few periods: the newest timestamps are held out, inner folds are by group.
    Panel,
}

/// What [`folds`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoldSpec {
    /// How rows are told apart.
    pub split: Split,
    /// Share of the rows that no model sees, `[0, 0.5]`; 0 holds nothing out.
    pub holdout: f64,
    /// Number of inner folds of the other rows; 0 makes none.
    pub folds: usize,
    /// Rows closer than this before a time cut leave the training side.
    pub gap: Millis,
    /// Seed of the order of groups.
    pub seed: u64,
}

/// One inner fold: row numbers, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows to judge on.
    pub held_out: Vec<usize>,
}

/// Holdout, remaining rows and inner folds, all as ascending row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    /// Rows that no model sees.
    pub holdout: Vec<usize>,
    /// Rows that the final models see.
    pub fit: Vec<usize>,
    /// Inner folds of `fit`.
    pub folds: Vec<Fold>,
    /// Rows dropped because they lie inside the gap or belong to a group on both sides.
    pub purged: usize,
    /// No groups and no times were given, so each row counts as its own group.
    pub rows_as_groups: bool,
    /// Each inner fold trains on what came before its held-out rows, so the first ones saw little.
    pub expanding: bool,
}

/// Holdout and inner folds without leakage: the only splitter of the workspace.
///
/// Groups are taken in the order of a seeded hash of their id, each to the fold with the fewest rows
/// (ties: lower fold), so neither the order of the rows nor a random number matters. O(n log n).
///
/// # Errors
///
/// `InvalidConfig` if `holdout` is outside `[0, 0.5]`, if a split asks for groups or times that are not
/// there, or if there are fewer groups (distinct times) than folds plus a holdout.
///
/// # Examples
///
/// ```
/// use tsc_core::{FoldSpec, GroupId, Millis, Split, folds};
/// let groups: Vec<GroupId> = (0..10).map(|row| GroupId(row / 2)).collect();
/// let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 2, gap: Millis(0), seed: 42 };
/// let split = folds(10, Some(&groups), None, &spec)?;
/// assert_eq!(split.holdout.len(), 2);
/// assert_eq!(groups[split.holdout[0]], groups[split.holdout[1]]);
/// # Ok::<(), tsc_core::Error>(())
/// ```
pub fn folds(
    n_samples: usize,
    groups: Option<&[GroupId]>,
    times: Option<&[Timestamp]>,
    spec: &FoldSpec,
) -> Result<Folds> {
    if !(0.0..=0.5).contains(&spec.holdout) {
        return Err(config("TSC-CFG-010", format!("holdout is {}, must be in [0, 0.5]", spec.holdout)));
    }
    let split = match spec.split {
        Split::Auto if groups.is_some() => Split::Group,
        Split::Auto if times.is_some() => Split::Time,
        Split::Auto => Split::Group,
        given => given,
    };
    let rows_as_groups = split == Split::Group && groups.is_none();
    let needs_groups = matches!(spec.split, Split::Group | Split::GroupTime | Split::Panel);
    if needs_groups && groups.is_none() {
        return Err(config("TSC-CFG-011", "the split asks for groups, the batch has none".into()));
    }
    if matches!(split, Split::Time | Split::GroupTime | Split::Panel) && times.is_none() {
        return Err(config("TSC-CFG-011", "the split asks for times, the batch has none".into()));
    }
    let own: Vec<GroupId>;
    let groups_or_rows = match groups {
        Some(groups) => groups,
        None => {
            own = (0..n_samples as u64).map(GroupId).collect();
            &own
        }
    };
    let mut result = match (split, times) {
        (Split::Time | Split::GroupTime, Some(times)) => {
            by_time(times, (split == Split::GroupTime).then_some(groups_or_rows), spec)?
        }
        (Split::Panel, Some(times)) => {
            let outer = by_time(times, None, &FoldSpec { folds: 0, ..*spec })?;
            let inner: Vec<GroupId> = outer.fit.iter().map(|&row| groups_or_rows[row]).collect();
            let folds = by_group(&inner, &FoldSpec { holdout: 0.0, ..*spec })?.folds;
            let of_all = |rows: Vec<usize>| rows.into_iter().map(|row| outer.fit[row]).collect();
            let folds = folds
                .into_iter()
                .map(|fold| Fold { train: of_all(fold.train), held_out: of_all(fold.held_out) })
                .collect();
            Folds { folds, expanding: false, ..outer }
        }
        _ => by_group(groups_or_rows, spec)?,
    };
    result.rows_as_groups = rows_as_groups;
    Ok(result)
}

fn by_group(groups: &[GroupId], spec: &FoldSpec) -> Result<Folds> {
    let mut rows_of: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    for (row, &group) in groups.iter().enumerate() {
        rows_of.entry(group).or_default().push(row);
    }
    let needed = usize::from(spec.holdout > 0.0) + spec.folds.max(1);
    if rows_of.len() < needed {
        return Err(too_few(rows_of.len(), "groups", needed));
    }
    let mut order: Vec<(u64, GroupId)> = rows_of.keys().map(|&g| (g.seeded(spec.seed), g)).collect();
    order.sort_unstable();

    // The holdout takes whole groups from the front until it has its share, and leaves enough for the folds.
    let wanted = (spec.holdout * groups.len() as f64).round() as usize;
    let mut holdout = Vec::new();
    let mut next = 0;
    while spec.holdout > 0.0
        && (next == 0 || holdout.len() < wanted)
        && order.len() - next > spec.folds.max(1)
    {
        holdout.extend_from_slice(&rows_of[&order[next].1]);
        next += 1;
    }
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); spec.folds];
    let mut fit = Vec::new();
    for (_, group) in &order[next..] {
        let rows = &rows_of[group];
        fit.extend_from_slice(rows);
        if let Some(smallest) = parts.iter_mut().min_by_key(|part| part.len()) {
            smallest.extend_from_slice(rows);
        }
    }
    holdout.sort_unstable();
    fit.sort_unstable();
    let folds = parts.iter_mut().map(|part| {
        part.sort_unstable();
        let train = fit.iter().copied().filter(|row| part.binary_search(row).is_err()).collect();
        Fold { train, held_out: part.clone() }
    });
    let folds = folds.collect::<Vec<_>>();
    // A single fold is a plain split of its own: a fifth is held out, the rest trains.
    let folds = if spec.folds == 1 { single_fold(groups, &fit, spec)? } else { folds };
    Ok(Folds { holdout, fit, folds, purged: 0, rows_as_groups: false, expanding: false })
}

fn single_fold(groups: &[GroupId], fit: &[usize], spec: &FoldSpec) -> Result<Vec<Fold>> {
    let inner: Vec<GroupId> = fit.iter().map(|&row| groups[row]).collect();
    let seed = spec.seed.wrapping_add(1);
    let split = by_group(&inner, &FoldSpec { holdout: 0.2, folds: 0, seed, ..*spec })?;
    let rows = |picked: Vec<usize>| picked.into_iter().map(|i| fit[i]).collect();
    Ok(vec![Fold { train: rows(split.fit), held_out: rows(split.holdout) }])
}

fn by_time(times: &[Timestamp], groups: Option<&[GroupId]>, spec: &FoldSpec) -> Result<Folds> {
    let mut distinct: Vec<Timestamp> = times.to_vec();
    distinct.sort_unstable();
    let mut sorted = distinct.clone();
    distinct.dedup();
    let needed = usize::from(spec.holdout > 0.0) + spec.folds + 1;
    if distinct.len() < needed {
        return Err(too_few(distinct.len(), "distinct times", needed));
    }
    let rows: Vec<usize> = (0..times.len()).collect();
    let mut purged = 0;
    let (fit, holdout) = if spec.holdout > 0.0 {
        let wanted = (spec.holdout * times.len() as f64).round().max(1.0) as usize;
        // The cut is a distinct time, at least the second one, so that both sides have rows.
        let cut = sorted[times.len() - wanted].max(distinct[1]);
        let (train, held) = cut_at(&rows, times, groups, cut, spec.gap);
        purged += rows.len() - train.len() - held.len();
        (train, held)
    } else {
        (rows, Vec::new())
    };
    sorted = fit.iter().map(|&row| times[row]).collect();
    sorted.sort_unstable();
    let mut folds = Vec::new();
    let blocks = if spec.folds == 1 { 5 } else { spec.folds + 1 };
    for block in blocks - spec.folds..blocks {
        let start = sorted[sorted.len() * block / blocks];
        let end = sorted.get(sorted.len() * (block + 1) / blocks).copied();
        let known: Vec<usize> =
            fit.iter().copied().filter(|&row| end.is_none_or(|end| times[row] < end)).collect();
        let (train, held_out) = cut_at(&known, times, groups, start, spec.gap);
        if train.is_empty() || held_out.is_empty() {
            return Err(too_few(distinct.len(), "distinct times", needed + spec.folds));
        }
        folds.push(Fold { train, held_out });
    }
    Ok(Folds { holdout, fit, folds, purged, rows_as_groups: false, expanding: true })
}

fn cut_at(
    rows: &[usize],
    times: &[Timestamp],
    groups: Option<&[GroupId]>,
    cut: Timestamp,
    gap: Millis,
) -> (Vec<usize>, Vec<usize>) {
    let held: Vec<usize> = rows.iter().copied().filter(|&row| times[row] >= cut).collect();
    let held_groups: std::collections::BTreeSet<GroupId> =
        groups.map(|groups| held.iter().map(|&row| groups[row]).collect()).unwrap_or_default();
    let gap = i64::try_from(gap.0).unwrap_or(i64::MAX);
    let train = rows
        .iter()
        .copied()
        .filter(|&row| times[row] < cut && cut.since(times[row]) > gap)
        .filter(|&row| groups.is_none_or(|groups| !held_groups.contains(&groups[row])))
        .collect();
    (train, held)
}

#[cold]
fn config(code: &'static str, message: String) -> Error {
    Error::new(ErrorKind::InvalidConfig, Stage::Input, code, message)
}

#[cold]
fn too_few(have: usize, what: &str, need: usize) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        Stage::Input,
        "TSC-DAT-015",
        format!("the split has {have} {what}, needs {need}"),
    )
    .with_help("give more rows, or ask for fewer folds")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(split: Split, folds: usize) -> FoldSpec {
        FoldSpec { split, holdout: 0.2, folds, gap: Millis(0), seed: 42 }
    }

    proptest! {
        /// M-16: no group on two sides, every row exactly once.
        #[test]
        fn no_group_is_on_two_sides(ids in prop::collection::vec(0u64..40, 60..200), k in 1usize..6) {
            let groups: Vec<GroupId> = ids.iter().map(|&id| GroupId::of(&id.to_string())).collect();
            let Ok(split) = folds(groups.len(), Some(&groups), None, &spec(Split::Group, k)) else {
                let distinct: std::collections::BTreeSet<_> = groups.iter().collect();
                prop_assert!(distinct.len() <= k + 1);
                return Ok(());
            };
            prop_assert_eq!(split.holdout.len() + split.fit.len(), groups.len());
            for row in &split.holdout {
                prop_assert!(split.fit.iter().all(|other| groups[*other] != groups[*row]));
            }
            for fold in &split.folds {
                prop_assert_eq!(fold.train.len() + fold.held_out.len(), split.fit.len());
                for row in &fold.held_out {
                    prop_assert!(fold.train.iter().all(|other| groups[*other] != groups[*row]));
                }
            }
        }

        /// M-16: no training time at or after a held-out time, nor inside the gap.
        #[test]
        fn training_ends_before_the_holdout(raw in prop::collection::vec(0i64..500, 80..160), gap in 0u64..20) {
            let times: Vec<Timestamp> = raw.iter().map(|&t| Timestamp(t)).collect();
            let spec = FoldSpec { gap: Millis(gap), ..spec(Split::Time, 3) };
            let split = folds(times.len(), None, Some(&times), &spec).unwrap();
            let pairs = split.folds.iter().map(|f| (&f.train, &f.held_out)).chain([(&split.fit, &split.holdout)]);
            for (train, held) in pairs {
                let first = held.iter().map(|&row| times[row]).min().unwrap();
                prop_assert!(train.iter().all(|&row| first.since(times[row]) > gap as i64));
            }
        }
    }

    #[test]
    fn row_order_does_not_decide_who_is_held_out() {
        let groups: Vec<GroupId> = (0..50).map(|i| GroupId::of(&format!("p{i}"))).collect();
        let reversed: Vec<GroupId> = groups.iter().rev().copied().collect();
        let pick = |groups: &[GroupId]| {
            let split = folds(50, Some(groups), None, &spec(Split::Group, 5)).unwrap();
            let mut held: Vec<GroupId> = split.holdout.iter().map(|&row| groups[row]).collect();
            held.sort_unstable();
            held
        };
        assert_eq!(pick(&groups), pick(&reversed));
    }

    #[test]
    fn groups_on_both_sides_of_a_time_cut_leave_training() {
        let times: Vec<Timestamp> = (0..100).map(Timestamp).collect();
        let groups: Vec<GroupId> = (0..100).map(|i| GroupId(i % 50)).collect();
        let split = folds(100, Some(&groups), Some(&times), &spec(Split::GroupTime, 0)).unwrap();
        assert_eq!(split.holdout, (80..100).collect::<Vec<_>>());
        assert_eq!(split.purged, 20);
    }

    #[test]
    fn a_panel_holds_out_the_newest_and_folds_by_series() {
        let times: Vec<Timestamp> = (0..100).map(|i| Timestamp(i / 10)).collect();
        let groups: Vec<GroupId> = (0..100).map(|i| GroupId(i % 10)).collect();
        let split = folds(100, Some(&groups), Some(&times), &spec(Split::Panel, 5)).unwrap();
        assert_eq!(split.holdout, (80..100).collect::<Vec<_>>());
        assert!(!split.expanding);
        for fold in &split.folds {
            assert_eq!((fold.train.len(), fold.held_out.len()), (64, 16));
            assert!(
                fold.held_out.iter().all(|&held| fold.train.iter().all(|&row| groups[row] != groups[held]))
            );
            assert!(fold.train.iter().all(|&row| row < 80));
        }
        assert_eq!(folds(100, None, Some(&times), &spec(Split::Panel, 5)).unwrap_err().code(), "TSC-CFG-011");
        assert_eq!(
            folds(100, Some(&groups), None, &spec(Split::Panel, 5)).unwrap_err().code(),
            "TSC-CFG-011"
        );
    }

    #[test]
    fn a_split_without_its_column_is_an_error() {
        assert_eq!(folds(10, None, None, &spec(Split::Time, 0)).unwrap_err().code(), "TSC-CFG-011");
        assert_eq!(folds(10, None, None, &spec(Split::Group, 0)).unwrap_err().code(), "TSC-CFG-011");
        assert!(folds(10, None, None, &spec(Split::Auto, 2)).unwrap().rows_as_groups);
        assert_eq!(folds(2, None, None, &spec(Split::Auto, 5)).unwrap_err().code(), "TSC-DAT-015");
    }
}
