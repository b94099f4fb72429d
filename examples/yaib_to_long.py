"""The MIMIC demo of YAIB (hourly Parquet) as a long CSV under the names of PhysioNet 2012.

    python examples/yaib_to_long.py yaib_icu_demo/los/mimic_demo stays.csv [FEWEST_HOURS]

Needs pandas and pyarrow. A stay whose last hour is before FEWEST_HOURS is left out; the default keeps all.
Length_of_stay is the label at hour 0 in days, which YAIB caps at 7.
"""

import sys
from pathlib import Path

import pandas as pd

DYNAMIC = {
    "hr": "HR", "resp": "RespRate", "temp": "Temp", "sbp": "SysABP", "dbp": "DiasABP", "map": "MAP",
    "urine": "Urine", "o2sat": "SaO2", "fio2": "FiO2", "glu": "Glucose", "bun": "BUN", "crea": "Creatinine",
    "na": "Na", "k": "K", "bicar": "HCO3", "mg": "Mg", "lact": "Lactate", "ph": "pH", "po2": "PaO2",
    "pco2": "PaCO2", "wbc": "WBC", "plt": "Platelets", "alb": "Albumin", "alp": "ALP", "alt": "ALT",
    "ast": "AST", "bili": "Bilirubin", "tnt": "TroponinT",
}  # fmt: skip
STATIC = {"age": "Age", "sex": "Gender", "height": "Height", "weight": "Weight"}


def long(table, names):
    table = table.melt(["stay_id", "time"], list(names), "variable").dropna()
    return table.assign(variable=table["variable"].map(names))


folder, target = Path(sys.argv[1]), sys.argv[2]
fewest_hours = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
dyn, sta, outc = (pd.read_parquet(folder / f"{name}.parquet") for name in ("dyn", "sta", "outc"))

dyn["time"] = dyn["time"].dt.total_seconds() / 3600.0
dyn["fio2"] /= 100.0  # a percentage there, a fraction here
sta = sta.assign(time=0.0, sex=(sta["sex"] == "Male").astype(float))
first = outc[outc["time"] == pd.Timedelta(0)]
stay = pd.DataFrame(
    {"stay_id": first["stay_id"], "time": 0.0, "variable": "Length_of_stay", "value": first["label"] / 24.0}
)

last_hour = dyn.groupby("stay_id")["time"].max()
kept = last_hour.index[last_hour >= fewest_hours]
rows = pd.concat([long(dyn, DYNAMIC), long(sta, STATIC), stay])
rows = rows[rows["stay_id"].isin(kept)].sort_values(["stay_id", "time", "variable"])
rows.rename(columns={"stay_id": "patient"}).to_csv(target, index=False)
print(f"{len(kept)} stays, {len(rows)} values")
