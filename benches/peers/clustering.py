"""The Python peers of `cargo xtask bench --peers clustering`."""

import math
import sys

import numpy as np
from measuring import imported, load, number, run, timed


def split():
    x = load("rows")
    return x[: number("train")], x[number("train") :]


def agreement(labels):
    """Adjusted Rand index to our labels, noise taken as a group of its own."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(load("ours"), labels))


def clustering(labels, weights):
    return {"check": math.fsum(weights), "ari": agreement(labels)}


# --- Complete fits. min_samples counts other rows in hdbscan, fast_hdbscan, fast-plscan and quitefastmst;
# --- scikit-learn counts the row itself too.


def fit_quitefastmst():
    quitefastmst, x = imported("quitefastmst"), load("rows")
    return lambda: quitefastmst.mst_euclid(x, number("min_samples")), lambda tree: {"check": math.fsum(tree[0])}


def hdbscan_clusterer(**settings):
    hdbscan = imported("hdbscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    return hdbscan.HDBSCAN(**sizes, core_dist_n_jobs=number("threads"), **settings)


def fit_hdbscan(**settings):
    clusterer, x = hdbscan_clusterer(**settings), load("rows")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it.single_linkage_tree_.to_numpy()[:, 2])


def fit_sklearn(**settings):
    cluster = imported("sklearn.cluster")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples") + 1}
    # copy=False, the faster: the matrix may be overwritten.
    clusterer, x = cluster.HDBSCAN(**sizes, n_jobs=number("threads"), copy=False, **settings), load("rows")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it._single_linkage_tree_["value"])


def fit_plscan():
    fast_plscan = imported("fast_plscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    clusterer, x = fast_plscan.PLSCAN(**sizes, num_threads=number("threads")), load("rows")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it.minimum_spanning_tree_[:, 2])


def fit_fast_hdbscan():
    fast_hdbscan = imported("fast_hdbscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    clusterer, x = fast_hdbscan.HDBSCAN(**sizes), load("rows")
    # The first fit of a process compiles or loads what was compiled; the second is measured.
    timed("cold", lambda: clusterer.fit(x))
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it._single_linkage_tree[:, 2])


# --- Prediction, neighbours, scores, fallback.


def predict_hdbscan():
    training, queries = split()
    clusterer = hdbscan_clusterer(prediction_data=True)
    hdbscan = sys.modules["hdbscan"]
    timed("setup", lambda: clusterer.fit(training))
    batches = [queries[at : at + number("batch")] for at in range(0, len(queries), number("batch"))]
    # Once before it is measured, so that what is only made once does not count.
    hdbscan.approximate_predict(clusterer, queries[:1])

    def report(answers):
        labels = np.concatenate([labels for labels, _ in answers])
        return {"calls": len(batches), "ari": agreement(labels)}

    return lambda: [hdbscan.approximate_predict(clusterer, batch) for batch in batches], report


def knn_sklearn(algorithm):
    neighbors = imported("sklearn.neighbors")
    training, queries = split()
    search = neighbors.NearestNeighbors(n_neighbors=number("k"), algorithm=algorithm, n_jobs=number("threads"))
    timed("setup", lambda: search.fit(training))
    return lambda: search.kneighbors(queries), lambda it: {"check": math.fsum(it[0].ravel())}


def silhouette_sklearn():
    metrics = imported("sklearn.metrics")
    x, labels = load("rows"), load("truth")
    x, labels = x[labels >= 0], labels[labels >= 0]
    return lambda: metrics.silhouette_score(x, labels), lambda score: {"check": float(score)}


def dbcv_hdbscan():
    validity = imported("hdbscan.validity")
    x, labels = load("rows"), load("truth")
    return lambda: validity.validity_index(x, labels), lambda score: {"check": float(score)}


def fallback_sklearn():
    neighbors = imported("sklearn.neighbors")
    training, queries = split()
    labels = load("truth")[: len(training)]
    training, labels = training[labels >= 0], labels[labels >= 0]
    model = neighbors.KNeighborsClassifier(
        n_neighbors=number("k"), weights="distance", algorithm="brute", n_jobs=number("threads")
    )

    def report(answers):
        places = np.arange(1, len(answers) + 1)
        return {"check": float(np.sum(answers.astype(np.int64) * places))}

    return lambda: model.fit(training, labels).predict(queries), report


TASKS = {
    ("fit", "quitefastmst"): fit_quitefastmst,
    ("fit", "hdbscan default"): fit_hdbscan,
    ("fit", "hdbscan exact"): lambda: fit_hdbscan(approx_min_span_tree=False),
    ("fit", "scikit-learn"): fit_sklearn,
    ("fit", "fast-plscan"): fit_plscan,
    ("fit", "fast_hdbscan"): fit_fast_hdbscan,
    ("precomputed", "hdbscan generic"): lambda: fit_hdbscan(metric="precomputed", algorithm="generic"),
    ("precomputed", "scikit-learn"): lambda: fit_sklearn(metric="precomputed"),
    ("predict", "hdbscan"): predict_hdbscan,
    ("knn", "scikit-learn tree"): lambda: knn_sklearn("kd_tree"),
    ("knn", "scikit-learn brute"): lambda: knn_sklearn("brute"),
    ("silhouette", "scikit-learn"): silhouette_sklearn,
    ("dbcv", "hdbscan"): dbcv_hdbscan,
    ("fallback", "scikit-learn brute"): fallback_sklearn,
}


run(TASKS)
