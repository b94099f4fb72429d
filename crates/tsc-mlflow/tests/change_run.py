"""What another person does meanwhile.

    python change_run.py <uri> param <tsc.run_key> <key> <value>
    python change_run.py <uri> delete-experiment <name>
    python change_run.py <uri> alias <model> <alias> <version> <other version>

and what they see: the files of each version's logged model, then the other version's logged model and its place,
or whether such a one is gone.

    python change_run.py <uri> models <model> [<logged model and place>]
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
elif sys.argv[2] in ("alias", "models"):
    mlflow.set_tracking_uri(sys.argv[1])
    name, further = sys.argv[3], sys.argv[4:]
    if sys.argv[2] == "alias":
        client.set_registered_model_alias(name, *further[:2])
    found = {}
    for version in client.search_model_versions(f"name = '{name}'"):
        folder = mlflow.artifacts.download_artifacts(version.source, dst_path=tempfile.mkdtemp())
        # MLflow adds the one file to what it downloads.
        found[str(version.version)] = sorted(set(os.listdir(folder)) - {"registered_model_meta"})
    print(json.dumps(found, sort_keys=True))
    if sys.argv[2] == "alias":
        model_id = client.get_model_version(name, further[2]).source.removeprefix("models:/")
        print(model_id, client.get_logged_model(model_id).artifact_location)
    elif further:
        model_id, place = further[0].split()
        try:
            client.get_logged_model(model_id)
            found = "a model"
        except MlflowException as error:
            assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
            found = "no model"
        try:
            files = mlflow.artifacts.list_artifacts(artifact_uri=place)
        except MlflowException:
            files = []
        print(f"{found}, {'files' if files else 'no files'}")
else:
    client.delete_experiment(client.get_experiment_by_name(sys.argv[3]).experiment_id)
