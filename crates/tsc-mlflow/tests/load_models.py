"""Fits a booster, or loads packages of one, with real LightGBM and MLflow.

    python load_models.py fit <model.txt> <predictions.json>
    python load_models.py load <folder> <predictions.json>
    python load_models.py bundle <folder>
"""

import json
import sys

import numpy as np

rows = np.random.default_rng(7).normal(size=(200, 3))
names = ["heart rate", "it's", "lactate"]

if sys.argv[1] == "fit":
    import lightgbm

    target = rows[:, 0] * 2 + np.abs(rows[:, 2])
    data = lightgbm.Dataset(rows, target, feature_name=["a", "b", "c"])
    booster = lightgbm.train({"verbose": -1, "num_leaves": 7, "seed": 1}, data, 20)
    booster.save_model(sys.argv[2])
    json.dump([x.hex() for x in booster.predict(rows)], open(sys.argv[3], "w"))
elif sys.argv[1] == "load":
    import mlflow
    import pandas

    expected = [float.fromhex(x) for x in json.load(open(sys.argv[3]))]
    booster = mlflow.lightgbm.load_model(sys.argv[2])
    assert list(booster.predict(rows)) == expected, "mlflow.lightgbm predicts other values"
    generic = mlflow.pyfunc.load_model(sys.argv[2])
    assert generic.metadata.get_input_schema().input_names() == names
    assert list(generic.predict(pandas.DataFrame(rows, columns=names))) == expected
    print("equal")
else:
    from mlflow.models import Model

    model = Model.load(sys.argv[2])
    assert list(model.flavors) == ["python_function", "tsc_bundle"], model.flavors
    outputs = ["density_label", "label", "strength", "value", "source", "length_of_stay (days)"]
    assert model.get_output_schema().input_names() == outputs
    example = model.load_input_example(sys.argv[2])
    assert example.to_dict("records") == [{"heart rate": 80.5, "it's": -0.1}], example
    assert list(model.get_input_schema().input_names()) == list(example.columns)
    print(json.dumps(model.flavors["tsc_bundle"]))
