use std::ops::ControlFlow;

use proptest::prelude::*;
use tsc_core::{
    ArtifactKind, ArtifactSink, ArtifactSource, ClusterId, ErrorKind, FitOutcome, FitWarning,
    FittedRegressor, FoldSpec, Load, MemoryArtifacts, Millis, PredictionSource, Save, Split, StopReason,
    StoredKind, Targets, TrainingSet, folds,
};
use tsc_testing::ToyRegressor;

use super::*;
use crate::interval::{Covered, IntervalMethod, IntervalParams};
use crate::value::{GLOBAL, PERMUTED, Verdict};

/// Three clusters with slopes of their own and 12 rows of noise; patients of two rows each.
struct Cohort {
    cells: Vec<f64>,
    y: Vec<f64>,
    labels: Vec<Label>,
    groups: Vec<GroupId>,
    folds: Folds,
}

fn cohort(per_cluster: usize, folds_wanted: usize) -> Cohort {
    let n = 3 * per_cluster + 12;
    let mut state = 12_345_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let (mut cells, mut y, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..n {
        let id = if row >= 3 * per_cluster { -1 } else { (row % 3) as i32 };
        let (a, b) = (4.0 * draw(), draw());
        cells.extend([a, b]);
        y.push([2.0, -1.0, 0.5, 1.0][(id + 4) as usize % 4] * a + 0.2 * draw());
        ids.push(id);
    }
    let groups: Vec<GroupId> = (0..n as u64).map(|row| GroupId(row / 6)).collect();
    let spec = FoldSpec { split: Split::Group, holdout: 0.2, folds: folds_wanted, gap: Millis(0), seed: 42 };
    let folds = folds(n, Some(&groups), None, &spec).unwrap();
    Cohort { cells, y, labels: Label::from_ids(&ids), groups, folds }
}

impl Cohort {
    fn rows(&self) -> SegmentedRows<'_> {
        SegmentedRows {
            x: Features::new(&self.cells, 2).unwrap(),
            labels: &self.labels,
            n_clusters: 3,
            groups: Some(&self.groups),
            folds: &self.folds,
            references: &[],
        }
    }
}

fn with(selection: Selection) -> PerClusterParams {
    PerClusterParams { selection, ..PerClusterParams::default() }
}

fn predict<F: FittedRegressor>(
    fitted: &FittedPerCluster<F>,
    x: Features<'_>,
    density: &[Label],
    labels: &[Label],
    noise: NoiseValue,
) -> (Vec<f64>, Vec<PredictionSource>, Vec<ModelFault>) {
    let mut values = vec![0.0; x.n_samples()];
    let mut sources = vec![PredictionSource::Cluster; x.n_samples()];
    let faults = fitted.predict_into(x, density, labels, noise, &mut values, &mut sources).unwrap();
    (values, sources, faults)
}

#[test]
fn broken_settings_are_named() {
    let params = PerClusterParams { min_cluster_rows: 1, selection_z: -0.5, ..PerClusterParams::default() };
    assert_eq!(
        PerCluster::new(ToyRegressor, params).unwrap_err().to_string(),
        "min_cluster_rows is 1, must be at least 2; selection_z is -0.5, must be at least 0 and finite"
    );
}

/// A model that can be told to fail: a constant, plus what one test needs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault3 {
    Never,
    FitsFail,
    FitsPanic,
    FinalsFail,
    PredictsNan,
    PredictsError,
}

/// Fails on training sets whose mean target is below `below`.
#[derive(Clone, Copy, Debug)]
struct Mean {
    fault: Fault3,
    below: f64,
}

#[derive(Clone, Debug)]
struct FittedMean {
    value: f64,
    fault: Fault3,
}

impl Save for FittedMean {
    fn kind(&self) -> ArtifactKind {
        Self::KIND
    }
    fn save(&self, sink: &mut dyn ArtifactSink) -> Result<()> {
        sink.put("value.bin", &self.value.to_le_bytes())?;
        sink.put("about.txt", b"a mean")
    }
}

impl Load for FittedMean {
    const KIND: ArtifactKind = ArtifactKind { name: "mean", version: 1 };
    fn load(_: u32, source: &dyn ArtifactSource) -> Result<Self> {
        let bytes =
            source.get("value.bin")?.try_into().map_err(|_| tsc_core::damaged("value.bin", "length"))?;
        Ok(Self { value: f64::from_le_bytes(bytes), fault: Fault3::Never })
    }
}

