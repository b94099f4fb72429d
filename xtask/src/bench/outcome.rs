//! From measurements to the rows of the table: medians, ratios, verdicts.

use std::collections::BTreeMap;

use super::{
    cases::{Case, Check, Kind, Row},
    measure::Measurement,
};

/// The runs of one case, by the name of the program; ours under [`OURS`].
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) measured: BTreeMap<&'static str, Vec<Measurement>>,
    /// Why a program gave no measurement.
    pub(crate) failed: BTreeMap<&'static str, String>,
    pub(crate) rounds: usize,
    /// Of these, how many ran although the machine was busy.
    pub(crate) busy_rounds: usize,
}

pub(crate) const OURS: &str = "ours";

/// Median of some runs, with the least and the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) largest: f64,
    pub(crate) runs: usize,
}

impl Spread {
    /// `None` without a value.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, largest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let below = if values.len().is_multiple_of(2) { values[middle - 1] } else { values[middle] };
        Some(Self { median: (below + values[middle]) / 2.0, least, largest, runs: values.len() })
    }
}

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Goal,
    Floor,
    Missed,
    /// No target.
    Information,
    /// Wrong, unchecked or not measured: the figures do not count.
    Void,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Goal => "goal",
            Verdict::Floor => "floor",
            Verdict::Missed => "missed",
            Verdict::Information => "",
            Verdict::Void => "void",
        }
    }

    /// A ratio is good at or below its target.
    fn of(ratio: Option<f64>, row: &Row) -> Self {
        match (ratio, row.floor) {
            (None, _) => Verdict::Void,
            (Some(_), None) => Verdict::Information,
            (Some(ratio), Some(_)) if row.goal.is_some_and(|goal| ratio <= goal) => Verdict::Goal,
            (Some(ratio), Some(floor)) if ratio <= floor => Verdict::Floor,
            (Some(_), Some(_)) => Verdict::Missed,
        }
    }
}

/// One finished row.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) case: String,
    pub(crate) peer: &'static str,
    pub(crate) ours: Option<Spread>,
    pub(crate) theirs: Option<Spread>,
    pub(crate) unit: &'static str,
    pub(crate) ratio: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) goal: Option<f64>,
    pub(crate) verdict: Verdict,
    pub(crate) notes: Vec<String>,
}

/// The rows of a case from its runs.
pub(crate) fn outcomes(case: &Case, runs: &Runs) -> Vec<Outcome> {
    case.rows.iter().map(|row| outcome(case, row, runs)).collect()
}

fn outcome(case: &Case, row: &Row, runs: &Runs) -> Outcome {
    let spread = |program, key: &str| {
        Spread::of(runs.measured.get(program).into_iter().flatten().filter_map(|it| it.get(key)))
    };
    let ours = spread(OURS, row.figure.key);
    let theirs = match row.peer.kind {
        Kind::Own(key) => spread(OURS, key),
        Kind::Limit(limit) => Spread::of([f64::from(limit)].into_iter()),
        Kind::Python(_) | Kind::Rust | Kind::Apart(_) => spread(row.peer.name, row.figure.key),
    };

    let mut notes = Vec::new();
    let ratio = match (wrong(case, row, runs), ours.zip(theirs)) {
        (Some(wrong), _) => {
            notes.push(format!("void: {wrong}"));
            None
        }
        (None, None) => {
            let failed = runs.failed.get(OURS).or_else(|| runs.failed.get(row.peer.name));
            let why = failed.map_or("not measured on this system", String::as_str);
            notes.push(format!("void: {why}"));
            None
        }
        (None, Some((ours, theirs))) => Some(ours.median / theirs.median),
    };
    notes.extend([row.peer.mark, row.figure.note].into_iter().filter(|it| !it.is_empty()).map(str::to_owned));
    notes.extend(compared(case, row, runs));
    if runs.busy_rounds > 0 {
        notes.push(format!("{} of {} rounds on a busy machine", runs.busy_rounds, runs.rounds));
    }
    Outcome {
        case: case.label(row),
        peer: row.peer.name,
        ours,
        theirs,
        unit: row.figure.unit,
        ratio,
        floor: row.floor,
        goal: row.goal,
        verdict: Verdict::of(ratio, row),
        notes,
    }
}

