"""Models per cluster with a pooled one behind them, as the whole fit of a head does it, with lightgbm and joblib.

Each scope (all rows, or one cluster) trains in every fold with early stopping on the fold's held-out rows. The upper
median of the folds' best rounds is what its final model and its out-of-fold predictions use. A cluster is served by
`(1 - w) * pooled + w * own`, with w the slope of (y - pooled) on (own - pooled) less its standard error.
"""

import lightgbm as lgb
import numpy as np
from joblib import Parallel, delayed

PATIENCE = 50


def train(params, rounds, x, y, held_out=None):
    """One booster; with held-out rows it stops early."""
    data = lgb.Dataset(x, y, params=params, free_raw_data=True)
    if held_out is None:
        return lgb.train(params, data, rounds)
    tuning = data.create_valid(*held_out)
    return lgb.train(params, data, rounds, [tuning], callbacks=[lgb.early_stopping(PATIENCE, verbose=False)])


def fit_scope(params, rounds, x, y, folds):
    """Folds, common rounds, final model and out-of-fold predictions of the rows of one scope; folds holds no -1."""
    boosters = {}
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        if inside.sum() >= 2 and outside.any():
            boosters[fold] = train(params, rounds, x[inside], y[inside], (x[outside], y[outside]))
    best = sorted(booster.best_iteration for booster in boosters.values())
    common = best[len(best) // 2]
    out_of_fold = np.full(len(y), np.nan)
    for fold, booster in boosters.items():
        outside = folds == fold
        out_of_fold[outside] = booster.predict(x[outside], num_iteration=common)
    return train(params, common, x, y), out_of_fold


def weight(y, pooled, own, z=1.0):
    """How much a cluster's own model is trusted, by out-of-fold evidence."""
    known = np.isfinite(pooled) & np.isfinite(own)
    difference, error = (own - pooled)[known], (y - pooled)[known]
    squares = difference @ difference
    if known.sum() < 2 or squares == 0:
        return 0.0
    slope = difference @ error / squares
    n = len(error)
    standard_error = np.sqrt(n / (n - 1) * np.sum((difference * (error - slope * difference)) ** 2)) / squares
    return float(np.clip(slope - z * standard_error, 0, 1))


def fit(params, rounds, x, y, labels, folds, jobs, min_rows=10):
    """The models of one target; rows of fold -1 are held out, label -1 is noise, an unknown target is NaN.

    Gives the models, the weight of each cluster and the predictions of every row: pooled and served.
    """
    known = np.isfinite(y) & (folds >= 0)
    clusters = [c for c in range(labels.max() + 1) if (known & (labels == c)).sum() >= min_rows]
    scopes = [np.flatnonzero(known)] + [np.flatnonzero(known & (labels == c)) for c in clusters]
    tasks = (delayed(fit_scope)(params, rounds, x[rows], y[rows], folds[rows]) for rows in scopes)
    fitted = Parallel(n_jobs=jobs)(tasks)

    (pooled_model, pooled_out), own = fitted[0], fitted[1:]
    of_row = np.full(len(y), np.nan)
    of_row[scopes[0]] = pooled_out
    pooled = pooled_model.predict(x)
    served = pooled.copy()
    weights = {}
    for cluster, rows, (model, out) in zip(clusters, scopes[1:], own):
        weights[cluster] = weight(y[rows], of_row[rows], out)
        members = labels == cluster
        w = weights[cluster]
        served[members] = (1 - w) * pooled[members] + w * model.predict(x[members])
    models = {"pooled": pooled_model, **{f"cluster-{c:04}": model for c, (model, _) in zip(clusters, own)}}
    return models, weights, pooled, served