impl FittedRegressor for FittedMean {
    fn n_features(&self) -> usize {
        2
    }
    fn cut(&mut self, rounds: u32) {
        self.value = self.value.min(f64::from(rounds));
    }
    fn predict_into(&self, _: Features<'_>, out: &mut [f64]) -> Result<()> {
        match self.fault {
            Fault3::PredictsError => return Err(tsc_core::damaged("memory", "worn out")),
            Fault3::PredictsNan => out.fill(f64::NAN),
            _ => out.fill(self.value),
        }
        Ok(())
    }
}

impl Regressor for Mean {
    type Fitted = FittedMean;
    fn fit(&self, _: Features<'_>, y: Targets<'_>) -> Result<FittedMean> {
        let value = y.as_slice().iter().sum::<f64>() / y.len() as f64;
        let fault = if value < self.below { self.fault } else { Fault3::Never };
        match fault {
            Fault3::FitsFail => Err(tsc_core::damaged("memory", "worn out")),
            Fault3::FinalsFail if y.len() > 30 => Err(tsc_core::damaged("memory", "worn out")),
            Fault3::FitsPanic => panic!("the backend broke"),
            fault => Ok(FittedMean { value, fault }),
        }
    }
    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedMean> {
        tsc_core::restore(stored, source)
    }
}

/// Targets 10, 20, 30 by cluster (noise 100), so that a mean tells whose model answered.
fn levels(per_cluster: usize, folds: usize) -> Cohort {
    let mut cohort = cohort(per_cluster, folds);
    for (y, label) in cohort.y.iter_mut().zip(&cohort.labels) {
        *y = label.cluster().map_or(100.0, |c| 10.0 + 10.0 * f64::from(c.0));
    }
    cohort
}