/// Why our result does not count, if it does not.
fn wrong(case: &Case, row: &Row, runs: &Runs) -> Option<String> {
    let is_measured = row.peer.is_measured();
    let (reference, tolerance) = match case.check {
        Check::EqualTo(reference, tolerance) => (reference.name, tolerance),
        Check::EqualToEach(tolerance) | Check::NoWorse(tolerance) if is_measured => {
            (row.peer.name, tolerance)
        }
        _ => return None,
    };
    let (Some(ours), Some(theirs)) = (checks(runs, OURS), checks(runs, reference)) else {
        let failed = runs.failed.get(OURS).or_else(|| runs.failed.get(reference));
        let why = failed.map_or(String::new(), |why| format!(": {why}"));
        return Some(format!("nothing to compare with {reference}{why}"));
    };
    // Every run of both, for a result that changes between runs is wrong too.
    let pairs = ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| difference(*ours, *theirs)));
    let is_wrong = |difference: &f64| match case.check {
        // Ours is larger where theirs lies below it.
        Check::NoWorse(_) => *difference < -tolerance,
        _ => difference.abs() > tolerance,
    };
    let wrong = pairs.into_iter().find(is_wrong)?;
    Some(format!("the result of {reference} differs from ours by {wrong:+.1e} relative"))
}

fn checks(runs: &Runs, program: &str) -> Option<Vec<f64>> {
    let checks = runs.measured.get(program)?.iter().map(|it| it.get("check"));
    checks.collect::<Option<Vec<_>>>().filter(|it| !it.is_empty())
}

/// Of theirs to ours, relative to ours; infinite where that is not a number.
fn difference(ours: f64, theirs: f64) -> f64 {
    let difference = (theirs - ours) / ours.abs();
    match ours == theirs {
        true => 0.0,
        false if difference.is_nan() => f64::NEG_INFINITY,
        false => difference,
    }
}

/// How the peer's result compares with ours, and what its time leaves out.
fn compared(case: &Case, row: &Row, runs: &Runs) -> Vec<String> {
    let Some(theirs) = runs.measured.get(row.peer.name).filter(|_| row.figure.key == "seconds") else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let is_compared = matches!(case.check, Check::EqualTo(..) | Check::NoWorse(_));
    if let (true, Some(ours), Some(it)) = (is_compared, checks(runs, OURS), checks(runs, row.peer.name))
        && difference(ours[0], it[0]).abs() > 1e-12
    {
        notes.push(format!("result {:+.1e} relative to ours", difference(ours[0], it[0])));
    }
    let median = |key: &str| Spread::of(theirs.iter().filter_map(|it| it.get(key)));
    if let Some(ari) = median("ari") {
        notes.push(format!("ARI {:.4} to ours", ari.median));
    }
    if let Some(cold) = median("cold") {
        notes.push(format!("first fit of a process {} s", digits(cold.median)));
    }
    notes
}

