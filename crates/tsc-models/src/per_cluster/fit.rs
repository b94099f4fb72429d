//! From rows to models: folds, common rounds, final models, weights, scores.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tsc_core::{
    ClusterId, Curve, Error, FitWarning, FittedRegressor, GroupId, Label, PredictionSource, RegressionScores,
    Regressor, Result, Watch,
};

use super::fitted::{FittedPerCluster, NoiseValue, Own, Stored, check_labels, score};
use super::report::{
    ClusterReport, ComparedScores, FeatureImportance, Gain, GainRow, ModelReport, ModelWarning, ModelsReport,
    SkipReason, SkippedCluster,
};
use super::tasks::{Bench, Done, Task};
use super::weight::{Evidence, SelectionLoss, Weight, WeightReason, weigh};
use super::{PerCluster, SegmentedRows, Selection};
use crate::error::ModelsError;
use crate::transform::Transform;

/// The pooled model or one cluster, with its fit rows.
struct Scope {
    cluster: Option<ClusterId>,
    rows: Vec<usize>,
}

/// What the folds of a scope told.
#[derive(Default)]
struct Folded {
    fold_rounds: Vec<u32>,
    curves: Vec<Vec<Curve>>,
    /// Folds that ended at their last allowed round.
    capped: usize,
    /// Upper median of the folds' best rounds, where the regressor stops early.
    rounds: Option<u32>,
    /// Out-of-fold prediction of each row, NaN where there is none.
    out_of_fold: Vec<f64>,
}

impl Folded {
    fn hear<F>(&mut self, done: &Done<F>, stops: bool) {
        if stops {
            self.fold_rounds.push(done.outcome.best_round);
            self.curves.push(done.outcome.history.clone());
        }
        let capped = |w: &FitWarning| matches!(w, FitWarning::CapReached { .. });
        self.capped += usize::from(done.outcome.warnings.iter().any(capped));
    }
}

/// A scope that was fitted.
struct Fitted<F> {
    scope: usize,
    done: Done<F>,
    folded: Folded,
}

pub(super) fn fit<R: Regressor>(
    head: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    transform: Transform,
    watch: &Watch<'_>,
) -> Result<(FittedPerCluster<R::Fitted>, ModelsReport)> {
    check(head, rows, y)?;
    let scaled: Vec<f64> = y.iter().map(|&value| transform.apply(value)).collect();
    let (scopes, mut skipped) = scopes(head, rows, y)?;
    let bench = Bench { regressor: &head.regressor, x: rows.x, y: &scaled, watch, stopped: OnceLock::new() };

    let (fitted, failed) = fit_scopes(&bench, rows, &scopes)?;
    for (scope, error) in failed {
        let Some(cluster) = scopes[scope].cluster else { return Err(error) };
        let reason = SkipReason::Failed { code: error.code().to_owned(), message: error.to_string() };
        skipped.push(SkippedCluster { cluster, rows: scopes[scope].rows.len() as u64, reason });
    }
    skipped.sort_by_key(|s| s.cluster);

    let warnings = warnings_of(rows, &scopes, &fitted);
    let (models, pooled, own) = assembled(head, rows, &scaled, &scopes, fitted);
    let scored = Scored::of(&models, rows, y, transform)?;
    let mut report = scored.report(rows, &scopes[0].rows, pooled, own);
    report.skipped = skipped;
    report.warnings = warnings;
    if let Some(gain) = report.gain.filter(Gain::is_harm) {
        let warning = FitWarning::ClustersDoNotHelp { difference: gain.difference };
        report.warnings.push(ModelWarning { cluster: None, warning });
    }
    Ok((models, report))
}

type OwnReport = (ClusterId, Weight, ModelReport);

/// The models with their weights, the pooled one first among `fitted`.
fn assembled<R: Regressor>(
    head: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    scopes: &[Scope],
    mut fitted: Vec<Fitted<R::Fitted>>,
) -> (FittedPerCluster<R::Fitted>, ModelReport, Vec<OwnReport>) {
    let pooled = fitted.remove(0);
    let weight =
        |own: &Fitted<R::Fitted>| weight_of(head, rows, y, &scopes[own.scope].rows, own, &pooled.folded);
    let weights: Vec<Weight> = fitted.iter().map(weight).collect();
    let (pooled, pooled_report) = described(head, &scopes[pooled.scope], pooled);
    let (n_features, n_clusters) = (rows.x.n_features(), rows.n_clusters);
    let mut models = FittedPerCluster { n_features, n_clusters, pooled, clusters: BTreeMap::new() };
    let mut reports = Vec::new();
    for (own, weight) in fitted.into_iter().zip(weights) {
        let scope = &scopes[own.scope];
        let Some(cluster) = scope.cluster else { continue };
        let (stored, report) = described(head, scope, own);
        models.clusters.insert(cluster, Own { stored, weight: weight.value });
        reports.push((cluster, weight, report));
    }
    (models, pooled_report, reports)
}

