"""What another person does meanwhile.

    python change_run.py <uri> param <tsc.run_key> <key> <value>
    python change_run.py <uri> delete-experiment <name>
"""

import sys

from mlflow import MlflowClient

client = MlflowClient(sys.argv[1])
if sys.argv[2] == "param":
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(everywhere, f"tags.`tsc.run_key` = '{sys.argv[3]}'")
    client.log_param(run.info.run_id, sys.argv[4], sys.argv[5])
else:
    client.delete_experiment(client.get_experiment_by_name(sys.argv[3]).experiment_id)