/// Three significant digits, in plain notation.
pub(crate) fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    // 123.4 has its first digit at place 2, 0.0123 at -2.
    let place = value.abs().log10().floor() as i32;
    format!("{value:.*}", usize::try_from(2 - place).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::cases::{Peer, area};
    use super::*;

    fn case(title: &str) -> Case {
        area("clustering").unwrap().cases.into_iter().find(|case| case.title == title).unwrap()
    }

    fn measured(figures: &[(&str, f64)]) -> Measurement {
        Measurement(figures.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect())
    }

    fn seconds(values: &[f64], check: f64) -> Vec<Measurement> {
        values.iter().map(|&seconds| measured(&[("seconds", seconds), ("check", check)])).collect()
    }

    fn runs(ours: Vec<Measurement>, theirs: Vec<Measurement>) -> Runs {
        Runs { measured: [(OURS, ours), ("quitefastmst", theirs)].into(), ..Runs::default() }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_middle_ones() {
        let spread = Spread::of([4.0, 1.0, 10.0, 2.0].into_iter()).unwrap();
        assert_eq!(spread, Spread { median: 3.0, least: 1.0, largest: 10.0, runs: 4 });
        assert_eq!(Spread::of([5.0, 1.0, 2.0].into_iter()).unwrap().median, 2.0);
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn the_ratio_is_our_median_over_theirs_and_good_at_or_below_its_target() {
        for (ours, verdict) in [
            (&[1.0, 4.0, 0.1][..], Verdict::Goal),
            (&[1.0, 1.0001, 1.0002], Verdict::Floor),
            (&[1.3], Verdict::Floor),
            (&[1.31], Verdict::Missed),
        ] {
            let runs = runs(seconds(ours, 7.0), seconds(&[1.0, 1.0, 9.0], 7.0));
            let row = outcomes(&case("fit 100k x 2"), &runs).remove(0);
            assert_eq!(row.verdict, verdict, "{ours:?}");
            assert_eq!(row.ratio, Some(row.ours.unwrap().median));
            assert_eq!((row.case.as_str(), row.peer, row.unit), ("T-10 fit 100k x 2", "quitefastmst", "s"));
        }
    }

    #[test]
    fn a_time_with_a_wrong_unstable_or_unchecked_result_is_void() {
        let case = case("fit 100k x 2");
        let verdict = |runs: &Runs| {
            let row = outcomes(&case, runs).remove(0);
            assert_eq!(row.ratio.is_none(), row.notes[0].starts_with("void: "), "{:?}", row.notes);
            row.verdict
        };
        let good = runs(seconds(&[1.0], 1e6), seconds(&[1.0], 1e6 + 1e-7));
        assert_eq!(verdict(&good), Verdict::Goal);
        assert_eq!(verdict(&runs(seconds(&[1.0], 1e6), seconds(&[1.0], 1e6 + 1e-5))), Verdict::Void);
        let unstable = [seconds(&[1.0], 1e6), seconds(&[1.0], 1e6 + 1e-5)].concat();
        assert_eq!(verdict(&runs(unstable, seconds(&[1.0], 1e6))), Verdict::Void);
        let unchecked = vec![measured(&[("seconds", 1.0)])];
        assert_eq!(verdict(&runs(unchecked, seconds(&[1.0], 1e6))), Verdict::Void);
        assert_eq!(verdict(&runs(seconds(&[1.0], f64::NAN), seconds(&[1.0], 1e6))), Verdict::Void);
        let mut absent = runs(seconds(&[1.0], 1e6), Vec::new());
        absent.failed.insert("quitefastmst", "no such module".into());
        assert_eq!(verdict(&absent), Verdict::Void);
        let row = outcomes(&case, &absent).remove(0);
        assert!(row.notes[0].contains("no such module"), "{:?}", row.notes);
    }

    #[test]
    fn each_peer_is_compared_by_itself_and_only_a_larger_loss_is_wrong() {
        let mut case = case("fit 100k x 2");
        let peers = |theirs: f64| {
            let mut runs = runs(seconds(&[1.0], 100.0), seconds(&[2.0], theirs));
            runs.measured.insert("fast-plscan", seconds(&[2.0], 100.0));
            runs
        };
        let verdicts = |case: &Case, runs: &Runs| {
            let rows = outcomes(case, runs);
            [0, 3].map(|row| rows[row].verdict)
        };
        for (check, theirs, expected) in [
            (Check::EqualToEach(0.01), 100.0, Verdict::Goal),
            (Check::EqualToEach(0.01), 102.0, Verdict::Void),
            (Check::EqualToEach(0.01), 98.0, Verdict::Void),
            (Check::NoWorse(0.01), 102.0, Verdict::Goal),
            (Check::NoWorse(0.01), 99.5, Verdict::Goal),
            (Check::NoWorse(0.01), 98.0, Verdict::Void),
            (Check::NoWorse(0.01), f64::NAN, Verdict::Void),
        ] {
            case.check = check;
            assert_eq!(
                verdicts(&case, &peers(theirs)),
                [expected, Verdict::Information],
                "{check:?} {theirs}"
            );
        }
    }

    #[test]
    fn a_limit_takes_the_place_of_a_peer() {
        let mut case = case("fit 100k x 2");
        case.rows.truncate(1);
        case.rows[0].peer = Peer { name: "limit", kind: Kind::Limit(100), mark: "" };
        case.check = Check::EqualToEach(0.0);
        let row = outcomes(&case, &runs(seconds(&[50.0], 1.0), Vec::new())).remove(0);
        assert_eq!((row.ratio, row.theirs.map(|it| it.median)), (Some(0.5), Some(100.0)));
    }

    #[test]
    fn memory_is_compared_with_memory_and_own_figures_with_our_own() {
        let memory = |peak: f64, rise: f64| {
            measured(&[("seconds", 1.0), ("check", 3.0), ("peak_mb", peak), ("rise_mb", rise)])
        };
        let runs = runs(vec![memory(240.0, 100.0)], vec![memory(480.0, 50.0)]);
        let rows = outcomes(&case("fit 1M x 2"), &runs);
        assert_eq!((rows[1].ratio, rows[1].verdict, rows[1].unit), (Some(0.5), Verdict::Floor, "MB"));
        assert_eq!((rows[2].ratio, rows[2].verdict), (Some(2.0), Verdict::Information));
        // The peer that did not run voids its own row only.
        assert_eq!((rows[0].verdict, rows[3].verdict), (Verdict::Goal, Verdict::Void));

        let own = measured(&[("seconds", 1.0), ("setup", 20.0)]);
        let own = Runs { measured: [(OURS, vec![own])].into(), ..Runs::default() };
        let rows = outcomes(&case("20 selections, 100k x 10"), &own);
        assert_eq!((rows[0].ratio, rows[0].verdict), (Some(0.05), Verdict::Goal));
    }

    #[test]
    fn three_digits_are_shown() {
        for (value, text) in [
            (0.0123456, "0.0123"),
            (1.0, "1.00"),
            (98.76, "98.8"),
            (476.6, "477"),
            (12345.6, "12346"),
            (0.0, "0"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(digits(7.77e-6), "0.00000777");
    }
}
