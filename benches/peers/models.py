"""The Python peers of `cargo xtask bench --peers models`."""

import hashlib
import time

import numpy as np
from measuring import ARGUMENTS, file, imported, load, number, run, timed

# --- What a result is compared by.


def digest(data):
    """The first 48 bits of the SHA-256, which a float holds exactly."""
    return int.from_bytes(hashlib.sha256(data).digest()[:6], "big")


def of_numbers(values):
    return digest(np.ascontiguousarray(values, dtype="<f8").tobytes())


def of_trees(texts):
    """The trees of some models, without what else their texts say of the training."""
    return digest("".join(text[text.index("\nTree=0") : text.index("\nend of trees")] for text in texts).encode())


# --- Training. Every booster has the parameters of ours; how many threads it may use is the peer's own matter.


def settings(threads):
    return {
        "num_leaves": number("leaves"),
        "learning_rate": 0.1,
        "seed": number("seed"),
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def regressor(threads=None):
    import lightgbm as lgb

    return lgb.LGBMRegressor(
        n_estimators=number("rounds"),
        num_leaves=number("leaves"),
        learning_rate=0.1,
        random_state=number("seed"),
        n_jobs=threads,
        deterministic=True,
        force_col_wise=True,
        verbosity=-1,
    )


def groups(rows="rows", targets="targets"):
    x, y = load(rows), load(targets).ravel()
    n = number("groups")
    return list(zip(np.split(x, n), np.split(y, n)))


def loss(models):
    """Root mean squared error on the rows that no model has seen."""
    errors = [model.predict(x) - y for model, (x, y) in zip(models, groups("held_out", "held_out_targets"))]
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def equal_trees(models):
    return {"check": of_trees(model.booster_.model_to_string() for model in models)}


def train_loop(report):
    imported("lightgbm")
    data = groups()
    return lambda: [regressor().fit(x, y) for x, y in data], report


def fit_alone(x, y):
    return regressor(threads=1).fit(x, y)


def train_joblib(backend):
    imported("lightgbm")
    from joblib import Parallel, delayed

    data = groups()
    parallel = Parallel(n_jobs=number("threads"), backend=backend)
    # The workers are started before: a server starts them once.
    timed("setup", lambda: parallel(delayed(fit_alone)(*data[0]) for _ in range(number("threads"))))
    return lambda: parallel(delayed(fit_alone)(x, y) for x, y in data), equal_trees


def train_kept():
    """The way of keeping boosters that can be trained further."""
    lgb = imported("lightgbm")
    data = groups()

    def one(x, y):
        params = settings(number("threads"))
        return lgb.train(params, lgb.Dataset(x, y, params=params), number("rounds"), keep_training_booster=True)

    return lambda: [one(x, y) for x, y in data], lambda it: {
        "check": of_trees(booster.model_to_string() for booster in it)
    }


def per_cluster_joblib():
    protocol = imported("per_cluster")
    x, y = load("rows"), load("targets").ravel()
    labels, folds = load("labels"), load("folds")
    params, threads = settings(1), number("threads")
    timed("setup", lambda: protocol.Parallel(n_jobs=threads)([protocol.delayed(fit_alone)(x[:100], y[:100])] * threads))

    def report(fitted):
        _, weights, _, served, _ = fitted
        error = (served - y)[folds < 0]
        return {"check": float(np.sqrt(np.mean(error**2))), "weight": float(np.mean(list(weights.values())))}

    return lambda: protocol.fit(params, number("rounds"), x, y, labels, folds, threads), report


# --- Scoring.


def booster():
    # It predicts with as many threads as OpenMP is told.
    return imported("lightgbm").Booster(model_file=file("model.txt"))


def score_booster():
    model, x = booster(), load("rows")
    return lambda: model.predict(x), lambda values: {"check": of_numbers(values)}


def contributions_booster():
    model, x = booster(), load("rows")
    return lambda: model.predict(x, pred_contrib=True), lambda values: {"check": of_numbers(values)}


def one_by_one(predict):
    """Single calls; the median of their times is what is compared."""
    x = load("rows")
    out, times = np.empty(len(x)), np.empty(len(x))

    def call():
        for place in range(len(x)):
            row = x[place : place + 1]
            start = time.perf_counter()
            value = predict(row)
            times[place] = time.perf_counter() - start
            out[place] = value[0]

    return call, lambda _: {"p50_us": float(np.median(times)) * 1e6, "check": of_numbers(out)}


def one_booster():
    return one_by_one(booster().predict)


def one_regressor():
    imported("lightgbm")
    x, y = load("rows"), load("targets").ravel()
    # The rows that the model of the others was trained on.
    return one_by_one(timed("setup", lambda: regressor(number("threads")).fit(x, y)).predict)


def parse_booster():
    lgb = imported("lightgbm")
    with open(file("model.txt")) as source:
        text = source.read()
    times = []

    def call():
        for _ in range(300):
            start = time.perf_counter()
            model = lgb.Booster(model_str=text)
            times.append(time.perf_counter() - start)
        return model

    return call, lambda it: {"calls": 300, "p50_us": float(np.median(times)) * 1e6, "check": it.num_trees()}


# --- Series.

COMPARED = ["HR", "Temp", "GCS", "Na", "Glucose"]
HOURS = 48


def sum_of(wide, statistics):
    """The sum of some statistics of the compared variables, what is missing taken as the median of its column."""
    columns = wide[[(statistic, variable) for variable in COMPARED for statistic in statistics]]
    return {"check": float(columns.fillna(columns.median()).to_numpy().sum())}


EIGHT = ["mean", "std", "min", "max", "first", "last", "slope", "count"]


def read_pandas():
    pd = imported("pandas")
    return lambda: pd.read_csv(file("long.csv")), lambda it: {"check": len(it)}


def read_polars():
    pl = imported("polars")
    return lambda: pl.read_csv(file("long.csv")), lambda it: {"check": it.height}


def stats_pandas():
    pd = imported("pandas")

    def call():
        frame = pd.read_csv(file("long.csv"))
        frame = frame[frame["time"] < HOURS * 60]
        hours = frame["time"] / 60
        key = [frame["patient"], frame["variable"]]
        by = frame.groupby(["patient", "variable"], sort=False)
        # The centre is taken out first, as sums of squares of large times lose digits.
        t = hours - hours.groupby(key, sort=False).transform("mean")
        sums = pd.DataFrame({"ty": t * frame["value"], "tt": t * t}).groupby(key, sort=False).sum()
        table = by["value"].agg(["mean", "std", "min", "max", "first", "last", "count"])
        table["slope"] = sums["ty"] / sums["tt"]
        wide = table.unstack("variable")
        wide["count"] = wide["count"].fillna(0)
        return wide

    return call, lambda wide: sum_of(wide, EIGHT)


def stats_polars():
    pl = imported("polars")

    def call():
        value, t = pl.col("value"), pl.col("time") / 60
        centred = t - t.mean()
        table = (
            pl.scan_csv(file("long.csv"))
            .filter(pl.col("time") < HOURS * 60)
            .group_by("patient", "variable")
            .agg(
                value.mean().alias("mean"),
                value.std().alias("std"),
                value.min().alias("min"),
                value.max().alias("max"),
                value.first().alias("first"),
                value.last().alias("last"),
                value.count().alias("count"),
                ((centred * value).sum() / (centred * centred).sum()).alias("slope"),
            )
            .collect()
        )
        return table.pivot(on="variable", index="patient", values=EIGHT)

    def report(wide):
        total = 0.0
        for variable in COMPARED:
            for statistic in EIGHT:
                column = wide[f"{statistic}_{variable}"].fill_nan(None)
                filled = column.fill_null(0 if statistic == "count" else column.median())
                total += filled.sum()
        return {"check": float(total)}

    return call, report


def minimal_tsfresh():
    imported("tsfresh")
    import pandas as pd
    from tsfresh import extract_features
    from tsfresh.feature_extraction import MinimalFCParameters

    frame = pd.read_csv(file("long.csv"))
    frame = frame[frame["time"] < HOURS * 60]

    def call():
        return extract_features(
            frame,
            column_id="patient",
            column_sort="time",
            column_kind="variable",
            column_value="value",
            default_fc_parameters=MinimalFCParameters(),
            n_jobs=number("threads"),
            disable_progressbar=True,
        )

    def report(wide):
        total = 0.0
        for variable in COMPARED:
            for statistic in ["mean", "minimum", "maximum"]:
                column = wide[f"{variable}__{statistic}"]
                total += column.fillna(column.median()).sum()
            total += wide[f"{variable}__length"].fillna(0).sum()
        return {"check": float(total)}

    return call, report


def panel_mlforecast():
    imported("mlforecast")
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import (
        ExpandingMean,
        ExponentiallyWeightedMean,
        RollingMax,
        RollingMean,
        RollingMin,
        RollingStd,
    )

    series = load("series")
    n, periods = series.shape
    frame = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(n), periods), "ds": np.tile(np.arange(periods), n), "y": series.ravel()}
    )
    windows = [RollingMean(3), RollingMean(12), RollingStd(12), RollingMin(12), RollingMax(12)]
    forecast = MLForecast(
        models=[],
        freq=1,
        lags=[1, 2, 3, 12],
        lag_transforms={1: [*windows, ExponentiallyWeightedMean(0.5), ExpandingMean()]},
        num_threads=number("threads"),
    )
    # Once on a few series before, so that what is compiled or imported once does not count.
    timed("cold", lambda: forecast.preprocess(frame.iloc[: 10 * periods], static_features=[]))

    def report(table):
        cells = table.drop(columns=["unique_id", "ds", "y"]).to_numpy()
        return {"cells": cells.size, "check": float(cells.sum())}

    return lambda: forecast.preprocess(frame, static_features=[]), report


