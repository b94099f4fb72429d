"""Golden files of tsc-models, made by Python lightgbm and scikit-learn from synthetic data.

    python3 -m venv v && v/bin/pip install lightgbm==4.7.0 scikit-learn numpy
    v/bin/python tests/golden/generate_models.py

Writes tests/golden/models/: scoring cases (a model text, rows, raw scores and predictions), training
cases (rows, parameters, the text that Python trained on them), one elastic net table. Versions are in
versions.json.
"""

import json
import pathlib
import platform

import lightgbm as lgb
import numpy as np
import sklearn
from sklearn.linear_model import ElasticNet, LinearRegression

OUT = pathlib.Path(__file__).parent / "models"
BASE = dict(num_threads=1, deterministic=True, force_col_wise=True, verbosity=-1, seed=42)
SEED_TIME_SERIES = dict(
    objective="regression", metric="rmse", boosting="gbdt", num_leaves=31, learning_rate=0.05,
    feature_fraction=0.9, bagging_fraction=0.8, bagging_freq=5, lambda_l1=0.0, lambda_l2=0.0,
    min_data_in_leaf=20,
)


def cells(matrix):
    """Row-major cells, NaN as null."""
    return [None if np.isnan(v) else float(v) for v in np.asarray(matrix, float).ravel()]


