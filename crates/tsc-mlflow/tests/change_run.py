"""What another person does meanwhile.

    python change_run.py <uri> param <tsc.run_key> <key> <value>
    python change_run.py <uri> delete-experiment <name>
    python change_run.py <uri> alias <model> <alias> <version>

and what they see.

    python change_run.py <uri> models <model>             files of each version's logged model
    python change_run.py <uri> model-of <model> <version> id and place of its logged model
    python change_run.py <uri> is-gone <id and place>
"""

import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient(sys.argv[1])
if sys.argv[2] == "param":
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(everywhere, f"tags.`tsc.run_key` = '{sys.argv[3]}'")
    client.log_param(run.info.run_id, sys.argv[4], sys.argv[5])
elif sys.argv[2] == "alias":
    client.set_registered_model_alias(*sys.argv[3:])
elif sys.argv[2] == "models":
    mlflow.set_tracking_uri(sys.argv[1])
    found = {}
    for version in client.search_model_versions(f"name = '{sys.argv[3]}'"):
        folder = mlflow.artifacts.download_artifacts(version.source, dst_path=tempfile.mkdtemp())
        # MLflow adds the one file to what it downloads.
        found[str(version.version)] = sorted(set(os.listdir(folder)) - {"registered_model_meta"})
    print(json.dumps(found, sort_keys=True))
elif sys.argv[2] == "model-of":
    logged = client.get_logged_model(client.get_model_version(*sys.argv[3:]).source.removeprefix("models:/"))
    print(logged.model_id, logged.artifact_location)
elif sys.argv[2] == "is-gone":
    model_id, place = sys.argv[3].split()
    try:
        client.get_logged_model(model_id)
        found = "a model"
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
        found = "no model"
    mlflow.set_tracking_uri(sys.argv[1])
    try:
        files = mlflow.artifacts.list_artifacts(artifact_uri=place)
    except MlflowException:
        files = []
    print(f"{found}, {'files' if files else 'no files'}")
else:
    client.delete_experiment(client.get_experiment_by_name(sys.argv[3]).experiment_id)
