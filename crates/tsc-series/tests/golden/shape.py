"""Writes shape.json: shape features of synthetic series by pycatch22, used as a black box.

Needs pycatch22 0.4.5; the two longest runs follow 1.0.2, since 0.4.5 adds one to most runs. Run in this folder,
with each version in turn: python shape.py
"""

import importlib.metadata
import json
import pathlib

import numpy as np
import pycatch22

NAMES = {
    "mode5": "DN_HistogramMode_5", "mode10": "DN_HistogramMode_10", "acf_e": "CO_f1ecac",
    "acf_min": "CO_FirstMin_ac", "ami2": "CO_HistogramAMI_even_2_5", "trev": "CO_trev_1_num",
    "high_fluct": "MD_hrv_classic_pnn40", "run_high": "SB_BinaryStats_mean_longstretch1",
    "run_fall": "SB_BinaryStats_diff_longstretch0", "entropy2": "SB_MotifThree_quantile_hh",
    "trans_var": "SB_TransitionMatrix_3ac_sumdiagcov", "ami_min": "IN_AutoMutualInfoStats_40_gaussian_fmmi",
    "whiten": "FC_LocalSimple_mean1_tauresrat", "err3": "FC_LocalSimple_mean3_stderr",
    "low_power": "SP_Summaries_welch_rect_area_5_1", "freq_half": "SP_Summaries_welch_rect_centroid",
    "out_pos": "DN_OutlierInclude_p_001_mdrmd", "out_neg": "DN_OutlierInclude_n_001_mdrmd",
}  # fmt: skip
RUNS = ("run_high", "run_fall")


def series():
    rng = np.random.default_rng(20261124)
    for n in (30, 42, 60, 84, 127, 128, 200, 336):
        t = np.arange(n)
        walk = np.cumsum(rng.standard_normal(n))
        yield "noise", rng.standard_normal(n)
        yield "walk", walk
        yield "season", 50 + 0.1 * t + 8 * np.sin(2 * np.pi * t / 12) + rng.standard_normal(n)
        yield "heart", np.round(85 + 5 * walk / walk.std() + 3 * rng.standard_normal(n), 1)
        yield "skewed", rng.exponential(2.0, n) ** 2


version = importlib.metadata.version("pycatch22")
path = pathlib.Path("shape.json")
golden = json.loads(path.read_text()) if path.exists() else {"versions": [], "series": []}
golden["versions"] = sorted({*golden["versions"], version})
for at, (kind, y) in enumerate(series()):
    y = np.round(y, 4)
    z = (y - y.mean()) / y.std(ddof=1)
    found = pycatch22.catch22_all(list(z))
    theirs = dict(zip(found["names"], found["values"], strict=True))
    asked = [name for name in NAMES if (name in RUNS) == version.startswith("1.")]
    values = {name: theirs[NAMES[name]] for name in asked}
    if at == len(golden["series"]):
        golden["series"].append({"kind": kind, "values": [float(v) for v in y], "features": {}})
    golden["series"][at]["features"].update(values)
lines = ",\n".join(json.dumps(one) for one in golden["series"])
path.write_text('{"versions": %s, "series": [\n%s\n]}\n' % (json.dumps(golden["versions"]), lines))