def write(name, value):
    (OUT / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def rows(rng, n, d):
    x = np.round(rng.normal(size=(n, d)), 3)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + 0.3 * rng.normal(size=n)
    return x, np.round(y, 4)


def score_case(name, booster, x, num_iteration=None):
    text = booster.model_to_string(num_iteration=num_iteration)
    loaded = lgb.Booster(model_str=text)
    (OUT / f"score_{name}.txt").write_text(text)
    write(f"score_{name}.json", {
        "n_features": x.shape[1],
        "rows": cells(x),
        "raw": loaded.predict(x, raw_score=True, num_threads=1).tolist(),
        "predicted": loaded.predict(x, num_threads=1).tolist(),
        "split": loaded.feature_importance("split").tolist(),
        "gain": loaded.feature_importance("gain").tolist(),
        "contributions": loaded.predict(x[:12], pred_contrib=True, num_threads=1).ravel().tolist(),
        "leaves": loaded.predict(x[:12], pred_leaf=True, num_threads=1).astype(int).ravel().tolist(),
    })


def scoring():
    rng = np.random.default_rng(7)
    x, y = rows(rng, 400, 5)
    fresh, _ = rows(rng, 37, 5)

    def train(params, x=x, y=y, rounds=12, **kw):
        return lgb.train({**BASE, "num_leaves": 12, "min_data_in_leaf": 5, **params}, lgb.Dataset(x, y, **kw), rounds)

    score_case("numeric", train({}), fresh)
    score_case("deep", train({"num_leaves": 120, "min_data_in_leaf": 1}, rounds=4), fresh)
    score_case("stump", train({"num_leaves": 2}), fresh)
    score_case("constant", train({"min_data_in_leaf": 300}), fresh)
    empty = lgb.Booster({**BASE, "objective": "regression"}, lgb.Dataset(x, y))
    score_case("empty", empty, fresh)
    score_case("sqrt", train({"reg_sqrt": True}), fresh)
    score_case("rf", train({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}), fresh)
    score_case("dart", train({"boosting": "dart", "drop_rate": 0.5}), fresh)
    score_case("quantile", train({"objective": "quantile", "alpha": 0.9}), fresh)
    for objective in ["regression_l1", "huber", "fair", "mape"]:
        score_case(objective, train({"objective": objective}, rounds=4), fresh)
    counts = np.round(np.exp(y) * 3)
    score_case("poisson", train({"objective": "poisson"}, y=counts), fresh)
    score_case("tweedie", train({"objective": "tweedie"}, y=counts), fresh)
    score_case("gamma", train({"objective": "gamma"}, y=counts + 1), fresh)
    score_case("binary", train({"objective": "binary"}, y=(y > 0).astype(float)), fresh)
    score_case("cross_entropy", train({"objective": "cross_entropy"}, y=1 / (1 + np.exp(-y))), fresh)

    holes, fresh_holes = x.copy(), fresh.copy()
    holes[rng.random(holes.shape) < 0.2] = np.nan
    fresh_holes[rng.random(fresh.shape) < 0.3] = np.nan
    score_case("nan", train({}, x=holes), fresh_holes)
    score_case("nan_unseen", train({}), fresh_holes)
    zeros, fresh_zeros = x.copy(), fresh.copy()
    zeros[rng.random(zeros.shape) < 0.3] = 0.0
    fresh_zeros[rng.random(fresh.shape) < 0.3] = 0.0
    fresh_zeros[:6, 0] = [1e-36, -1e-36, 1e-34, -1e-34, np.float32(1e-35), -np.float32(1e-35)]
    fresh_zeros[6:9, 1] = np.nan
    score_case("zero_as_missing", train({"zero_as_missing": True}, x=zeros), fresh_zeros)
    groups = x.copy()
    groups[:, 3] = rng.integers(0, 70, size=len(x))
    y_groups = y + (groups[:, 3] % 7 == 2) - (groups[:, 3] % 11 == 5)
    fresh_groups = fresh.copy()
    fresh_groups[:, 3] = rng.integers(0, 90, size=len(fresh))
    fresh_groups[:10, 3] = [np.nan, -1, -0.5, 2.9, 1e9, 3e9, 1e300, -1e300, 69.0, 70.0]
    categorical = dict(categorical_feature=[3])
    score_case("categorical", train({"max_cat_to_onehot": 1, "cat_smooth": 1, "min_data_per_group": 2},
                                    x=groups, y=y_groups, **categorical), fresh_groups)


def training():
    rng = np.random.default_rng(11)
    x, y = rows(rng, 300, 4)
    tune_x, tune_y = rows(rng, 80, 4)
    weights = np.round(rng.uniform(0.5, 2.0, size=len(y)), 3)
    noise_y, noise_tune = np.round(rng.normal(size=300), 4), np.round(rng.normal(size=80), 4)
    write("training_rows.json", {
        "n_features": 4, "x": cells(x), "y": y.tolist(), "weights": weights.tolist(),
        "tuning_x": cells(tune_x), "tuning_y": tune_y.tolist(),
        "noise_y": noise_y.tolist(), "noise_tuning_y": noise_tune.tolist(),
    })
    cases = {
        "plain": {},
        "first_40_rows": {"min_data_in_leaf": 5},
        "weights": {},
        "early_stopping": {"early_stopping_round": 5, "num_iterations": 200, "learning_rate": 0.2},
        "noise": {"early_stopping_round": 10, "num_iterations": 200},
        "two_metrics": {"early_stopping_round": 5, "num_iterations": 200, "learning_rate": 0.2, "metric": "l1,rmse"},
        "quantile": {"objective": "quantile", "metric": "quantile", "alpha": 0.1},
        "preset_small": {"num_leaves": 15, "learning_rate": 0.08, "num_iterations": 50},
        "preset_medical": {"num_leaves": 50, "learning_rate": 0.04, "num_iterations": 20, "lambda_l1": 0.1,
                           "lambda_l2": 0.1, "min_data_in_leaf": 15},
        "categorical": {"min_data_in_leaf": 5, "num_iterations": 8, "categorical_feature": "0",
                        "max_cat_to_onehot": 1, "cat_smooth": 1, "min_data_per_group": 2},
    }
    for name, changed in cases.items():
        params = {**SEED_TIME_SERIES, "num_iterations": 30, **changed}
        n = 40 if name == "first_40_rows" else len(y)
        target, tuning_target = (noise_y, noise_tune) if name == "noise" else (y, tune_y)
        python = {**BASE, **params}
        cells_of = x[:n].copy()
        more_of_data = {}
        if name == "categorical":
            cells_of[:, 0] = np.floor(4 * (cells_of[:, 0] + 4))
            more_of_data["categorical_feature"] = [int(python.pop("categorical_feature"))]
        rounds = python.pop("num_iterations")
        patience = python.pop("early_stopping_round", 0)
        train = lgb.Dataset(cells_of, target[:n], weight=weights[:n] if name == "weights" else None, **more_of_data)
        curves, more = {}, {}
        if patience:
            valid = lgb.Dataset(tune_x, tuning_target, reference=train)
            more = dict(valid_sets=[valid], callbacks=[
                lgb.early_stopping(patience, verbose=False), lgb.record_evaluation(curves)])
        # Otherwise Python hands back a model that went through its own loader.
        booster = lgb.train(python, train, rounds, keep_training_booster=True, **more)
        best = booster.best_iteration if patience else rounds
        text = booster.model_to_string(num_iteration=best)
        (OUT / f"train_{name}.txt").write_text(text)
        write(f"train_{name}.json", {
            "params": params, "rows": n, "best_round": best, "curves": curves.get("valid_0", {}),
        })


def continued():
    rows = json.loads((OUT / "training_rows.json").read_text())
    x, y, w = (np.array(rows[key]) for key in ["x", "y", "weights"])
    x = x.reshape(-1, rows["n_features"])
    old, new = slice(0, 180), slice(120, 300)
    params = {**BASE, **SEED_TIME_SERIES, "min_data_in_leaf": 5, "num_leaves": 7}

    def dataset(part, weighted=False):
        return lgb.Dataset(x[part], y[part], weight=w[part] if weighted else None)

    first = lgb.train(params, dataset(old), 6, keep_training_booster=True)
    (OUT / "warm_first.txt").write_text(first.model_to_string())
    more = lgb.train(params, dataset(new, True), 4, init_model=first, keep_training_booster=True)
    (OUT / "warm_continued.txt").write_text(more.model_to_string())
    refitted = first.refit(x[new], y[new], decay_rate=0.7, weight=w[new])
    (OUT / "warm_refitted.txt").write_text(refitted.model_to_string())


def linear():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, -2, 0, 1]
    x[:, 4] = 2.5
    y = 3 + 1.5 * x[:, 0] - 0.2 * x[:, 1] + 8 * x[:, 2] + 0.4 * rng.normal(size=60)
    mean, sd = x.mean(axis=0), x.std(axis=0)
    safe = np.where(sd > 0, sd, 1.0)
    z = (x - mean) / safe
    cases = []
    for penalty, l1_ratio in [(0.1, 0.5), (0.5, 1.0), (0.02, 0.1), (0.0, 0.5)]:
        if penalty:
            model = ElasticNet(alpha=penalty, l1_ratio=l1_ratio, tol=1e-12, max_iter=100_000)
        else:
            model = LinearRegression()
        model.fit(z, y)
        coefficients = np.where(sd > 0, model.coef_ / safe, 0.0)
        cases.append({"penalty": penalty, "l1_ratio": l1_ratio, "coefficients": coefficients.tolist(),
                      "intercept": float(model.intercept_ - coefficients @ mean)})
    write("elastic_net.json", {"n_features": 5, "x": cells(x), "y": y.tolist(), "cases": cases})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    scoring()
    training()
    continued()
    linear()
    write("versions.json", {
        "generator": "tests/golden/generate_models.py", "lightgbm": lgb.__version__, "scikit-learn": sklearn.__version__,
        "numpy": np.__version__, "python": platform.python_version(),
    })
