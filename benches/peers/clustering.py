"""One measurement of a Python peer for `cargo xtask bench --peers clustering`, printed as a line of JSON.

Arguments are key=value, the same as for our own program; every number of a case comes from xtask.
A peer is a function that imports it, loads the input and returns two functions: the call to measure,
and what to report of its result, which may take as long as it likes.
"""

import importlib
import importlib.metadata
import json
import math
import platform
import sys
import time

import numpy as np

ARGUMENTS = dict(word.split("=", 1) for word in sys.argv[1:])
# What is listed apart from the measured call: import, setup (the fit before a prediction), cold (with compiling).
APART = {}


def number(key):
    return int(ARGUMENTS[key])


def load(key):
    return np.load(ARGUMENTS[key])


def split():
    x = load("data")
    return x[: number("train")], x[number("train") :]


def timed(name, call):
    start = time.perf_counter()
    result = call()
    APART[name] = time.perf_counter() - start
    return result


def imported(name):
    return timed("import", lambda: importlib.import_module(name))


def agreement(labels):
    """Adjusted Rand index to our labels, noise taken as a group of its own."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(load("ours"), labels))


def clustering(labels, weights):
    return {"check": math.fsum(weights), "ari": agreement(labels)}


# --- Complete fits. min_samples counts other rows in hdbscan, fast_hdbscan, fast-plscan and quitefastmst;
# --- scikit-learn counts the row itself too.


def fit_quitefastmst():
    quitefastmst, x = imported("quitefastmst"), load("data")
    return lambda: quitefastmst.mst_euclid(x, number("min_samples")), lambda tree: {"check": math.fsum(tree[0])}


def hdbscan_clusterer(**settings):
    hdbscan = imported("hdbscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    return hdbscan.HDBSCAN(**sizes, core_dist_n_jobs=number("threads"), **settings)


def fit_hdbscan(**settings):
    clusterer, x = hdbscan_clusterer(**settings), load("data")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it.single_linkage_tree_.to_numpy()[:, 2])


def fit_sklearn(**settings):
    cluster = imported("sklearn.cluster")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples") + 1}
    # copy=False, the faster: the matrix may be overwritten.
    clusterer, x = cluster.HDBSCAN(**sizes, n_jobs=number("threads"), copy=False, **settings), load("data")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it._single_linkage_tree_["value"])


def fit_plscan():
    fast_plscan = imported("fast_plscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    clusterer, x = fast_plscan.PLSCAN(**sizes, num_threads=number("threads")), load("data")
    return lambda: clusterer.fit(x), lambda it: clustering(it.labels_, it.minimum_spanning_tree_[:, 2])


def fit_fast_hdbscan():
    fast_hdbscan = imported("fast_hdbscan")
    sizes = {"min_cluster_size": number("min_cluster_size"), "min_samples": number("min_samples")}
    clusterer, x = fast_hdbscan.HDBSCAN(**sizes), load("data")
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
    x, labels = load("data"), load("truth")
    x, labels = x[labels >= 0], labels[labels >= 0]
    return lambda: metrics.silhouette_score(x, labels), lambda score: {"check": float(score)}


def dbcv_hdbscan():
    validity = imported("hdbscan.validity")
    x, labels = load("data"), load("truth")
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


# --- Measuring, as our own program does it.


def resident_mb(field):
    try:
        with open("/proc/self/status") as status:
            lines = [line for line in status if line.startswith(field)]
        return int(lines[0].split()[1]) * 1024 / 1e6
    except (OSError, IndexError, ValueError):
        return None


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def about():
    """Versions as installed, and the kernels that the linear algebra runs on."""
    from threadpoolctl import threadpool_info

    versions = {name: importlib.metadata.version(name) for name in ARGUMENTS["packages"].split(",")}
    blas = [f"{it['internal_api']} {it['version']} {it.get('architecture', '')}" for it in threadpool_info()]
    print(json.dumps({"python": platform.python_version(), "blas": ", ".join(blas), "versions": versions}))


def measure():
    call, report = TASKS[ARGUMENTS["task"], ARGUMENTS["peer"]]()
    reset_peak()
    loaded = resident_mb("VmRSS:")
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    peak = resident_mb("VmHWM:")
    out = {"seconds": seconds, **APART, **report(result)}
    out["seconds"] /= out.pop("calls", 1)
    if peak and loaded:
        out.update(peak_mb=peak, rise_mb=peak - loaded)
    # JSON knows no NaN and no infinity; what is not there is not compared.
    print(json.dumps({key: value for key, value in out.items() if math.isfinite(value)}))


about() if ARGUMENTS["task"] == "about" else measure()
