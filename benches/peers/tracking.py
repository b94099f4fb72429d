"""The Python peers of `cargo xtask bench --peers tracking`."""

import http.client
import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import time
from urllib.parse import urlsplit

from measuring import APART, ARGUMENTS, file, imported, number, run, timed

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
NOW = 1_800_000_000_000


def folder():
    return tempfile.mkdtemp(dir=ARGUMENTS["dir"])


def points():
    """Key, value, time and step of each metric, in the order in which ours logs them."""
    keys = [f"cluster_{key}/share" for key in range(number("keys"))]
    steps = range(number("metrics") // len(keys))
    return [(key, 0.1, NOW + step, step) for step, key in itertools.product(steps, keys)]


def client(uri):
    if "import" not in APART:
        imported("mlflow")
    from mlflow import MlflowClient

    return MlflowClient(uri)


def new_run(client):
    experiment = client.create_experiment(f"experiment {time.time_ns()}")
    return client.create_run(experiment).info.run_id


# --- One call.


def log_metric():
    ours = client(f"sqlite:///{folder()}/mlflow.db")
    run_id = timed("setup", lambda: new_run(ours))
    times = []

    def call():
        for step in range(number("python_calls")):
            start = time.perf_counter()
            ours.log_metric(run_id, "batch_seconds", 0.5, step=step)
            times.append(time.perf_counter() - start)

    return call, lambda _: {"p50_us": sorted(times)[len(times) // 2] * 1e6}


# --- A new store.


def counted(path):
    return {"check": sqlite3.connect(path).execute("SELECT COUNT(*) FROM metrics").fetchone()[0]}


def executemany():
    path = os.path.join(folder(), "mlflow.db")
    shutil.copy(os.path.join(file("empty"), "mlflow.db"), path)
    with open(file("run.txt")) as text:
        run_id = text.read()
    rows = [(key, value, at, run_id, step, 0) for key, value, at, step in points()]
    latest = [(key, value, at, step, 0, run_id) for key, value, at, step in points()[-number("keys") :]]

    def call():
        database = sqlite3.connect(path)
        with database:
            database.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)", rows
            )
            database.executemany(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)",
                latest,
            )
        database.close()

    return call, lambda _: counted(path)


def thousands():
    from mlflow.entities import Metric

    metrics = [Metric(key, value, at, step) for key, value, at, step in points()]
    return [metrics[start : start + 1000] for start in range(0, len(metrics), 1000)]


def log_batch():
    path = os.path.join(folder(), "mlflow.db")
    ours = client(f"sqlite:///{path}")
    run_id = timed("setup", lambda: new_run(ours))
    blocks = thousands()

    def call():
        for block in blocks:
            ours.log_batch(run_id, metrics=block)

    return call, lambda _: counted(path)


def first_run():
    uri = f"sqlite:///{folder()}/mlflow.db"
    imported("mlflow")

    def call():
        # Makes the tables, by all migrations of MLflow's history.
        ours = client(uri)
        run_id = new_run(ours)
        ours.log_metric(run_id, "rmse", 0.5, step=0)
        ours.set_terminated(run_id)

    return call, lambda _: {}


# --- A server.


def bare():
    address = urlsplit(ARGUMENTS["uri"])
    connection = http.client.HTTPConnection(address.hostname, address.port)

    def post(path, body):
        connection.request("POST", f"/api/2.0/mlflow/{path}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)

    experiment = post("experiments/create", json.dumps({"name": f"bare {time.time_ns()}"}))["experiment_id"]
    started = json.dumps({"experiment_id": experiment, "run_name": "bare", "start_time": NOW})
    run_id = post("runs/create", started)["run"]["info"]["run_id"]
    metrics = [{"key": key, "value": value, "timestamp": at, "step": step} for key, value, at, step in points()]
    blocks = [metrics[start : start + 1000] for start in range(0, len(metrics), 1000)]
    bodies = [json.dumps({"run_id": run_id, "metrics": block}) for block in blocks]

    def call():
        for body in bodies:
            post("runs/log-batch", body)

    return call, lambda _: {"check": len(metrics)}


def log_batch_over_rest():
    ours = client(ARGUMENTS["uri"])
    run_id = timed("setup", lambda: new_run(ours))
    blocks = thousands()

    def call():
        for block in blocks:
            ours.log_batch(run_id, metrics=block)

    return call, lambda _: {"check": sum(map(len, blocks))}


run(
    {
        ("calls", "MlflowClient"): log_metric,
        ("bulk", "sqlite3 executemany"): executemany,
        ("bulk", "MlflowClient"): log_batch,
        ("first-run", "mlflow"): first_run,
        ("rest", "bare log-batch"): bare,
        ("rest", "MlflowClient"): log_batch_over_rest,
    }
)
