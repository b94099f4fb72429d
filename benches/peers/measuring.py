"""One measurement of a Python peer for `cargo xtask bench`, printed as a line of JSON.

Arguments are key=value, the same as for our own program; every number of a case comes from xtask, every file is in
the folder `dir`. A peer is a function that imports what it needs, loads the input and returns two functions: the call
to measure, and what to report of its result, which may take as long as it likes.
"""

import importlib
import importlib.metadata
import json
import math
import os
import platform
import sys
import time

import numpy as np

ARGUMENTS = dict(word.split("=", 1) for word in sys.argv[1:])
# What is listed apart from the measured call: import, setup (the fit before a prediction), cold (with compiling).
APART = {}


def number(key):
    return int(ARGUMENTS[key])


def file(name):
    return os.path.join(ARGUMENTS["dir"], name)


def load(name):
    return np.load(file(name + ".npy"))


def timed(name, call):
    start = time.perf_counter()
    result = call()
    APART[name] = time.perf_counter() - start
    return result


def imported(name):
    return timed("import", lambda: importlib.import_module(name))


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


def measure(task):
    call, report = task()
    reset_peak()
    loaded = resident_mb("VmRSS:")
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    peak = resident_mb("VmHWM:")
    out = {"seconds": seconds, **APART}
    if peak and loaded:
        out.update(peak_mb=peak, rise_mb=peak - loaded)
    out.update(report(result))
    out["seconds"] /= out.pop("calls", 1)
    # JSON knows no NaN and no infinity; what is not there is not compared.
    print(json.dumps({key: value for key, value in out.items() if math.isfinite(value)}))


def run(tasks):
    if ARGUMENTS["task"] == "about":
        about()
    else:
        measure(tasks[ARGUMENTS["task"], ARGUMENTS["peer"]])
