"""From raw stays of PhysioNet 2012 to tracked models in Python: what `tsclust fit` does with the icu preset.

Read and clean the stays, describe the first 42 hours of each by statistics of every variable, cluster the stays by how
their breathing and circulation are watched, see how stable the segments are, label noise by its neighbours, fit the
mean heart rate of hours 42 to 48 and the length of stay, pooled and per cluster, and log all of it to MLflow. Bounds of
the variables come from the same file as ours, the split into folds from our own fit.
"""

import io
import json
import os
import tarfile
import tempfile
import time
import tomllib

import hdbscan
import mlflow
import numpy as np
import pandas as pd
import per_cluster
from hdbscan.validity import validity_index
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

CUT, END = 42.0, 48.0
RANGES = os.path.join(os.path.dirname(__file__), "../../crates/tsc-series/src/ranges.toml")
CLUSTER_COLUMNS = ["pH.log_count", "Lactate.log_count", "FiO2.missing"]
STABILITY_CUTS = 5
SIZES = {"min_data_in_leaf": 20, "min_data_in_bin": 3, "max_bin": 127, "lambda_l2": 0.0, "bagging_freq": 5}
TARGET = {"num_leaves": 31, "learning_rate": 0.05, "feature_fraction": 0.9, "bagging_fraction": 0.8, **SIZES}
RESOURCE = {"num_leaves": 15, "learning_rate": 0.1, "feature_fraction": 0.8, "bagging_fraction": 0.7, **SIZES}
ROUNDS = 100


# --- Stays to features.


def read_stays(folder):
    """One row per value: stay, hours since admission, variable, value."""
    parts = ["Time,Parameter,Value\n"]
    with tarfile.open(os.path.join(folder, "set-a.tar.gz")) as archive:
        for member in archive:
            if member.name.endswith(".txt"):
                text = archive.extractfile(member).read().decode()
                parts.append(text.split("\n", 1)[1])
    # As categories, what is to be done with a text is done once for each that is different.
    frame = pd.read_csv(io.StringIO("".join(parts)), dtype={"Time": "category", "Parameter": "category"})
    frame.columns = ["time", "variable", "value"]
    # The first row of each stay is its number.
    is_key = frame["variable"] == "RecordID"
    frame["stay"] = frame["value"].where(is_key).ffill().astype("int64")
    stays = frame.loc[is_key, "stay"].to_numpy()
    frame = frame[~is_key]
    frame["time"] = frame["time"].map(hours).astype(float)
    return frame, stays


def hours(clock):
    hour, minute = clock.split(":")
    return int(hour) + int(minute) / 60


def clean(frame, ranges):
    """Impossible values become missing, unlikely ones the nearest likely; of repeats the last in the file stays."""
    specs = {spec["name"]: spec for spec in ranges}
    frame = frame[frame["variable"].isin(list(specs))]

    def of_variable(choose):
        return frame["variable"].map(lambda name: choose(specs.get(name, {}))).to_numpy()

    def bound(key, place, otherwise):
        return of_variable(lambda spec: float(spec[key][place]) if key in spec else otherwise).astype(float)

    value = frame["value"].to_numpy()
    sentinel = of_variable(lambda spec: float(spec.get("sentinels", [np.nan])[0])).astype(float)
    inside = (value >= bound("outlier", 0, -np.inf)) & (value <= bound("outlier", 1, np.inf)) & (value != sentinel)
    clipped = np.clip(value, bound("valid", 0, -np.inf), bound("valid", 1, np.inf))
    role = of_variable(lambda spec: spec.get("role", "dynamic"))
    at_start = frame["time"].to_numpy() == 0
    is_static = (role == "static") | ((role == "static_and_dynamic") & at_start)
    frame = frame.assign(value=clipped)
    static = frame[inside & is_static].drop_duplicates(["stay", "variable"])
    series = frame[inside & ~is_static].drop_duplicates(["stay", "variable", "time"], keep="last")
    series = series.sort_values(["stay", "variable", "time"], kind="stable")
    return series, static.pivot(index="stay", columns="variable", values="value")


