"""Models per cluster with a pooled one behind them, as the whole fit of a head does it, with lightgbm and joblib.

Each scope (all rows, or one cluster) trains in every fold with early stopping on the fold's held-out rows. Its boosters
are asked at the upper median of their best rounds, and their mean is its model. A cluster is served by
`(1 - w) * pooled + w * own`, with w the slope of (y - pooled) on (own - pooled) over out-of-fold predictions, less its
standard error. As a control the same is done with labels that are shuffled among the rows.
"""

import lightgbm as lgb
import numpy as np
from joblib import Parallel, delayed

PATIENCE = 50


def train(params, rounds, x, y, held_out):
    """One booster, stopped by its held-out rows."""
    data = lgb.Dataset(x, y, params=params)
    tuning = data.create_valid(*held_out)
    return lgb.train(params, data, rounds, [tuning], callbacks=[lgb.early_stopping(PATIENCE, verbose=False)])


def fit_scopes(params, rounds, x, y, folds, scopes, jobs):
    """For the rows of each scope its boosters, the rounds they are asked at, and out-of-fold predictions."""
    splits = [
        (scope, rows[folds[rows] != fold], rows[folds[rows] == fold])
        for scope, rows in enumerate(scopes)
        for fold in np.unique(folds[rows])
    ]
    tasks = (delayed(train)(params, rounds, x[a], y[a], (x[b], y[b])) for _, a, b in splits)
    boosters = Parallel(n_jobs=jobs)(tasks)
    fitted = []
    for scope in range(len(scopes)):
        own = [(booster, outside) for booster, (of, _, outside) in zip(boosters, splits) if of == scope]
        best = sorted(booster.best_iteration for booster, _ in own)
        common = best[len(best) // 2]
        out_of_fold = np.full(len(y), np.nan)
        for booster, outside in own:
            out_of_fold[outside] = booster.predict(x[outside], num_iteration=common)
        fitted.append(([booster for booster, _ in own], common, out_of_fold))
    return fitted


def mean_of(model, x):
    boosters, rounds, _ = model
    return np.mean([booster.predict(x, num_iteration=rounds) for booster in boosters], axis=0)


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


def serve(y, x, labels, clusters, scopes, models, pooled, pooled_out):
    """The weight of each cluster, and what is served of the rows of x."""
    served, weights = pooled.copy(), {}
    for cluster, rows, model in zip(clusters, scopes, models):
        weights[cluster] = weight(y[rows], pooled_out[rows], model[2][rows])
        members = labels == cluster
        own = mean_of(model, x[members])
        served[members] = (1 - weights[cluster]) * pooled[members] + weights[cluster] * own
    return weights, served


def fit(params, rounds, x, y, labels, folds, jobs, min_rows=10):
    """The models of one target; rows of fold -1 are held out, label -1 is noise, an unknown target is NaN.

    Gives the boosters of pooled model and clusters, the weight of each cluster, and the predictions of every row:
    pooled, served, and served with shuffled labels if any weight is above 0.
    """
    known = np.isfinite(y) & (folds >= 0)

    def of_clusters(labels):
        sizes = [(c, np.flatnonzero(known & (labels == c))) for c in range(labels.max() + 1)]
        return zip(*[(c, rows) for c, rows in sizes if len(rows) >= min_rows]) if labels.max() >= 0 else ((), ())

    clusters, scopes = of_clusters(labels)
    pooled_model, *own = fit_scopes(params, rounds, x, y, folds, [np.flatnonzero(known), *scopes], jobs)
    pooled = mean_of(pooled_model, x)
    weights, served = serve(y, x, labels, clusters, scopes, own, pooled, pooled_model[2])
    control = None
    if any(weights.values()):
        shuffled, rng = labels.copy(), np.random.default_rng(0)
        for side in (folds < 0, folds >= 0):
            shuffled[side] = rng.permutation(labels[side])
        clusters_of_it, scopes_of_it = of_clusters(shuffled)
        models = fit_scopes(params, rounds, x, y, folds, scopes_of_it, jobs)
        _, control = serve(y, x, shuffled, clusters_of_it, scopes_of_it, models, pooled, pooled_model[2])
    names = ["pooled", *(f"cluster-{cluster:04}" for cluster in clusters)]
    models = {name: boosters for name, (boosters, _, _) in zip(names, [pooled_model, *own])}
    return models, weights, pooled, served, control