/// M-22: a failing or panicking cluster is skipped with its reason, its siblings finish.
#[test]
fn a_failing_cluster_is_skipped_and_its_siblings_finish() {
    // With one fold the models of all rows are fitted after it, and may fail alone.
    for (fault, code, folds) in [
        (Fault3::FitsFail, "TSC-ART-003", 4),
        (Fault3::FinalsFail, "TSC-ART-003", 1),
        (Fault3::FitsPanic, "TSC-MOD-015", 4),
    ] {
        let cohort = levels(40, folds);
        let head = PerCluster::new(Mean { fault, below: 15.0 }, PerClusterParams::default()).unwrap();
        let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        let modelled: Vec<u32> = fitted.modelled().map(|c| c.0).collect();
        assert_eq!(modelled, [1, 2], "{fault:?}");
        assert_eq!(report.skipped.len(), 1);
        assert_eq!(report.skipped[0].cluster, ClusterId(0));
        assert!(
            matches!(&report.skipped[0].reason, SkipReason::Failed { code: c, .. } if c == code),
            "{:?}",
            report.skipped
        );
        let (_, sources, faults) =
            predict(&fitted, cohort.rows().x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
        assert_eq!((sources[0], sources[1]), (PredictionSource::Pooled, PredictionSource::Cluster));
        assert_eq!(faults, []);
    }
    let cohort = levels(40, 4);
    let head =
        PerCluster::new(Mean { fault: Fault3::FitsFail, below: 1e9 }, PerClusterParams::default()).unwrap();
    let error = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap_err();
    assert_eq!(error.code(), "TSC-ART-003", "a failing pooled model is an error");
}

/// F-02: every eligible cluster has a stored model, whatever the selection says.
#[test]
fn every_eligible_cluster_has_a_model() {
    let cohort = levels(40, 4);
    for selection in [Selection::Shrink, Selection::Own, Selection::Pooled] {
        let head = PerCluster::new(ToyRegressor, with(selection)).unwrap();
        let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        assert_eq!(fitted.modelled().count(), 3);
        assert_eq!(report.clusters.len(), 3);
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        let clusters = files.files().keys().filter(|path| path.starts_with("cluster-")).count();
        assert_eq!(clusters, 3 * 4, "a model per fold: {:?}", files.files().keys());
    }
    let few = PerClusterParams { min_cluster_rows: 1_000, ..PerClusterParams::default() };
    let (fitted, report) =
        PerCluster::new(ToyRegressor, few).unwrap().fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    assert_eq!((fitted.modelled().count(), report.skipped.len()), (0, 3));
    assert_eq!(report.skipped[0].reason, SkipReason::TooFewRows { needed: 1_000 });
}

/// models.md 8: blend, noise, unassigned rows and their sources.
#[test]
fn each_row_is_served_by_the_right_model() {
    let cohort = levels(40, 4);
    let mean = Mean { fault: Fault3::Never, below: 0.0 };
    let own = PerCluster::new(mean, with(Selection::Own)).unwrap();
    let (fitted, report) = own.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let x = Features::new(&[0.0; 8], 2).unwrap();
    let pooled = fitted.pooled().predict(x).unwrap()[0];
    let mean_of = |rows: &[usize]| rows.iter().map(|&r| cohort.y[r]).sum::<f64>() / rows.len() as f64;
    let fold_means = cohort.folds.folds.iter().map(|fold| mean_of(&fold.train));
    assert!((pooled - fold_means.sum::<f64>() / 4.0).abs() < 1e-9, "noise rows are in the pooled model");

    let density = Label::from_ids(&[0, 2, -1, -1]);
    let labels = Label::from_ids(&[0, 2, 1, -1]);
    use PredictionSource::{Cluster, Fallback, Pooled};
    let (values, sources, _) = predict(&fitted, x, &density, &labels, NoiseValue::Pooled);
    assert_eq!(values, [10.0, 30.0, pooled, pooled]);
    assert_eq!(sources, [Cluster, Cluster, Pooled, Pooled]);
    let (values, sources, _) = predict(&fitted, x, &density, &labels, NoiseValue::Fallback);
    assert_eq!(values, [10.0, 30.0, 20.0, pooled]);
    assert_eq!(sources, [Cluster, Cluster, Fallback, Pooled]);
    assert_eq!(report.clusters[0].weight.reason, WeightReason::Forced);

    let none = PerCluster::new(mean, with(Selection::Pooled)).unwrap();
    let (fitted, _) = none.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let (values, sources, _) = predict(&fitted, x, &density, &labels, NoiseValue::Fallback);
    assert_eq!((values, sources), (vec![pooled; 4], vec![Pooled; 4]));

    let shrunk = PerCluster::new(mean, PerClusterParams::default()).unwrap();
    let (mut fitted, report) = shrunk.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    assert!(report.clusters.iter().all(|c| c.weight.value > 0.9), "{:?}", report.clusters[0].weight);
    fitted.clusters.get_mut(&ClusterId(0)).unwrap().weight = 0.25;
    let (values, ..) = predict(&fitted, x, &density, &labels, NoiseValue::Pooled);
    assert_eq!(values[0], (1.0 - 0.25) * pooled + 0.25 * 10.0);
}

fn break_all(model: &mut FoldMean<FittedMean>, fault: Fault3) {
    let broken = model.members().iter().map(|member| FittedMean { fault, ..member.clone() }).collect();
    *model = FoldMean::new(broken).unwrap();
}

/// F-10, F-37: a model that fails is replaced by the pooled one; without that the value is NaN.
#[test]
fn a_failing_model_is_replaced_by_the_pooled_one() {
    let cohort = levels(40, 4);
    let x = cohort.rows().x;
    for (fault, expected) in [
        (Fault3::PredictsNan, Fault::NotFinite),
        (
            Fault3::PredictsError,
            Fault::Failed {
                code: "TSC-ART-003".into(),
                message: "file \"memory\" is damaged: worn out".into(),
            },
        ),
    ] {
        let head = PerCluster::new(Mean { fault: Fault3::Never, below: 0.0 }, with(Selection::Own)).unwrap();
        let (mut fitted, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        break_all(&mut fitted.clusters.get_mut(&ClusterId(0)).unwrap().stored.model, fault);
        for weight in [1.0, 0.5] {
            fitted.clusters.get_mut(&ClusterId(0)).unwrap().weight = weight;
            let (values, sources, faults) =
                predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
            let pooled = fitted.pooled().predict(x).unwrap()[0];
            assert_eq!((values[0], sources[0]), (pooled, PredictionSource::Pooled));
            assert_eq!((values[1], sources[1]), (20.0, PredictionSource::Cluster));
            let told =
                ModelFault { cluster: Some(ClusterId(0)), rows: 40, first_row: 0, fault: expected.clone() };
            assert_eq!(faults, [told]);
        }
        break_all(&mut fitted.pooled.model, fault);
        let (values, sources, faults) =
            predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
        for (value, source) in values.iter().zip(&sources) {
            assert_eq!(value.is_nan(), *source == PredictionSource::Unavailable);
        }
        assert_eq!(sources[0], PredictionSource::Unavailable);
        assert_eq!(
            (values[1], sources[1]),
            (20.0, PredictionSource::Cluster),
            "weight 1 needs no pooled value"
        );
        assert_eq!(faults.len(), 2);
    }
}

/// F-32, M-22: no label and no model names a cluster that is not there.
#[test]
fn no_id_reaches_n_clusters() {
    let cohort = levels(40, 4);
    let head = PerCluster::new(ToyRegressor, PerClusterParams::default()).unwrap();
    let rows = SegmentedRows { n_clusters: 2, ..cohort.rows() };
    let error = head.fit(&rows, &cohort.y, &Watch::NONE).unwrap_err();
    assert_eq!(error.to_string(), "label 2 at row 2 names no cluster: there are 2");
    let (fitted, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    assert!(fitted.modelled().all(|c| (c.0 as usize) < fitted.n_clusters()));
    let x = Features::new(&[0.0, 0.0], 2).unwrap();
    let label = Label::from_ids(&[3]);
    let error = fitted
        .predict_into(x, &label, &label, NoiseValue::Pooled, &mut [0.0], &mut [PredictionSource::Pooled])
        .unwrap_err();
    assert_eq!(error.code(), "TSC-MOD-009");
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let cohort = cohort(40, 4);
    let head = PerCluster::new(ToyRegressor, PerClusterParams::default()).unwrap();
    let fit = |rows: SegmentedRows<'_>, y: &[f64]| head.fit(&rows, y, &Watch::NONE).unwrap_err();
    assert_eq!(
        fit(cohort.rows(), &cohort.y[1..]).to_string(),
        "targets has 131 entries, the matrix has 132 rows"
    );
    assert_eq!(fit(SegmentedRows { labels: &[], ..cohort.rows() }, &cohort.y).code(), "TSC-MOD-011");
    assert_eq!(fit(SegmentedRows { groups: Some(&[]), ..cohort.rows() }, &cohort.y).code(), "TSC-MOD-011");
    let mut y = cohort.y.clone();
    y[7] = f64::INFINITY;
    assert_eq!(fit(cohort.rows(), &y).to_string(), "target at row 7 is infinite");
    assert_eq!(fit(cohort.rows(), &[f64::NAN; 132]).to_string(), "0 fit rows with a known target, needs 2");
    let none = Folds { folds: Vec::new(), ..cohort.folds.clone() };
    let error = fit(SegmentedRows { folds: &none, ..cohort.rows() }, &cohort.y);
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidConfig, "TSC-MOD-010"));
    let beyond = Folds { holdout: vec![500], ..cohort.folds.clone() };
    assert_eq!(fit(SegmentedRows { folds: &beyond, ..cohort.rows() }, &cohort.y).code(), "TSC-MOD-011");
    let stop = |_: &tsc_core::Progress| ControlFlow::Break(StopReason::Cancelled);
    let error = head.fit(&cohort.rows(), &cohort.y, &Watch(&stop)).unwrap_err();
    assert_eq!(error.to_string(), "the fit was stopped: cancelled");
}

/// Without folds (parity benches) own and pooled selections work, and nothing claims evidence.
#[test]
fn a_fit_without_folds_serves_a_forced_selection() {
    let cohort = cohort(40, 0);
    let head = PerCluster::new(ToyRegressor, with(Selection::Own)).unwrap();
    let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    assert_eq!(fitted.weight(ClusterId(2)), 1.0);
    assert_eq!(report.clusters[0].weight.slope, None);
    assert!(report.pooled.fold_rounds.is_empty());
}

/// Rows without a target are neither trained on nor scored; the holdout is seen by no model.
#[test]
fn the_holdout_and_unknown_targets_are_not_trained_on() {
    let cohort = levels(40, 4);
    let head = PerCluster::new(Mean { fault: Fault3::Never, below: 0.0 }, with(Selection::Own)).unwrap();
    let (before, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let mut y = cohort.y.clone();
    for &row in &cohort.folds.holdout {
        y[row] = -1e6;
    }
    let unknown = cohort.folds.fit[0];
    let (after, report) = head.fit(&cohort.rows(), &y, &Watch::NONE).unwrap();
    let pooled = |fitted: &FittedPerCluster<FittedMean>| fitted.pooled().predict(cohort.rows().x).unwrap()[0];
    assert_eq!(pooled(&after), pooled(&before));
    assert!(report.holdout.served.rmse.unwrap() > 1e5, "the holdout is scored");
    y[unknown] = f64::NAN;
    let (without, report) = head.fit(&cohort.rows(), &y, &Watch::NONE).unwrap();
    assert_ne!(pooled(&without), pooled(&before));
    assert_eq!(report.unknown_targets, 1);
    assert_eq!(report.fit_rows, cohort.folds.fit.len() as u64 - 1);
    assert_eq!(report.holdout_rows, report.holdout.served.n);
}

/// M-21: clusters that differ help, and the report says by how much.
#[test]
fn the_report_says_what_the_clusters_gain() {
    let cohort = levels(40, 4);
    let head = PerCluster::new(Mean { fault: Fault3::Never, below: 0.0 }, with(Selection::Own)).unwrap();
    let (_, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let gain = report.gain.unwrap();
    assert!(gain.upper.unwrap() < 0.0, "{gain:?}");
    assert!(gain.own_rmse <= gain.pooled_rmse);
    assert!(!report.warnings.iter().any(|w| matches!(w.warning, FitWarning::ClustersDoNotHelp { .. })));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ModelsReport>(&json).unwrap(), report);

    // Labels that mean nothing and targets that are noise: each cluster's mean is worse than all rows' mean.
    let mut noise = cohort.y.clone();
    for (row, y) in noise.iter_mut().enumerate() {
        *y = if cohort.folds.holdout.binary_search(&row).is_ok() { 20.0 } else { *y };
    }
    let (_, report) = head.fit(&cohort.rows(), &noise, &Watch::NONE).unwrap();
    let harm = report.gain.unwrap().is_harm();
    let told = report.warnings.iter().any(|w| matches!(w.warning, FitWarning::ClustersDoNotHelp { .. }));
    assert_eq!(harm, told);
}

#[test]
fn models_of_several_files_get_a_folder() {
    let cohort = levels(40, 4);
    let mean = Mean { fault: Fault3::Never, below: 0.0 };
    let head = PerCluster::new(mean, PerClusterParams::default()).unwrap();
    let (fitted, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let names: Vec<&str> = files.files().keys().map(String::as_str).collect();
    assert_eq!(
        names[..3],
        ["cluster-0000-0/about.txt", "cluster-0000-0/value.bin", "cluster-0000-1/about.txt"]
    );
    let again = FittedPerCluster::restore(&mean, &files).unwrap();
    let x = cohort.rows().x;
    assert_eq!(
        predict(&again, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled),
        predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// A damaged index is an error or a head, never a panic.
    #[test]
    fn a_damaged_index_never_panics(at in 0.0..1.0_f64, byte in any::<u8>(), cut in prop::option::of(0.0..1.0_f64)) {
        let cohort = levels(20, 4);
        let mean = Mean { fault: Fault3::Never, below: 0.0 };
        let head = PerCluster::new(mean, PerClusterParams::default()).unwrap();
        let (fitted, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        let mut index = files.get("index.json").unwrap();
        let place = (at * index.len() as f64) as usize;
        index[place] = byte;
        if let Some(cut) = cut {
            index.truncate((cut * index.len() as f64) as usize);
        }
        files.overwrite("index.json", index);
        if let Ok(head) = FittedPerCluster::restore(&mean, &files) {
            prop_assert_eq!(head.n_features(), 2);
            prop_assert!(head.modelled().all(|c| (c.0 as usize) < head.n_clusters()));
        } else {
            prop_assert_eq!(FittedPerCluster::restore(&mean, &files).unwrap_err().kind(), ErrorKind::Artifact);
        }
    }
}

/// A regressor whose best round is told by the number of tuning rows.
#[derive(Clone, Copy, Debug)]
struct Rounds;

impl Regressor for Rounds {
    type Fitted = FittedMean;
    fn fit(&self, x: Features<'_>, y: Targets<'_>) -> Result<FittedMean> {
        Mean { fault: Fault3::Never, below: 0.0 }.fit(x, y)
    }
    fn fit_set(&self, set: &TrainingSet<'_>, _: &Watch<'_>) -> Result<FitOutcome<FittedMean>> {
        let best_round = set.rounds.unwrap_or_else(|| set.tuning.map_or(99, |(x, _)| x.n_samples() as u32));
        let model = FittedMean { value: 99.0, fault: Fault3::Never };
        Ok(FitOutcome { model, best_round, history: Vec::new(), warnings: Vec::new() })
    }
    fn capabilities(&self) -> tsc_core::Capabilities {
        tsc_core::Capabilities { early_stopping: true, ..tsc_core::Capabilities::default() }
    }
    fn restore(&self, stored: &StoredKind, source: &dyn ArtifactSource) -> Result<FittedMean> {
        tsc_core::restore(stored, source)
    }
}

/// models.md 7.2: every model is cut at the upper median of the folds' best rounds.
#[test]
fn rounds_are_the_upper_median_of_the_folds() {
    let cohort = cohort(40, 4);
    let head = PerCluster::new(Rounds, PerClusterParams::default()).unwrap();
    let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let mut sizes: Vec<u32> = cohort.folds.folds.iter().map(|f| f.held_out.len() as u32).collect();
    assert_eq!(report.pooled.fold_rounds, sizes);
    sizes.sort_unstable();
    assert_eq!(report.pooled.best_round, sizes[2]);
    let kept: Vec<f64> = fitted.pooled().members().iter().map(|member| member.value).collect();
    assert_eq!(kept, [f64::from(sizes[2]); 4]);
}

/// training.refit: what serves has seen the held-out rows too, at the weights that were found.
#[test]
fn a_refit_takes_in_the_rows_that_were_held_out() {
    let mut cohort = levels(40, 1);
    for &row in &cohort.folds.holdout {
        cohort.y[row] += 1_000.0;
    }
    let head = PerCluster::new(Mean { fault: Fault3::Never, below: 0.0 }, with(Selection::Own)).unwrap();
    let (fitted, _) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let weights: Vec<f64> = (0..3).map(|c| fitted.weight(ClusterId(c))).collect();
    let spec = FoldSpec { split: Split::Group, holdout: 0.0, folds: 1, gap: Millis(0), seed: 42 };
    let all = folds(cohort.y.len(), Some(&cohort.groups), None, &spec).unwrap();
    let rows = SegmentedRows { folds: &all, ..cohort.rows() };
    let again = head.refit(&fitted, &rows, &cohort.y, &Watch::NONE).unwrap();
    let mean = cohort.y.iter().sum::<f64>() / cohort.y.len() as f64;
    assert!((again.pooled().predict(rows.x).unwrap()[0] - mean).abs() < 1e-9);
    assert!(again.own(ClusterId(0)).unwrap().predict(rows.x).unwrap()[0] > 100.0);
    assert_eq!((0..3).map(|c| again.weight(ClusterId(c))).collect::<Vec<f64>>(), weights);
}

fn with_intervals(levels: &[f64]) -> PerClusterParams {
    let intervals = IntervalParams {
        levels: levels.to_vec(),
        method: IntervalMethod::Residual,
        ..IntervalParams::default()
    };
    PerClusterParams { intervals, ..PerClusterParams::default() }
}

/// M-24: bounds hold about their share of held-out rows, and where calibration is too small there is no bound.
#[test]
fn intervals_hold_their_share_of_held_out_rows_or_are_not_there() {
    let mut cohort = cohort(400, 5);
    cohort.labels.iter_mut().step_by(10).for_each(|label| *label = Label::NOISE);
    let head = PerCluster::new(ToyRegressor, with_intervals(&[0.8, 0.9999])).unwrap();
    let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<ModelsReport>(&json).unwrap(),
        report,
        "noise stays noise, all stays all"
    );
    let coverage = report.value.unwrap().coverage;
    assert!(coverage.iter().any(|c| c.segment == Covered::Noise));
    let overall = coverage.iter().find(|c| c.level == 0.8 && c.segment == Covered::All).unwrap();
    // 243 held-out rows at .8: three binomial standard errors are .077.
    assert!((overall.share - 0.8).abs() < 0.08, "{overall:?}");
    assert!(overall.interval.unwrap()[0] < 0.8 && overall.mean_width > 0.0);
    assert!(coverage.iter().all(|c| c.level == 0.8), "too few rows for .9999: {coverage:?}");

    let x = cohort.rows().x;
    let (values, ..) = predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
    let bounds =
        fitted.intervals(x, &cohort.labels, &cohort.labels, NoiseValue::Pooled, &values).unwrap().unwrap();
    assert_eq!(bounds.levels, [0.8, 0.9999]);
    assert!(bounds.lower[0].iter().zip(&values).all(|(lower, value)| lower < value));
    assert!(bounds.upper[1].iter().all(|upper| upper.is_nan()));

    let mut files = MemoryArtifacts::new();
    fitted.save(&mut files).unwrap();
    let again = FittedPerCluster::restore(&ToyRegressor, &files).unwrap();
    let stored =
        again.intervals(x, &cohort.labels, &cohort.labels, NoiseValue::Pooled, &values).unwrap().unwrap();
    assert_eq!(
        (stored.lower[0].clone(), stored.upper[0].clone()),
        (bounds.lower[0].clone(), bounds.upper[0].clone())
    );
}

/// The value report sets the served beside one global model, shuffled segments and plain forecasts.
#[test]
fn the_value_report_compares_with_plainer_ways() {
    let mut cohort = cohort(80, 4);
    for row in 0..cohort.y.len() {
        // A patient has one segment, so that shuffling patients changes it.
        let cluster = (row / 6 % 3) as u32;
        (cohort.labels[row], cohort.y[row]) = (Label::of(ClusterId(cluster)), f64::from(cluster));
    }
    let plain: Vec<f64> = cohort.y.iter().map(|y| y + 0.5).collect();
    let unknown = vec![f64::NAN; plain.len()];
    let references =
        [Reference { name: "half off", values: &plain }, Reference { name: "unknown", values: &unknown }];
    let rows = SegmentedRows { references: &references, ..cohort.rows() };
    let head =
        PerCluster::new(Mean { fault: Fault3::Never, below: 0.0 }, PerClusterParams::default()).unwrap();
    let (_, report) = head.fit(&rows, &cohort.y, &Watch::NONE).unwrap();
    let value = report.value.unwrap();
    assert_eq!(value.verdict, Verdict::Helps, "{}", value.sentence());
    assert!(value.rival(GLOBAL).unwrap().is_better());
    assert!(value.rival(PERMUTED).unwrap().is_better(), "{:?}", value.rival(PERMUTED));
    assert!((value.rival("half off").unwrap().second - 0.5).abs() < 1e-9);
    assert_eq!(value.rival("unknown"), None, "a forecast without a value is no rival");
    let of_clusters: Vec<Option<ClusterId>> = value.segments.iter().map(|s| s.cluster).collect();
    assert_eq!(of_clusters[..3], [0, 1, 2].map(|c| Some(ClusterId(c))));
}

#[cfg(feature = "lightgbm")]
mod lightgbm {
    use super::*;
    use crate::{GbmParams, LightGbm};

    fn head() -> PerCluster<LightGbm> {
        let backend = LightGbm::new(GbmParams::time_series()).unwrap();
        PerCluster::new(backend, PerClusterParams::default()).unwrap()
    }

    fn bytes_on(threads: usize, cohort: &Cohort) -> (MemoryArtifacts, String, Vec<u64>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (fitted, report) = head().fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
            let mut files = MemoryArtifacts::new();
            fitted.save(&mut files).unwrap();
            let (values, ..) =
                predict(&fitted, cohort.rows().x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
            let bits = values.iter().map(|v| v.to_bits()).collect();
            (files, serde_json::to_string(&report).unwrap(), bits)
        })
    }

    /// F-41, M-26: texts, weights, report and predictions have the same bytes on 1, 2 and 16 threads.
    #[test]
    fn one_thread_and_many_give_the_same_bytes() {
        let cohort = cohort(120, 4);
        let one = bytes_on(1, &cohort);
        assert!(one.0.files().contains_key("cluster-0002-3.txt"), "{:?}", one.0.files().keys());
        for threads in [2, 16] {
            let many = bytes_on(threads, &cohort);
            assert_eq!(many.0, one.0);
            assert_eq!(many.1, one.1);
            assert_eq!(many.2, one.2);
        }
    }

    /// Architecture 10: the texts of a head are LightGBM's, as they are, and load again to the same bits.
    #[test]
    fn a_stored_head_serves_the_same_bits() {
        let cohort = cohort(60, 4);
        let (fitted, report) = head().fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        let text = String::from_utf8(files.get("cluster-0000-0.txt").unwrap()).unwrap();
        assert_eq!(text, fitted.own(ClusterId(0)).unwrap().members()[0].text());
        let again = FittedPerCluster::restore(head().regressor(), &files).unwrap();
        let x = cohort.rows().x;
        assert_eq!(
            predict(&again, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled),
            predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled)
        );
        // M-08: resolved values of every model are reported; F-02: so is every model.
        assert_eq!(report.pooled.params["num_leaves"], "7");
        assert_eq!(report.clusters[0].model.params["num_leaves"], "4");
        assert!(report.clusters[0].weight.value > 0.0, "slopes differ: {:?}", report.clusters[0].weight);
        assert!(report.gain.unwrap().difference < 0.0);
    }

    /// Quantile models of clusters and pooled model, blended as the values are, conformalised and stored.
    #[test]
    fn quantile_bounds_are_stored_and_hold_their_share() {
        let cohort = cohort(300, 4);
        let intervals = IntervalParams { levels: vec![0.8], ..IntervalParams::default() };
        let params = PerClusterParams { intervals, ..PerClusterParams::default() };
        let head = PerCluster::new(LightGbm::new(GbmParams::time_series()).unwrap(), params).unwrap();
        let (fitted, report) = head.fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        let coverage = report.value.unwrap().coverage;
        assert!((coverage[0].share - 0.8).abs() < 0.1, "{coverage:?}");
        let x = cohort.rows().x;
        let (values, ..) = predict(&fitted, x, &cohort.labels, &cohort.labels, NoiseValue::Pooled);
        let of = |fitted: &FittedPerCluster<crate::GbdtModel>| {
            fitted.intervals(x, &cohort.labels, &cohort.labels, NoiseValue::Pooled, &values).unwrap()
        };
        let mut files = MemoryArtifacts::new();
        fitted.save(&mut files).unwrap();
        assert!(files.files().contains_key("cluster-0000.q1-3.txt"), "{:?}", files.files().keys());
        assert_eq!(of(&FittedPerCluster::restore(head.regressor(), &files).unwrap()), of(&fitted));
    }

    /// F-20: what is reported is the holdout, where pure noise has no R2 above chance.
    #[test]
    fn noise_scores_like_noise() {
        let mut cohort = cohort(120, 4);
        let shuffled: Vec<f64> = (0..cohort.y.len()).map(|i| (i * 7_919 % 1_009) as f64 / 1_009.0).collect();
        cohort.y = shuffled;
        let (_, report) = head().fit(&cohort.rows(), &cohort.y, &Watch::NONE).unwrap();
        assert!(report.holdout.served.r2.unwrap() < 0.15, "{:?}", report.holdout.served);
        assert!(report.pooled.best_round < 100);
    }

    /// M-17: a target that is a random constant per patient cannot be learned across patients.
    #[test]
    fn a_constant_per_patient_does_not_leak() {
        let mut cohort = cohort(200, 4);
        for (row, y) in cohort.y.iter_mut().enumerate() {
            *y = (row / 6 * 7_919 % 1_009) as f64 / 1_009.0;
        }
        for (row, cell) in cohort.cells.chunks_exact_mut(2).enumerate() {
            // The second feature knows the patient.
            cell[1] = (row / 6 * 104_729 % 1_013) as f64;
        }
        let r2 = |folds: &Folds| {
            let rows = SegmentedRows { folds, ..cohort.rows() };
            head().fit(&rows, &cohort.y, &Watch::NONE).unwrap().1.holdout.served.r2.unwrap()
        };
        let by_patient = r2(&cohort.folds);
        assert!(by_patient <= 0.05, "{by_patient}");
        let spec = FoldSpec { split: Split::Auto, holdout: 0.2, folds: 4, gap: Millis(0), seed: 42 };
        let by_row = r2(&folds(cohort.y.len(), None, None, &spec).unwrap());
        assert!(by_row > 0.05, "a split by row leaks, which is what the test must be able to see: {by_row}");
    }
}
