//! From rows to models: folds, common rounds, final models, weights, scores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rayon::prelude::*;
use tsc_core::{
    ClusterId, Curve, Error, FitOutcome, FitWarning, FittedRegressor, Folds, GroupId, Intervals, Label, Loss,
    PredictionSource, Reference, RegressionScores, Regressor, Result, Watch,
};

use super::bounds::Bounds;
use super::fitted::{FittedPerCluster, NoiseValue, Own, Stored, blend, check_labels, score};
use super::mean::FoldMean;
use super::report::{
    ClusterReport, ComparedScores, Gain, GainRow, ModelReport, ModelWarning, ModelsReport, SkipReason,
    SkippedCluster,
};
use super::tasks::{Bench, Task};
use super::weight::{Evidence, SelectionLoss, Weight, WeightReason, weigh};
use super::{PerCluster, SegmentedRows, Selection};
use crate::error::ModelsError;
use crate::interval::{Correction, Coverage, Covered, IntervalMethod, IntervalParams};
use crate::transform::Transform;
use crate::value::{GLOBAL, Measure, PERMUTED, Paired, Rival, SegmentValue, ValueReport, permuted_labels};

/// The pooled model or one cluster, with its fit rows.
struct Scope {
    cluster: Option<ClusterId>,
    rows: Vec<usize>,
}

impl Scope {
    /// The fit of one model on all rows of the scope.
    fn task(&self, scope: usize, rounds: Option<u32>) -> Task {
        let (cluster, train) = (self.cluster, self.rows.clone());
        Task { scope, cluster, train, held_out: Vec::new(), rounds, loss: Loss::Configured }
    }
}

/// What the folds of a scope told.
#[derive(Default)]
pub(super) struct Folded {
    fold_rounds: Vec<u32>,
    curves: Vec<Vec<Curve>>,
    /// Folds that ended at their last allowed round.
    capped: usize,
    /// Upper median of the folds' best rounds, where the regressor stops early.
    rounds: Option<u32>,
    /// Prediction of each row by the fold that left it out, NaN where there is none.
    pub(super) out_of_fold: Vec<f64>,
}

/// A scope that was fitted.
struct Fitted<F> {
    scope: usize,
    model: FoldMean<F>,
    warnings: Vec<FitWarning>,
    /// Rows the first member was trained on; the others differ by a group.
    member_rows: usize,
    /// Rounds of each member; 0 for models without rounds.
    rounds: u32,
    folded: Folded,
}

impl<F: FittedRegressor> Fitted<F> {
    fn of(scope: usize, members: Vec<Member<'_, F>>, folded: Folded) -> Result<Self> {
        let (member_rows, best) =
            members.first().map_or((0, 0), |(task, o)| (task.train.len(), o.best_round));
        let rounds = folded.rounds.unwrap_or(best);
        let (models, warnings) =
            members.into_iter().map(|(_, outcome)| (outcome.model, outcome.warnings)).unzip();
        let model = FoldMean::new(models).ok_or(ModelsError::Widths)?;
        Ok(Self { scope, model, warnings: told_by_most(warnings), member_rows, rounds, folded })
    }
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
    let out_of_fold = fitted[0].folded.out_of_fold.clone();
    let quantiles = fit_quantiles(&bench, rows, &scopes, &fitted, &head.params.intervals.quantiles())?;
    let (models, pooled, own) = assembled(head, rows, &scaled, &scopes, fitted, quantiles);
    let scored = Scored::of(&models, rows, y, transform)?;
    let mut report = scored.report(rows, &scopes[0].rows, pooled, own);
    let permuted = match head.params.permuted_control && report.clusters.iter().any(|c| c.weight.value > 0.0)
    {
        true => Some(permuted(head, &bench, rows, &out_of_fold, &scored.pooled, transform)?),
        false => None,
    };
    report.value = scored.value(&report, rows, permuted.as_deref(), head.measure(scopes[0].rows.len()));
    report.skipped = skipped;
    report.warnings = warnings;
    if let Some(gain) = report.gain.filter(Gain::is_harm) {
        let warning = FitWarning::ClustersDoNotHelp { difference: gain.difference };
        report.warnings.push(ModelWarning { cluster: None, warning });
    }
    Ok((models, report))
}

type OwnReport = (ClusterId, Weight, ModelReport);

