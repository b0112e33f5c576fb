#!/usr/bin/env python3
"""A model followed from its rows to its versions and back, with the real Python client against a Nestbox server: datasets that
only the client knows, nested runs, a logged model, a run that evaluates it, a registered version and its copy.

    python3 -m venv venv && venv/bin/pip install mlflow scikit-learn skops
    venv/bin/python samples/clients/mlflow_lineage.py http://127.0.0.1:8080

Checks every arrow in both directions and ends with status 0 when all of them were right. It makes an experiment and models
with names of their own and can be run again on the same server. Tried with mlflow 3.17.
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request
import warnings

if len(sys.argv) != 2:
    sys.exit("usage: mlflow_lineage.py http://HOST:PORT")

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
import pandas  # noqa: E402
from mlflow.entities import LoggedModelInput  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

url = sys.argv[1]
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
mlflow.set_experiment(f"lineage-{stamp}")
late, production = f"late-{stamp}", f"production-{stamp}"
requirements = ["mlflow", "scikit-learn", "skops"]  # said, so that the client does not start a process to find out

def lineage(node, **query):
    address = f"{url}/api/v1/lineage?{urllib.parse.urlencode({'node': node, **query})}"
    with urllib.request.urlopen(address) as answer:
        graph = json.load(answer)
    assert graph["cuts"] == [], graph["cuts"]
    return {edge["from"] + " " + edge["kind"] + " " + edge["to"] for edge in graph["edges"]}


rows = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0] * 10, "y": [0, 0, 1, 1] * 10})
train = mlflow.data.from_pandas(rows, name=f"rows/{stamp}", targets="y")
test = mlflow.data.from_pandas(rows.head(8), name=f"test/{stamp}", targets="y")

with mlflow.start_run(run_name="study") as study:
    with mlflow.start_run(run_name="fit", nested=True) as fit:
        mlflow.log_input(train, context="training")
        fitted = LogisticRegression().fit(rows[["x"]], rows["y"])
        info = mlflow.sklearn.log_model(
            fitted, name="classifier", registered_model_name=late, pip_requirements=requirements,
            serialization_format="skops",
        )
model = info.model_id
with mlflow.start_run(run_name="evaluate") as evaluate:
    mlflow.log_input(test, context="test")
    client.log_inputs(evaluate.info.run_id, models=[LoggedModelInput(model_id=model)])
    mlflow.log_metric("auc", 0.9, model_id=model, dataset=test)
client.set_registered_model_alias(late, "champion", 1)
client.copy_model_version(f"models:/{late}@champion", production)

data = f"external-dataset:rows/{stamp}/{train.digest}"
fits, model = f"run:{fit.info.run_id}", f"logged-model:{model}"
upstream = {f"{data} read {fits}", f"{fits} made {model}"}
downstream = {
    f"{model} registered model:{late}/1",
    f"model:{late}/1 copied model:{production}/1",
    f"{model} used run:{evaluate.info.run_id}",
}
assert lineage(model) == upstream | downstream, lineage(model)
assert lineage(f"model:{production}/1") == upstream | {
    f"{model} registered model:{late}/1", f"model:{late}/1 copied model:{production}/1"
}
assert lineage(model, direction="upstream") == upstream
assert lineage(model, direction="downstream") == downstream
assert lineage(data) == upstream | downstream | {f"{fits} child run:{study.info.run_id}"}
assert lineage(f"model:{late}@champion", direction="downstream") == {
    f"model:{late}/1 copied model:{production}/1"
}
assert f"external-dataset:test/{stamp}/{test.digest} read run:{evaluate.info.run_id}" in lineage(
    f"run:{evaluate.info.run_id}"
)
print("lineage: from the rows to the copy and back")
