"""Reads an MLflow store with the Python client, the independent reader, and prints it as JSON.

    python read_back.py <tracking uri> [registered model]

Runs carry names, not ids: ids differ from store to store.
"""

import csv
import hashlib
import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

# MLflow 3.0.0 lists folders of a run in this store, whatever the client's.
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient(sys.argv[1], sys.argv[1])


def number(value):
    return value if abs(value) != float("inf") and value == value else str(value)


def files(run_id, path=None):
    found = {}
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            found.update(files(run_id, item.path))
        else:
            with tempfile.TemporaryDirectory() as folder:
                local = client.download_artifacts(run_id, item.path, folder)
                found[item.path] = hashlib.sha256(open(local, "rb").read()).hexdigest()
    return found


def tables(run_id, paths):
    found = {}
    for path in paths:
        if path.endswith(".csv"):
            with tempfile.TemporaryDirectory() as folder:
                found[path] = list(csv.reader(open(client.download_artifacts(run_id, path, folder))))
    return found


def is_kept(model_id):
    """A run lists its models for ever; one may have been deleted."""
    try:
        return client.get_logged_model(model_id) is not None
    except MlflowException:
        return False


def model(model_id):
    logged = client.get_logged_model(model_id)
    return {
        "name": logged.name,
        "status": str(logged.status),
        "versions": [[v["name"], int(v["version"])] for v in json.loads(logged.tags.get("mlflow.modelVersions", "[]"))],
        "op_key": logged.tags.get("tsc.op_key"),
        "source_run": client.get_run(logged.source_run_id).info.run_name,
        "files": sorted(
            os.path.relpath(os.path.join(folder, name), root)
            for root in [download(model_id)]
            for folder, _, names in os.walk(root)
            for name in names
            if name != "registered_model_meta"  # MLflow adds it to what it downloads.
        ),
    }


def download(model_id):
    return mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=tempfile.mkdtemp())


out = {"experiments": {}}
for experiment in client.search_experiments(view_type=ViewType.ALL):
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, max_results=1000)
    names = {run.info.run_id: run.info.run_name for run in runs}
    described = []
    for run in runs:
        run = client.get_run(run.info.run_id)
        artifacts = files(run.info.run_id)
        described.append(
            {
                "name": run.info.run_name,
                "key": run.data.tags.get("tsc.run_key"),
                "status": run.info.status,
                "start": run.info.start_time,
                "end": run.info.end_time,
                "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
                "params": run.data.params,
                "latest": {key: number(value) for key, value in run.data.metrics.items()},
                "history": {
                    key: [[m.step, m.timestamp, number(m.value)] for m in client.get_metric_history(run.info.run_id, key)]
                    for key in run.data.metrics
                },
                "tags": {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")},
                "note": run.data.tags.get("mlflow.note.content"),
                "user": run.data.tags.get("mlflow.user"),
                "artifacts": artifacts,
                "tables": tables(run.info.run_id, artifacts),
                "datasets": [
                    {
                        "name": item.dataset.name,
                        "digest": item.dataset.digest,
                        "schema": json.loads(item.dataset.schema),
                        "profile": json.loads(item.dataset.profile),
                        "context": {tag.key: tag.value for tag in item.tags},
                    }
                    for item in run.inputs.dataset_inputs
                ],
                "models": [
                    model(output.model_id)
                    for output in (run.outputs.model_outputs if run.outputs else [])
                    if is_kept(output.model_id)
                ],
            }
        )
    out["experiments"][experiment.name] = {
        "stage": experiment.lifecycle_stage,
        "kind": experiment.tags.get("mlflow.experimentKind"),
        "note": experiment.tags.get("mlflow.note.content"),
        "runs": sorted(described, key=lambda run: (run["start"], run["name"])),
    }
if len(sys.argv) > 2:
    registered = client.get_registered_model(sys.argv[2])
    out["aliases"] = {alias: int(version) for alias, version in registered.aliases.items()}
    out["versions"] = [
        {
            "version": int(version.version),
            "stage": version.current_stage,
            "description": version.description,
            "status": version.status,
            "tags": version.tags,
            "source_is_model": version.source.startswith("models:/m-"),
            "run": client.get_run(version.run_id).info.run_name if version.run_id else None,
        }
        for version in sorted(client.search_model_versions(f"name = '{sys.argv[2]}'"), key=lambda v: int(v.version))
    ]
print(json.dumps(out))