def features(series, static, stays, ranges):
    """A row per stay from the values before the cut, and the names of the columns."""
    before = series[series["time"] < CUT]
    key = [before["stay"], before["variable"]]
    by = before.groupby(["stay", "variable"], sort=False)
    t = before["time"] - by["time"].transform("mean")
    sums = pd.DataFrame({"ty": t * before["value"], "tt": t * t}).groupby(key, sort=False).sum()
    table = by["value"].agg(["mean", "std", "min", "max", "first", "last", "count"])
    table["slope"] = sums["ty"] / sums["tt"]
    table["hours_since_last"] = CUT - by["time"].last()
    wide = table.unstack("variable").reindex(stays)
    wide.columns = [f"{variable}.{statistic}" for statistic, variable in wide.columns]

    dynamic = [spec["name"] for spec in ranges if spec.get("role", "dynamic") in ("dynamic", "static_and_dynamic")]
    zero = [spec["name"] for spec in ranges if spec.get("absent") == "zero"]
    extra = {}
    for name in (name for name in dynamic if f"{name}.count" in wide):
        count = wide[f"{name}.count"].fillna(0)
        wide[f"{name}.count"] = count
        extra[f"{name}.log_count"] = np.log1p(count)
        lacking = (count == 0).mean()
        if name in zero:
            for statistic in ["mean", "std", "min", "max", "first", "last", "slope"]:
                wide[f"{name}.{statistic}"] = wide[f"{name}.{statistic}"].where(count > 0, 0.0)
        elif 0.01 <= lacking <= 0.99:
            extra[f"{name}.missing"] = (count == 0).astype(float)
    static = static.reindex(stays)
    for name in static:
        lacking = static[name].isna().mean()
        if 0.01 <= lacking <= 0.99:
            extra[f"{name}.static_missing"] = static[name].isna().astype(float)
    wide = pd.concat([wide, static, pd.DataFrame(extra, index=wide.index)], axis=1)
    wide = wide.fillna(wide.median())
    return wide.loc[:, wide.nunique() > 1]


def targets(series, folder, stays):
    ahead = series[(series["variable"] == "HR") & (series["time"] >= CUT) & (series["time"] < END)]
    heart_rate = ahead.groupby("stay")["value"].mean().reindex(stays).to_numpy()
    outcomes = pd.read_csv(os.path.join(folder, "Outcomes-a.txt")).set_index("RecordID")
    stay = outcomes["Length_of_stay"].replace(-1, np.nan).reindex(stays).to_numpy(dtype=float)
    return heart_rate, stay


# --- Segments.


def clusterer(n):
    size = max(5, round(n ** (2 / 3)))
    return hdbscan.HDBSCAN(min_cluster_size=size, min_samples=max(2, round(size / 5)), prediction_data=True)


def view(fit, others):
    scaler = StandardScaler().fit(fit)
    return [np.clip(scaler.transform(rows), -5, 5) for rows in (fit, *others)]


def predicted(model, rows):
    if model.labels_.max() < 0:
        return np.full(len(rows), -1)
    return hdbscan.approximate_predict(model, rows)[0]


def segment(x, is_fit):
    fit, held_out = view(x[is_fit], [x[~is_fit]])
    model = clusterer(len(fit)).fit(fit)
    labels = np.empty(len(x), dtype=int)
    labels[is_fit], labels[~is_fit] = model.labels_, predicted(model, held_out)
    core = model.labels_ >= 0
    scores = {}
    if model.labels_.max() >= 1:
        inside, known = fit[core], model.labels_[core]
        scores = {
            "silhouette_score": metrics.silhouette_score(inside, known),
            "calinski_harabasz_score": metrics.calinski_harabasz_score(inside, known),
            "davies_bouldin_score": metrics.davies_bouldin_score(inside, known),
            "dbcv": validity_index(fit, model.labels_),
        }
    return model, fit, held_out, labels, scores


def stability(x, seed):
    """How far segments of two thirds of the stays agree on the remaining one."""
    indices = []
    for cut in range(STABILITY_CUTS):
        thirds = np.array_split(np.random.default_rng(seed + cut).permutation(len(x)), 3)
        models, scaled = [], []
        for third in thirds:
            rows = view(x[third], [x])
            models.append(clusterer(len(third)).fit(rows[0]))
            scaled.append(rows[1])
        for judged in range(3):
            a, b = (it for it in range(3) if it != judged)
            labels = [predicted(models[it], scaled[it][thirds[judged]]) for it in (a, b)]
            indices.append(metrics.adjusted_rand_score(*labels))
    return float(np.median(indices))


def fill_noise(model, fit, held_out, labels, is_fit):
    """Noise takes the label of its neighbours, unless it lies farther out than they do."""
    core = model.labels_ >= 0
    if not core.any():
        return labels.copy(), 0
    knn = KNeighborsClassifier(n_neighbors=5, weights="distance").fit(fit[core], model.labels_[core])
    caps = np.empty(model.labels_.max() + 1)
    for label in range(len(caps)):
        own = fit[model.labels_ == label]
        distances, _ = NearestNeighbors(n_neighbors=6).fit(own).kneighbors(own)
        caps[label] = np.quantile(distances[:, -1], 0.99)
    rows = np.empty((len(labels), fit.shape[1]))
    rows[is_fit], rows[~is_fit] = fit, held_out
    filled = labels.copy()
    noise = np.flatnonzero(labels < 0)
    if len(noise):
        answers = knn.predict(rows[noise])
        near = knn.kneighbors(rows[noise])[0][:, -1] <= caps[answers]
        filled[noise[near]] = answers[near]
    return filled, int((filled < 0).sum())


# --- Tracking.