fn check<R: Regressor>(head: &PerCluster<R>, rows: &SegmentedRows<'_>, y: &[f64]) -> Result<()> {
    let need = rows.x.n_samples();
    let groups = rows.groups.map_or(need, <[GroupId]>::len);
    for (what, have) in [("targets", y.len()), ("labels", rows.labels.len()), ("groups", groups)] {
        if have != need {
            return Err(ModelsError::Length { what, have, need }.into());
        }
    }
    let folds = rows.folds;
    let inner = folds.folds.iter().flat_map(|fold| fold.train.iter().chain(&fold.held_out));
    if let Some(last) =
        folds.holdout.iter().chain(&folds.fit).chain(inner).max().filter(|&&last| last >= need)
    {
        return Err(ModelsError::Length { what: "the split", have: last + 1, need }.into());
    }
    check_labels(rows.labels, rows.n_clusters)?;
    if let Some(row) = y.iter().position(|v| v.is_infinite()) {
        return Err(ModelsError::Value { what: "target", row, problem: "infinite" }.into());
    }
    if head.params.selection == Selection::Shrink && folds.folds.is_empty() {
        return Err(ModelsError::ShrinkWithoutFolds.into());
    }
    Ok(())
}

/// The pooled scope first, then clusters with enough rows; the others are skipped.
fn scopes<R: Regressor>(
    head: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
) -> Result<(Vec<Scope>, Vec<SkippedCluster>)> {
    let all: Vec<usize> = rows.folds.fit.iter().copied().filter(|&row| y[row].is_finite()).collect();
    if all.len() < 2 {
        return Err(
            ModelsError::TooFew { what: "fit rows with a known target", have: all.len(), need: 2 }.into()
        );
    }
    let mut by_cluster = vec![Vec::new(); rows.n_clusters];
    for &row in &all {
        if let Some(cluster) = rows.labels[row].cluster() {
            by_cluster[cluster.0 as usize].push(row);
        }
    }
    let mut scopes = vec![Scope { cluster: None, rows: all }];
    let mut skipped = Vec::new();
    let needed = head.params.min_cluster_rows;
    for (id, members) in (0_u32..).zip(by_cluster) {
        let cluster = ClusterId(id);
        if members.len() >= needed {
            scopes.push(Scope { cluster: Some(cluster), rows: members });
        } else {
            let reason = SkipReason::TooFewRows { needed: needed as u64 };
            skipped.push(SkippedCluster { cluster, rows: members.len() as u64, reason });
        }
    }
    Ok((scopes, skipped))
}

type Scopes<F> = (Vec<Fitted<F>>, Vec<(usize, Error)>);

/// Folds first, then final models and the folds that stopped at another round than the common one.
fn fit_scopes<R: Regressor>(
    bench: &Bench<'_, R>,
    rows: &SegmentedRows<'_>,
    scopes: &[Scope],
) -> Result<Scopes<R::Fitted>> {
    let mut failed: BTreeMap<usize, Error> = BTreeMap::new();
    let tasks = fold_tasks(rows, scopes);
    let results = bench.run(&tasks)?;
    let mut folded: Vec<Folded> = scopes.iter().map(|_| Folded::default()).collect();
    let stops = bench.regressor.capabilities().early_stopping;
    let mut fold_done = Vec::new();
    for (task, result) in tasks.into_iter().zip(results) {
        match result {
            Ok(done) => {
                folded[task.scope].hear(&done, stops);
                fold_done.push((task, done));
            }
            Err(error) => {
                failed.entry(task.scope).or_insert(error);
            }
        }
    }
    let mut tasks = Vec::new();
    for (scope, told) in folded.iter_mut().enumerate() {
        told.out_of_fold = vec![f64::NAN; bench.y.len()];
        told.rounds = upper_median(&told.fold_rounds).filter(|&rounds| rounds > 0);
        if !failed.contains_key(&scope) {
            let Scope { cluster, rows } = &scopes[scope];
            tasks.push(Task {
                scope,
                cluster: *cluster,
                train: rows.clone(),
                held_out: Vec::new(),
                rounds: told.rounds,
            });
        }
    }
    for (mut task, done) in fold_done {
        let told = &mut folded[task.scope];
        if told.rounds.is_some_and(|rounds| rounds != done.outcome.best_round) {
            task.rounds = told.rounds;
            tasks.push(task);
        } else {
            keep(&mut told.out_of_fold, &task.held_out, &done.predicted);
        }
    }
    let mut finals = Vec::new();
    let results = bench.run(&tasks)?;
    for (task, result) in tasks.into_iter().zip(results) {
        match result {
            Ok(done) if task.held_out.is_empty() => finals.push((task.scope, done)),
            Ok(done) => keep(&mut folded[task.scope].out_of_fold, &task.held_out, &done.predicted),
            Err(error) => {
                failed.entry(task.scope).or_insert(error);
            }
        }
    }
    let fitted = finals
        .into_iter()
        .filter(|(scope, _)| !failed.contains_key(scope))
        .map(|(scope, done)| Fitted { scope, done, folded: std::mem::take(&mut folded[scope]) })
        .collect();
    Ok((fitted, failed.into_iter().collect()))
}