/// The models with their weights and bounds, the pooled one first among `fitted`.
fn assembled<R: Regressor>(
    head: &PerCluster<R>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    scopes: &[Scope],
    fitted: Vec<Fitted<R::Fitted>>,
    quantiles: Vec<Quantiles<R::Fitted>>,
) -> (FittedPerCluster<R::Fitted>, ModelReport, Vec<OwnReport>) {
    let out_of_fold = &fitted[0].folded.out_of_fold;
    let weight =
        |own: &Fitted<R::Fitted>| weight_of(head, rows, y, &scopes[own.scope].rows, own, out_of_fold);
    let weights: Vec<Weight> = fitted[1..].iter().map(weight).collect();
    let intervals = &head.params.intervals;
    let bounds = (!intervals.levels.is_empty()).then(|| {
        let serves = |label: Label| {
            let own = fitted
                .iter()
                .position(|f| label.cluster().is_some() && scopes[f.scope].cluster == label.cluster())?;
            Some((own, weights[own - 1].value)).filter(|(_, weight)| *weight > 0.0)
        };
        let corrections = calibrate(intervals, rows, y, &fitted, &quantiles, serves);
        Bounds { method: intervals.method, corrections }
    });
    let mut described = fitted.into_iter().zip(quantiles).map(|(fitted, quantiles)| {
        let scope = &scopes[fitted.scope];
        (scope.cluster, described(head, scope, fitted, quantiles.models))
    });
    let Some((_, (pooled, pooled_report))) = described.next() else {
        unreachable!("a fit without a pooled model failed")
    };
    let (n_features, n_clusters) = (rows.x.n_features(), rows.n_clusters);
    let mut models = FittedPerCluster { n_features, n_clusters, pooled, clusters: BTreeMap::new(), bounds };
    let mut reports = Vec::new();
    for ((cluster, (stored, report)), weight) in described.zip(weights) {
        let Some(cluster) = cluster else { continue };
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
    for Reference { name, values } in rows.references {
        if values.len() != need {
            return Err(ModelsError::Reference { name: (*name).into(), have: values.len(), need }.into());
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

/// A fit, and the task it came from.
type Member<'a, F> = (&'a Task, FitOutcome<F>);
type Scopes<F> = (Vec<Fitted<F>>, Vec<(usize, Error)>);

/// Folds first; then, where their models are not served themselves, one model of all rows of the scope.
fn fit_scopes<R: Regressor>(
    bench: &Bench<'_, R>,
    rows: &SegmentedRows<'_>,
    scopes: &[Scope],
) -> Result<Scopes<R::Fitted>> {
    let mut failed: BTreeMap<usize, Error> = BTreeMap::new();
    let tasks = fold_tasks(rows, scopes);
    let mut folds_of: Vec<Vec<Member<'_, R::Fitted>>> = scopes.iter().map(|_| Vec::new()).collect();
    for (task, result) in tasks.iter().zip(bench.fit(&tasks)?) {
        match result {
            Ok(outcome) => folds_of[task.scope].push((task, outcome)),
            Err(error) => {
                failed.entry(task.scope).or_insert(error);
            }
        }
    }
    let mut fitted = Vec::new();
    let (mut finals, mut told) = (Vec::new(), Vec::new());
    for (scope, mut folds) in folds_of.into_iter().enumerate() {
        if failed.contains_key(&scope) {
            continue;
        }
        let folded = match judge(bench, &mut folds) {
            Ok(folded) => folded,
            Err(error) => {
                failed.insert(scope, error);
                continue;
            }
        };
        if serves_folds(rows.folds) && folds.len() > 1 {
            fitted.push(Fitted::of(scope, folds, folded)?);
        } else {
            finals.push(scopes[scope].task(scope, folded.rounds));
            told.push(folded);
        }
    }
    for ((task, folded), result) in finals.iter().zip(told).zip(bench.fit(&finals)?) {
        match result.and_then(|outcome| Fitted::of(task.scope, vec![(task, outcome)], folded)) {
            Ok(one) => fitted.push(one),
            Err(error) => {
                failed.insert(task.scope, error);
            }
        }
    }
    fitted.sort_by_key(|fitted| fitted.scope);
    Ok((fitted, failed.into_iter().collect()))
}

/// The common number of rounds, at which every fold is cut and asked about the rows it left out.
fn judge<R: Regressor>(bench: &Bench<'_, R>, folds: &mut [Member<'_, R::Fitted>]) -> Result<Folded> {
    let mut told = Folded { out_of_fold: vec![f64::NAN; bench.y.len()], ..Folded::default() };
    if bench.regressor.capabilities().early_stopping {
        for (_, outcome) in &mut *folds {
            told.fold_rounds.push(outcome.best_round);
            told.curves.push(std::mem::take(&mut outcome.history));
            let capped = |w: &FitWarning| matches!(w, FitWarning::CapReached { .. });
            told.capped += usize::from(outcome.warnings.iter().any(capped));
        }
        told.rounds = upper_median(&told.fold_rounds).filter(|&rounds| rounds > 0);
    }
    let predicted: Vec<Result<Vec<f64>>> = folds
        .par_iter_mut()
        .map(|(task, outcome)| {
            if let Some(rounds) = told.rounds {
                outcome.model.cut(rounds);
            }
            bench.predict(&outcome.model, &task.held_out)
        })
        .collect();
    for ((task, _), predicted) in folds.iter().zip(predicted) {
        keep(&mut told.out_of_fold, &task.held_out, &predicted?);
    }
    Ok(told)
}

/// Models of one scope that minimise other losses, with their out-of-fold predictions.
struct Quantiles<F> {
    models: Vec<FoldMean<F>>,
    out_of_fold: Vec<Vec<f64>>,
}

/// Quantile models of each fitted scope, at the rounds of its point model; a cluster that fails has none.
fn fit_quantiles<R: Regressor>(
    bench: &Bench<'_, R>,
    rows: &SegmentedRows<'_>,
    scopes: &[Scope],
    fitted: &[Fitted<R::Fitted>],
    quantiles: &[f64],
) -> Result<Vec<Quantiles<R::Fitted>>> {
    let folds = fold_tasks(rows, scopes);
    let mut tasks = Vec::new();
    for one in fitted {
        let mut of_scope: Vec<Task> = folds.iter().filter(|task| task.scope == one.scope).cloned().collect();
        if one.model.members().len() == 1 {
            of_scope.push(scopes[one.scope].task(one.scope, None));
        }
        for &level in quantiles {
            let rounds = Some(one.rounds).filter(|&rounds| rounds > 0);
            tasks.extend(of_scope.iter().map(|task| Task {
                rounds,
                loss: Loss::Quantile(level),
                ..task.clone()
            }));
        }
    }
    let mut outcomes = tasks.iter().zip(bench.fit(&tasks)?).peekable();
    let mut all = Vec::new();
    for one in fitted {
        let mut found = Quantiles { models: Vec::new(), out_of_fold: Vec::new() };
        let mut failed = None;
        for &level in quantiles {
            let mut models = Vec::new();
            let mut out_of_fold = vec![f64::NAN; bench.y.len()];
            let same = |task: &Task| task.scope == one.scope && task.loss == Loss::Quantile(level);
            while let Some((task, outcome)) = outcomes.next_if(|(task, _)| same(task)) {
                match outcome.and_then(|outcome| {
                    if !task.held_out.is_empty() {
                        let predicted = bench.predict(&outcome.model, &task.held_out)?;
                        keep(&mut out_of_fold, &task.held_out, &predicted);
                    }
                    Ok(outcome.model)
                }) {
                    Ok(model) => models.push(model),
                    Err(error) => failed = Some(error),
                }
            }
            // Where one model of all rows serves, it is the last.
            let served = models.split_off(models.len().saturating_sub(one.model.members().len()));
            found.models.extend(FoldMean::new(served));
            found.out_of_fold.push(out_of_fold);
        }
        match failed {
            Some(error) if scopes[one.scope].cluster.is_none() => return Err(error),
            Some(_) => found.models.clear(),
            None => (),
        }
        all.push(found);
    }
    Ok(all)
}

/// Corrections of the bounds from out-of-fold rows, each served as it will be; the pooled scope comes first.
fn calibrate<F>(
    params: &IntervalParams,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    fitted: &[Fitted<F>],
    quantiles: &[Quantiles<F>],
    weight: impl Fn(Label) -> Option<(usize, f64)>,
) -> Vec<Correction> {
    let served = |row: usize, column: &dyn Fn(usize) -> f64| match weight(rows.labels[row]) {
        Some((own, weight)) if column(own).is_finite() => blend(weight, column(0), column(own)),
        _ => column(0),
    };
    let score = |row: usize, number: usize| match params.method {
        IntervalMethod::Residual => (y[row] - served(row, &|i| fitted[i].folded.out_of_fold[row])).abs(),
        IntervalMethod::Cqr => {
            let side = |side: usize| {
                let column = |i: usize| match quantiles[i].models.is_empty() {
                    true => f64::NAN,
                    false => quantiles[i].out_of_fold[2 * number + side][row],
                };
                served(row, &column)
            };
            let (a, b) = (side(0), side(1));
            (a.min(b) - y[row]).max(y[row] - a.max(b))
        }
    };
    let levels = params.levels.iter().enumerate();
    levels
        .map(|(number, &level)| {
            let scores: Vec<(Label, f64)> = rows
                .folds
                .fit
                .iter()
                .map(|&row| (rows.labels[row], score(row, number)))
                .filter(|(_, score)| score.is_finite())
                .collect();
            Correction::of(level, &scores, params.min_calibration_rows)
        })
        .collect()
}

/// Folds by group each saw most of the rows, so their mean serves; folds of an expanding window did not.
fn serves_folds(folds: &Folds) -> bool {
    !folds.expanding
}

/// Warnings that more than half of the members gave, each once.
fn told_by_most(all: Vec<Vec<FitWarning>>) -> Vec<FitWarning> {
    let n = all.len();
    let mut kept: Vec<FitWarning> = Vec::new();
    // That the rounds ended at their cap is told once for the head.
    let is_cap = |warning: &&FitWarning| matches!(warning, FitWarning::CapReached { .. });
    for warning in all.iter().flatten().filter(|warning| !is_cap(warning)) {
        let same = |other: &FitWarning| std::mem::discriminant(other) == std::mem::discriminant(warning);
        let count = all.iter().filter(|warnings| warnings.iter().any(same)).count();
        if 2 * count > n && !kept.iter().any(same) {
            kept.push(warning.clone());
        }
    }
    kept
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
                let (cluster, rounds, loss) = (*cluster, None, Loss::Configured);
                tasks.push(Task { scope, cluster, train, held_out, rounds, loss });
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
    pooled: &[f64],
) -> Weight {
    let evidence: Vec<Evidence> = members
        .iter()
        .map(|&row| Evidence {
            pooled: pooled[row],
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
        Selection::Shrink if own.warnings.contains(&FitWarning::NothingLearned) => {
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
    for Fitted { scope, warnings: told, rounds, folded, .. } in fitted {
        let cluster = scopes[*scope].cluster;
        warnings.extend(told.iter().map(|warning| ModelWarning { cluster, warning: warning.clone() }));
        if folded.capped * 2 > folded.fold_rounds.len() {
            capped += 1;
            cap = cap.max(*rounds);
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
    quantiles: Vec<FoldMean<R::Fitted>>,
) -> (Stored<R::Fitted>, ModelReport) {
    let Fitted { model, rounds, member_rows, folded, .. } = fitted;
    let rows = scope.rows.len() as u64;
    let params: BTreeMap<String, String> = head.regressor.resolved_params(member_rows).into_iter().collect();
    let importance = model.feature_importance();
    let report = ModelReport {
        rows,
        members: model.members().len() as u64,
        best_round: rounds,
        fold_rounds: folded.fold_rounds,
        curves: folded.curves,
        params: params.clone(),
        importance: importance.clone(),
    };
    (Stored { model, quantiles, rows, rounds, params, importance }, report)
}

/// The same models once more on all rows of `rows.folds.fit`, at the rounds and weights that were found.
pub(super) fn refit<R: Regressor>(
    head: &PerCluster<R>,
    fitted: &FittedPerCluster<R::Fitted>,
    rows: &SegmentedRows<'_>,
    y: &[f64],
    transform: Transform,
    watch: &Watch<'_>,
) -> Result<FittedPerCluster<R::Fitted>> {
    check(head, rows, y)?;
    let scaled: Vec<f64> = y.iter().map(|&value| transform.apply(value)).collect();
    let bench = Bench { regressor: &head.regressor, x: rows.x, y: &scaled, watch, stopped: OnceLock::new() };
    let (scopes, _) = scopes(head, rows, y)?;
    let folds = fold_tasks(rows, &scopes);
    let quantiles = if fitted.bounds.is_some() { head.params.intervals.quantiles() } else { Vec::new() };
    let losses = std::iter::once(Loss::Configured).chain(quantiles.into_iter().map(Loss::Quantile));
    let losses: Vec<Loss> = losses.collect();
    let mut tasks = Vec::new();
    // Scopes with a model, that model, and how many members it gets.
    let mut wanted = Vec::new();
    for (number, scope) in scopes.iter().enumerate() {
        let Some(stored) = fitted.stored(scope.cluster) else { continue };
        let rounds = Some(stored.rounds).filter(|&rounds| rounds > 0);
        let mut parts: Vec<Task> = folds.iter().filter(|task| task.scope == number).cloned().collect();
        if !serves_folds(rows.folds) || parts.len() < 2 {
            parts = vec![scope.task(number, rounds)];
        }
        for &loss in &losses {
            let task = |part: &Task| Task { rounds, loss, held_out: Vec::new(), ..part.clone() };
            tasks.extend(parts.iter().map(task));
        }
        wanted.push((scope, stored, parts.len()));
    }
    let mut results = bench.fit(&tasks)?.into_iter();
    let mut pooled = None;
    let mut clusters = BTreeMap::new();
    for (scope, stored, members) in wanted {
        let models = results.by_ref().take(members * losses.len()).map(|outcome| Ok(outcome?.model));
        let mut models = models.collect::<Result<Vec<_>>>()?.into_iter();
        let mut next = || FoldMean::new(models.by_ref().take(members).collect()).ok_or(ModelsError::Widths);
        let model = next()?;
        let stored = Stored {
            importance: model.feature_importance(),
            model,
            quantiles: losses[1..].iter().map(|_| next()).collect::<std::result::Result<_, _>>()?,
            rows: scope.rows.len() as u64,
            rounds: stored.rounds,
            params: stored.params.clone(),
        };
        match scope.cluster {
            None => pooled = Some(stored),
            Some(cluster) => drop(clusters.insert(cluster, Own { stored, weight: fitted.weight(cluster) })),
        }
    }
    let Some(pooled) = pooled else { unreachable!("the scope of all rows is always there") };
    let FittedPerCluster { n_features, n_clusters, ref bounds, .. } = *fitted;
    Ok(FittedPerCluster { n_features, n_clusters, pooled, clusters, bounds: bounds.clone() })
}

/// What would be served on held-out rows if the segments were shuffled among groups; NaN elsewhere.
///
/// The same sizes, folds and rules: what such segments gain is what models of parts gain anyhow.
fn permuted<R: Regressor>(
    head: &PerCluster<R>,
    bench: &Bench<'_, R>,
    rows: &SegmentedRows<'_>,
    out_of_fold: &[f64],
    pooled: &[f64],
    transform: Transform,
) -> Result<Vec<f64>> {
    let labels = permuted_labels(rows.labels, rows.groups, &[&rows.folds.fit, &rows.folds.holdout]);
    let rows = SegmentedRows { labels: &labels, ..*rows };
    let (mut scopes, _) = scopes(head, &rows, bench.y)?;
    scopes.remove(0);
    let (fitted, _) = fit_scopes(bench, &rows, &scopes)?;
    let mut served = vec![f64::NAN; labels.len()];
    for &row in &rows.folds.holdout {
        served[row] = pooled[row];
    }
    for own in fitted {
        let scope = &scopes[own.scope];
        let weight = weight_of(head, &rows, bench.y, &scope.rows, &own, out_of_fold).value;
        let mine = |row: &usize| labels[*row].cluster() == scope.cluster;
        let members: Vec<usize> = rows.folds.holdout.iter().copied().filter(mine).collect();
        if weight > 0.0 {
            // A model that fails leaves its rows without a value: a control must not end the fit.
            let predicted = score(&own.model, scope.cluster, rows.x, &members, &mut Vec::new());
            for (&row, value) in members.iter().zip(predicted) {
                served[row] = transform.invert(blend(weight, transform.apply(pooled[row]), value));
            }
        }
    }
    Ok(served)
}

/// Predictions of every row on the target's own scale, beside the truth.
struct Scored<'a> {
    truth: &'a [f64],
    pooled: Vec<f64>,
    own: Vec<f64>,
    served: Vec<f64>,
    intervals: Option<Intervals>,
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
        let mut intervals = models.intervals(rows.x, labels, labels, noise, &served)?;
        if let Some(Intervals { lower, upper, .. }) = &mut intervals {
            lower.iter_mut().chain(upper).flatten().for_each(|bound| *bound = transform.invert(*bound));
        }
        for value in pooled.iter_mut().chain(&mut own).chain(&mut served) {
            *value = transform.invert(*value);
        }
        Ok(Self { truth: y, pooled, own, served, intervals })
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
            value: None,
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

    /// Served beside plainer predictions on held-out rows.
    fn value(
        &self,
        report: &ModelsReport,
        rows: &SegmentedRows<'_>,
        permuted: Option<&[f64]>,
        measure: Measure,
    ) -> Option<ValueReport> {
        let holdout = &rows.folds.holdout;
        let groups: Vec<GroupId> = holdout.iter().map(|&row| group_of(rows, row)).collect();
        let held = |column: &[f64]| holdout.iter().map(|&row| column[row]).collect::<Vec<f64>>();
        let (truth, served, pooled) = (held(self.truth), held(&self.served), held(&self.pooled));
        let against = |name: &str, other: &[f64]| {
            let paired = Paired::of(measure, &truth, &served, other, &groups)?;
            Some(Rival { name: name.into(), paired })
        };
        let fit: Vec<f64> =
            rows.folds.fit.iter().map(|&row| self.truth[row]).filter(|v| v.is_finite()).collect();
        let mean = fit.iter().sum::<f64>() / fit.len() as f64;
        let mut rivals: Vec<Option<Rival>> = vec![against(GLOBAL, &pooled)];
        rivals.push(permuted.and_then(|column| against(PERMUTED, &held(column))));
        rivals.extend(rows.references.iter().map(|r| against(r.name, &held(r.values))));
        rivals.push(against("mean of the training rows", &vec![mean; truth.len()]));

        let within = |label: Label, cluster, weight| {
            let mine: Vec<usize> = (0..holdout.len()).filter(|&i| rows.labels[holdout[i]] == label).collect();
            let pick = |column: &[f64]| mine.iter().map(|&i| column[i]).collect::<Vec<f64>>();
            let groups: Vec<GroupId> = mine.iter().map(|&i| groups[i]).collect();
            let paired = Paired::of(measure, &pick(&truth), &pick(&served), &pick(&pooled), &groups)?;
            Some(SegmentValue { cluster, weight, paired })
        };
        let weight =
            |c: ClusterId| report.clusters.iter().find(|r| r.cluster == c).map_or(0.0, |r| r.weight.value);
        let ids = (0_u32..).take(rows.n_clusters).map(ClusterId);
        let segments = ids
            .map(|c| within(Label::of(c), Some(c), weight(c)))
            .chain([within(Label::NOISE, None, 0.0)])
            .flatten()
            .collect();
        let is_used = report.clusters.iter().any(|cluster| cluster.weight.value > 0.0);
        let rivals = rivals.into_iter().flatten().collect();
        ValueReport::of(measure, rivals, segments, self.coverage(rows), is_used)
    }

    /// How often held-out truth falls inside its interval: per level all rows first, then each segment.
    fn coverage(&self, rows: &SegmentedRows<'_>) -> Vec<Coverage> {
        let Some(Intervals { levels, lower, upper }) = &self.intervals else { return Vec::new() };
        let segments: BTreeSet<Label> = rows.folds.holdout.iter().map(|&row| rows.labels[row]).collect();
        let mut found = Vec::new();
        for ((&level, lower), upper) in levels.iter().zip(lower).zip(upper) {
            let of_segments = segments.iter().map(|&label| Covered::of(label));
            for segment in std::iter::once(Covered::All).chain(of_segments) {
                let mine = |row: &&usize| segment.holds(rows.labels[**row]);
                let held = rows.folds.holdout.iter().filter(mine);
                let cells = held.map(|&row| (self.truth[row], lower[row], upper[row], group_of(rows, row)));
                found.extend(Coverage::of(level, segment, cells));
            }
        }
        found
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
