"""Writes panel.json: panel features of three synthetic monthly series by mlforecast.

Needs mlforecast 1.1.0 (coreforecast 0.0.20). Run in this folder: python panel.py
"""

import importlib.metadata
import json

import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import (
    ExpandingMax,
    ExpandingMean,
    ExpandingMin,
    ExpandingStd,
    ExponentiallyWeightedMean,
    RollingMax,
    RollingMean,
    RollingMin,
    RollingStd,
)

rng = np.random.default_rng(20261124)
frames = []
for name, level, n in [("A", 100.0, 40), ("B", 5.0, 31), ("C", 2000.0, 28)]:
    t = np.arange(n)
    y = level * (1 + 0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + 0.1 * rng.standard_normal(n))
    dates = pd.date_range("2001-03-01", periods=n, freq="MS")
    frames.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": np.round(y, 3)}))
frame = pd.concat(frames)

transforms = [
    RollingMean(3), RollingStd(12), RollingMin(4), RollingMax(4),
    ExponentiallyWeightedMean(0.3),
    ExpandingMean(), ExpandingStd(), ExpandingMin(), ExpandingMax(),
]
forecast = MLForecast(models=[], freq="MS", lags=[1, 2, 12, 15], lag_transforms={1: transforms}, date_features=["month"])
features = forecast.preprocess(frame, dropna=False)
names = {
    "lag1": "y.lag1", "lag2": "y.lag2", "lag12": "y.lag12", "lag15": "y.lag15",
    "rolling_mean_lag1_window_size3": "y.roll3_mean",
    "rolling_std_lag1_window_size12": "y.roll12_std",
    "rolling_min_lag1_window_size4": "y.roll4_min",
    "rolling_max_lag1_window_size4": "y.roll4_max",
    "exponentially_weighted_mean_lag1_alpha0.3": "y.ewm0.3",
    "expanding_mean_lag1": "y.expanding_mean",
    "expanding_std_lag1": "y.expanding_std",
    "expanding_min_lag1": "y.expanding_min",
    "expanding_max_lag1": "y.expanding_max",
    "month": "month",
}
missing = [name for name in names if name not in features.columns]
assert not missing, (missing, list(features.columns))
golden = {
    "mlforecast": importlib.metadata.version("mlforecast"),
    "coreforecast": importlib.metadata.version("coreforecast"),
    "series": {name: list(group["y"]) for name, group in frame.groupby("unique_id")},
    # The rows that have all features: lag 15 is the last to be known.
    "features": {
        ours: {name: [float(v) for v in group[theirs].iloc[15:]] for name, group in features.groupby("unique_id")}
        for theirs, ours in names.items()
    },
}
with open("panel.json", "w", encoding="utf-8") as file:
    json.dump(golden, file, indent=1)
    file.write("\n")