fn keep(out_of_fold: &mut [f64], rows: &[usize], predicted: &[f64]) {
    for (&row, &value) in rows.iter().zip(predicted) {
        out_of_fold[row] = value;
    }
}

fn upper_median(rounds: &[u32]) -> Option<u32> {
    let mut sorted = rounds.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

// A scope with fewer than two training rows or no held-out row in a fold learns nothing from that fold.
fn fold_tasks(rows: &SegmentedRows<'_>, scopes: &[Scope]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (scope, Scope { cluster, rows: members }) in scopes.iter().enumerate() {
        for fold in &rows.folds.folds {
            let inside = |all: &[usize]| -> Vec<usize> {
                all.iter().copied().filter(|row| members.binary_search(row).is_ok()).collect()
            };
            let (train, held_out) = (inside(&fold.train), inside(&fold.held_out));
            if train.len() >= 2 && !held_out.is_empty() {
                tasks.push(Task { scope, cluster: *cluster, train, held_out, rounds: None });
            }
        }
    }
    tasks
}

fn weight_of<R: Regressor>(
    head: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    members: &[usize],
    own: &Fitted<R::Fitted>,
    pooled: &Folded,
) -> Weight {
    let evidence: Vec<Evidence> = members
        .iter()
        .map(|&row| Evidence {
            pooled: pooled.out_of_fold[row],
            own: own.folded.out_of_fold[row],
            truth: y[row],
            group: group_of(rows, row),
        })
        .filter(|e| e.pooled.is_finite() && e.own.is_finite())
        .collect();
    let params = head.regressor.resolved_params(members.len());
    let weight = weigh(&evidence, SelectionLoss::of(&params), head.params.selection_z);
    match head.params.selection {
        Selection::Own => Weight { value: 1.0, reason: WeightReason::Forced, ..weight },
        Selection::Pooled => Weight { value: 0.0, reason: WeightReason::Forced, ..weight },
        Selection::Shrink if own.done.outcome.warnings.contains(&FitWarning::NothingLearned) => {
            Weight { value: 0.0, reason: WeightReason::NothingLearned, ..weight }
        }
        Selection::Shrink => weight,
    }
}

fn group_of(rows: &SegmentedRows<'_>, row: usize) -> GroupId {
    rows.groups.map_or(GroupId(row as u64), |groups| groups[row])
}

fn warnings_of<F>(rows: &SegmentedRows<'_>, scopes: &[Scope], fitted: &[Fitted<F>]) -> Vec<ModelWarning> {
    let mut warnings = Vec::new();
    if rows.folds.rows_as_groups {
        warnings.push(ModelWarning { cluster: None, warning: FitWarning::RowsAsGroups });
    }
    let (mut capped, mut cap) = (0, 0);
    for Fitted { scope, done, folded } in fitted {
        let cluster = scopes[*scope].cluster;
        let told = done.outcome.warnings.iter().cloned();
        warnings.extend(told.map(|warning| ModelWarning { cluster, warning }));
        if folded.capped * 2 > folded.fold_rounds.len() {
            capped += 1;
            cap = cap.max(done.outcome.best_round);
        }
    }
    if capped * 2 > fitted.len() {
        warnings.push(ModelWarning { cluster: None, warning: FitWarning::CapReached { rounds: cap } });
    }
    warnings
}