def open_store(database, artifacts):
    """A new store with its tables, which a user makes once."""
    mlflow.set_tracking_uri(f"sqlite:///{database}")
    name = "TimeSeries-Clustering-Training"
    experiment = mlflow.get_experiment_by_name(name)
    return experiment.experiment_id if experiment else mlflow.create_experiment(name, f"file://{artifacts}")


def scores(y, values, prefix):
    known = np.isfinite(y)
    error = (values - y)[known]
    return {
        f"{prefix}/rmse": float(np.sqrt(np.mean(error**2))),
        f"{prefix}/mae": float(np.mean(np.abs(error))),
        f"{prefix}/r2": float(metrics.r2_score(y[known], values[known])),
    }


def child(store, name, params=None, figures=None, texts=None):
    with mlflow.start_run(experiment_id=store, run_name=name, nested=True):
        mlflow.log_params(params or {})
        mlflow.log_metrics(figures or {})
        with tempfile.TemporaryDirectory() as folder:
            for path, text in (texts or {}).items():
                with open(os.path.join(folder, path), "w") as out:
                    out.write(text)
            mlflow.log_artifacts(folder)


def log(store, wide, labels, quality, steady, left, heads, params, held_out):
    client = mlflow.MlflowClient()
    with mlflow.start_run(experiment_id=store, run_name="Training") as run:
        mlflow.log_params({"n_rows": len(wide), "n_features": wide.shape[1]})
        mlflow.log_metrics({"n_clusters": labels.max() + 1, "noise_ratio": float(np.mean(labels < 0))})
        figures = {"rows_in": len(wide), "feature_count": wide.shape[1]}
        child(store, "Preprocessing", {"scaling": "standard", "clip": 5}, figures, {"schema.json": json.dumps(list(wide))})
        sizes = {f"cluster_{c}/size": int((labels == c).sum()) for c in range(labels.max() + 1)}
        centroids = wide.groupby(labels).mean().to_csv()
        child(store, "HDBSCAN", {}, {**quality, **sizes, "stability/adjusted_rand": steady}, {"centroids.csv": centroids})
        child(store, "kNN-Fallback", {"n_neighbors": 5}, {"abstained": left})
        for name, (y, models, weights, pooled, served, control) in heads.items():
            figures = {
                **scores(y[held_out], served[held_out], "holdout"),
                **scores(y[held_out], pooled[held_out], "pooled/holdout"),
                **{f"cluster_{c}/weight": w for c, w in weights.items()},
            }
            if control is not None:
                figures.update(scores(y[held_out], control[held_out], "permuted/holdout"))
            texts = {
                f"{model}.{number}.txt": booster.model_to_string()
                for model, boosters in models.items()
                for number, booster in enumerate(boosters)
            }
            child(store, name, params[name], figures, texts)
            mlflow.log_metrics({f"{name}/rmse": figures["holdout/rmse"]})
        y, _, _, _, served, _ = heads["TimeSeries-LGB"]
        child(store, "Performance-Report", figures=scores(y[held_out], served[held_out], "holdout"))
        if not client.search_registered_models("name='TimeSeries-Clustering-Pipeline'"):
            client.create_registered_model("TimeSeries-Clustering-Pipeline")
        client.create_model_version("TimeSeries-Clustering-Pipeline", run.info.artifact_uri, run.info.run_id)


def road(folder, folds_file, store, threads, seed, marks):
    """All of it; gives the held-out error of the heart rate. `marks` takes the seconds of the parts."""
    start = time.perf_counter()
    with open(RANGES, "rb") as source:
        ranges = tomllib.load(source)["variables"]
    frame, stays = read_stays(folder)
    series, static = clean(frame, ranges)
    wide = features(series, static, stays, ranges)
    heart_rate, stay = targets(series, folder, stays)
    marks["read"] = time.perf_counter() - start

    folds = pd.read_csv(folds_file).set_index("stay")["fold"].reindex(stays).to_numpy()
    is_fit = folds >= 0
    x = wide[CLUSTER_COLUMNS].to_numpy()
    model, fit, held_out, labels, quality = segment(x, is_fit)
    steady = stability(x, seed)
    _, left = fill_noise(model, fit, held_out, labels, is_fit)
    marks["before"] = time.perf_counter() - start

    base = {"objective": "regression", "seed": seed, "num_threads": 1, "force_col_wise": True, "verbosity": -1}
    params = {"TimeSeries-LGB": {**base, **TARGET}, "Resource-LGB": {**base, **RESOURCE}}
    rows = wide.drop(columns=[name for name in wide if name.endswith(".log_count")]).to_numpy()
    heads = {}
    for name, y in (("TimeSeries-LGB", heart_rate), ("Resource-LGB", stay)):
        heads[name] = (y, *per_cluster.fit(params[name], ROUNDS, rows, y, labels, folds, threads))
    marks["models"] = time.perf_counter() - start - marks["before"]

    log(store, wide, labels, quality, steady, left, heads, params, ~is_fit)
    return scores(heart_rate[~is_fit], heads["TimeSeries-LGB"][4][~is_fit], "holdout")["holdout/rmse"]