SHAPES = [
    "DN_HistogramMode_5",
    "DN_HistogramMode_10",
    "CO_FirstCrossing_acf_1e_pointOfCrossing",
    "CO_FirstMin_ac",
    "CO_HistogramAMI_even_5bin_ami2",
    "CO_trev_1_num",
    "MD_pNN_pnn40",
    "SB_BinaryStats_mean_longstretch1",
    "SB_BinaryStats_diff_longstretch0",
    "SB_MotifThree_quantile_hh",
    "SB_TransitionMatrix_quantile_3_ac_sumdiagcov",
    "IN_AutoMutualInfoStats_40_gaussian_fmmi",
    "FC_LocalSimple_mean1_taurat",
    "FC_LocalSimple_mean3_stde",
    "SP_Summaries_fft_area_5_1",
    "SP_Summaries_fft_wq_50",
    "DN_OutlierInclude_p_001_mdrmd",
    "DN_OutlierInclude_n_001_mdrmd",
]


def shape_pycatch22():
    catch22 = imported("pycatch22")
    functions = [getattr(catch22, name) for name in SHAPES]
    series = [row.tolist() for row in load("series")]
    return lambda: [[function(values) for function in functions] for values in series], lambda _: {}


# --- From raw stays to tracked models.


def road_script():
    script = imported("road")
    folder = ARGUMENTS["data"]
    store = timed("setup", lambda: script.open_store(file("theirs.db"), file("artifacts")))
    marks = {}
    call = lambda: script.road(folder, file("folds.csv"), store, number("threads"), number("seed"), marks)
    return call, lambda rmse: {"check": rmse, **marks}


TASKS = {
    ("train", "scikit-learn loop"): lambda: train_loop(equal_trees),
    ("train", "joblib, 2 processes"): lambda: train_joblib("loky"),
    ("train", "joblib, 2 threads"): lambda: train_joblib("threading"),
    ("train", "boosters kept"): train_kept,
    ("train-sized", "scikit-learn loop"): lambda: train_loop(lambda models: {"check": loss(models)}),
    ("per-cluster", "joblib"): per_cluster_joblib,
    ("score", "Booster"): score_booster,
    ("score-one", "Booster"): one_booster,
    ("score-one", "LGBMRegressor"): one_regressor,
    ("contributions", "Booster"): contributions_booster,
    ("parse", "Booster"): parse_booster,
    ("read", "pandas"): read_pandas,
    ("read", "polars"): read_polars,
    ("stats", "pandas"): stats_pandas,
    ("stats", "polars"): stats_polars,
    ("minimal", "tsfresh"): minimal_tsfresh,
    ("panel", "mlforecast"): panel_mlforecast,
    ("shape", "pycatch22"): shape_pycatch22,
    ("road", "Python script"): road_script,
}

run(TASKS)