fn described<R: Regressor>(
    head: &PerCluster<R>,
    scope: &Scope,
    fitted: Fitted<R::Fitted>,
) -> (Stored<R::Fitted>, ModelReport) {
    let outcome = fitted.done.outcome;
    let n_rows = scope.rows.len();
    let params: BTreeMap<String, String> = head.regressor.resolved_params(n_rows).into_iter().collect();
    let importance = outcome.model.feature_importance().map(FeatureImportance::of);
    let report = ModelReport {
        rows: n_rows as u64,
        best_round: outcome.best_round,
        fold_rounds: fitted.folded.fold_rounds,
        curves: fitted.folded.curves,
        params: params.clone(),
        importance: importance.clone(),
    };
    let stored =
        Stored { model: outcome.model, rows: n_rows as u64, rounds: outcome.best_round, params, importance };
    (stored, report)
}

/// Predictions of every row on the target's own scale, beside the truth.
struct Scored<'a> {
    truth: &'a [f64],
    pooled: Vec<f64>,
    own: Vec<f64>,
    served: Vec<f64>,
}

impl<'a> Scored<'a> {
    fn of<F: FittedRegressor>(
        models: &FittedPerCluster<F>,
        rows: &SegmentedRows<'_>,
        y: &'a [f64],
        transform: Transform,
    ) -> Result<Self> {
        let n = rows.x.n_samples();
        let all: Vec<usize> = (0..n).collect();
        let mut faults = Vec::new();
        let mut pooled = score(&models.pooled.model, None, rows.x, &all, &mut faults);
        let mut own = vec![f64::NAN; n];
        for (&cluster, model) in &models.clusters {
            let members: Vec<usize> =
                all.iter().copied().filter(|&row| rows.labels[row] == Label::of(cluster)).collect();
            let predicted = score(&model.stored.model, Some(cluster), rows.x, &members, &mut faults);
            keep(&mut own, &members, &predicted);
        }
        let mut served = vec![f64::NAN; n];
        let mut sources = vec![PredictionSource::Unavailable; n];
        let (labels, noise) = (rows.labels, NoiseValue::Pooled);
        models.predict_into(rows.x, labels, labels, noise, &mut served, &mut sources)?;
        for value in pooled.iter_mut().chain(&mut own).chain(&mut served) {
            *value = transform.invert(*value);
        }
        Ok(Self { truth: y, pooled, own, served })
    }

    fn report(
        &self,
        rows: &SegmentedRows<'_>,
        fit_rows: &[usize],
        pooled: ModelReport,
        own: Vec<OwnReport>,
    ) -> ModelsReport {
        let holdout: Vec<usize> =
            rows.folds.holdout.iter().copied().filter(|&row| self.truth[row].is_finite()).collect();
        let inside = |all: &[usize], cluster: ClusterId| -> Vec<usize> {
            all.iter().copied().filter(|&row| rows.labels[row] == Label::of(cluster)).collect()
        };
        let clusters = own.into_iter().map(|(cluster, weight, model)| ClusterReport {
            cluster,
            weight,
            model,
            fit: self.compare(&inside(fit_rows, cluster)),
            holdout: self.compare(&inside(&holdout, cluster)),
        });
        ModelsReport {
            fit_rows: fit_rows.len() as u64,
            holdout_rows: holdout.len() as u64,
            unknown_targets: self.truth.iter().filter(|v| v.is_nan()).count() as u64,
            pooled,
            clusters: clusters.collect(),
            skipped: Vec::new(),
            fit: self.compare(fit_rows),
            holdout: self.compare(&holdout),
            gain: self.gain(rows, &holdout),
            warnings: Vec::new(),
        }
    }

    fn compare(&self, rows: &[usize]) -> ComparedScores {
        let pick = |column: &[f64]| -> Vec<f64> { rows.iter().map(|&row| column[row]).collect() };
        let truth = pick(self.truth);
        ComparedScores {
            pooled: RegressionScores::of(&truth, &pick(&self.pooled)),
            own: RegressionScores::of(&truth, &pick(&self.own)),
            served: RegressionScores::of(&truth, &pick(&self.served)),
        }
    }

    fn gain(&self, rows: &SegmentedRows<'_>, known: &[usize]) -> Option<Gain> {
        let row = |&row: &usize| {
            let pooled = self.pooled[row];
            let own = if self.own[row].is_finite() { self.own[row] } else { pooled };
            GainRow {
                truth: self.truth[row],
                pooled,
                own,
                served: self.served[row],
                group: group_of(rows, row),
            }
        };
        let usable = known.iter().map(row).filter(|r| r.pooled.is_finite() && r.served.is_finite());
        Gain::of(&usable.collect::<Vec<_>>())
    }
}
