#!/usr/bin/env python3
"""MLflow 3's models from the real Python client against a Nestbox server: log_model, load_model by alias and by id,
autolog of scikit-learn, nested runs, search_logged_models, and a large file in parts.

    python3 -m venv venv && venv/bin/pip install mlflow scikit-learn skops
    venv/bin/python samples/clients/mlflow_models.py http://127.0.0.1:8080

Checks every answer, prints one line per step, and ends with status 0 when all of them were right. It makes an experiment
and models with names of their own and can be run again on the same server. Tried with mlflow 3.17.
"""

import os
import pathlib
import sys
import tempfile
import time
import warnings

if len(sys.argv) != 2:
    sys.exit("usage: mlflow_models.py http://HOST:PORT")

# A broken answer must fail here at once instead of being asked for again for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# Files from 12 MB on go in parts of 5 MB; the client's own limit is 500 MB.
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(12 << 20)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 << 20)
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
started = time.perf_counter()
numbers = numpy.random.default_rng(7)
rows = pandas.DataFrame(numbers.random((80, 3)), columns=["a", "b", "c"])
late = (rows["a"] + 0.3 * rows["b"] > 0.6).astype(int)
requirements = ["mlflow", "scikit-learn", "skops"]  # said, so that the client does not start a process to find out


def step(text):
    print(f"{time.perf_counter() - started:6.2f}s  {text}", flush=True)


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, f"expected {code}, got {error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"expected {code}, but {call.__name__} succeeded")


def log_and_load():
    name = f"logistic-{stamp}"
    model = LogisticRegression().fit(rows, late)
    dataset = mlflow.data.from_pandas(rows, name="rows")
    with mlflow.start_run(run_name="by hand") as active:
        mlflow.log_params({"C": 1.0})
        mlflow.log_metric("before", 0.1)
        logged = mlflow.sklearn.log_model(
            model, name="model", registered_model_name=name, pip_requirements=requirements,
            input_example=rows.head(2))
        mlflow.log_metric("auc", 0.9, step=3, model_id=logged.model_id, dataset=dataset)
    run = client.get_run(active.info.run_id)
    assert [o.model_id for o in run.outputs.model_outputs] == [logged.model_id]
    assert run.data.metrics == {"before": 0.1, "auc": 0.9}

    kept = mlflow.get_logged_model(logged.model_id)
    assert kept.name == "model" and str(kept.status) == "READY" and kept.source_run_id == run.info.run_id
    assert kept.params == {"C": "1.0"}, kept.params
    assert kept.artifact_location.endswith(f"/models/{kept.model_id}/artifacts")
    auc = {m.key: m for m in kept.metrics}["auc"]
    assert (auc.value, auc.step, auc.run_id) == (0.9, 3, run.info.run_id)
    assert (auc.dataset_name, auc.dataset_digest) == ("rows", dataset.digest)
    assert f'"{name}"' in kept.tags["mlflow.modelVersions"]
    files = {f.path for f in client.list_logged_model_artifacts(kept.model_id)}
    assert {"MLmodel", "model.skops", "requirements.txt"} <= files, files
    step(f"log_model: {kept.model_id} with parameters, a metric on a dataset, and {len(files)} files")

    version = client.get_model_version(name, "1")
    assert version.source == f"models:/{kept.model_id}" and version.run_id == run.info.run_id
    assert client.get_model_version_download_uri(name, "1") == kept.artifact_location
    client.set_registered_model_alias(name, "champion", "1")
    expected = model.predict(rows)
    for uri in (f"models:/{name}@champion", f"models:/{name}/1", f"models:/{kept.model_id}",
                f"runs:/{run.info.run_id}/model"):
        assert (mlflow.pyfunc.load_model(uri).predict(rows) == expected).all(), uri
    assert (mlflow.sklearn.load_model(f"models:/{name}@champion").coef_ == model.coef_).all()
    copied = client.copy_model_version(f"models:/{name}@champion", f"copy-{stamp}")
    assert client.get_model_version_download_uri(copied.name, copied.version) == kept.artifact_location
    step("load_model by alias, by version, by id and by run: the same predictions")
    return kept


def autolog():
    mlflow.sklearn.autolog(log_post_training_metrics=True)
    with mlflow.start_run(run_name="autolog") as active:
        fitted = LogisticRegression(C=0.5).fit(rows, late)
        accuracy = fitted.score(rows, late)
    mlflow.sklearn.autolog(disable=True)
    run = client.get_run(active.info.run_id)
    assert run.data.params["C"] == "0.5" and run.info.status == "FINISHED"
    assert run.data.metrics["training_score"] == accuracy
    assert [i.dataset.name for i in run.inputs.dataset_inputs] == ["dataset"]
    (output,) = run.outputs.model_outputs
    model = mlflow.get_logged_model(output.model_id)
    measured = {m.key: m for m in model.metrics}
    assert measured["training_accuracy_score"].value == run.data.metrics["training_accuracy_score"]
    assert measured["training_accuracy_score"].dataset_digest == run.inputs.dataset_inputs[0].dataset.digest
    assert (mlflow.sklearn.load_model(f"models:/{model.model_id}").coef_ == fitted.coef_).all()
    step(f"autolog: {len(run.data.params)} parameters, {len(measured)} metrics of the model, its dataset, its files")


def nested():
    with mlflow.start_run(run_name="search") as parent:
        for c in (0.1, 1.0, 10.0):
            with mlflow.start_run(run_name=f"C={c}", nested=True):
                model = LogisticRegression(C=c).fit(rows, late)
                mlflow.log_param("C", c)
                info = mlflow.sklearn.log_model(model, name=f"c-{int(c * 10)}", pip_requirements=requirements)
                mlflow.log_metric("score", model.score(rows, late), model_id=info.model_id)
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert len(children) == 3 and set(children["params.C"]) == {"0.1", "1.0", "10.0"}
    step("nested runs, each with a model of its own")


def search(experiment, kept):
    def names(**named):
        found = mlflow.search_logged_models([experiment.experiment_id], output_format="list", **named)
        return [m.name for m in found]

    assert sorted(names()) == ["c-1", "c-10", "c-100", "model", "model"]
    assert names(filter_string="metrics.auc > 0.5") == ["model"]
    assert sorted(names(filter_string="name LIKE 'c-%' AND params.C IN ('0.1', '10.0')")) == ["c-1", "c-100"]
    digest = next(m.dataset_digest for m in kept.metrics if m.key == "auc")
    measured = [{"dataset_name": "rows", "dataset_digest": digest}]
    assert names(filter_string="metrics.auc > 0.5", datasets=measured) == ["model"]
    assert names(datasets=measured) == ["model"]
    assert names(datasets=[{"dataset_name": "rows", "dataset_digest": "other"}]) == []
    ordered = names(order_by=[{"field_name": "metrics.score", "ascending": False}])
    assert set(ordered[:3]) == {"c-1", "c-10", "c-100"}
    assert names(order_by=[{"field_name": "name"}], max_results=2) == ["c-1", "c-10"]
    table = mlflow.search_logged_models([experiment.experiment_id])
    assert len(table) == 5 and kept.model_id in list(table["model_id"])
    assert "AND" in refused("INVALID_PARAMETER_VALUE", names, filter_string="name = 'a' OR name = 'b'")
    assert len(mlflow.last_logged_model().params) == 1

    client.set_logged_model_tags(kept.model_id, {"stage": "good"})
    assert names(filter_string="tags.stage = 'good'") == ["model"]
    client.delete_logged_model_tag(kept.model_id, "stage")
    assert names(filter_string="tags.stage = 'good'") == []
    unfinished = client.create_logged_model(experiment.experiment_id, name="unfinished", model_type="Agent")
    assert str(unfinished.status) == "PENDING" and unfinished.model_type == "Agent"
    assert str(client.finalize_logged_model(unfinished.model_id, "FAILED").status) == "FAILED"
    client.delete_logged_model(unfinished.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, unfinished.model_id)
    refused("INVALID_PARAMETER_VALUE", client.create_logged_model, experiment.experiment_id, name="a/b")
    step("search_logged_models: filters, datasets, order; tags, a failed upload, deletion")


def parts(run_id):
    content = os.urandom((13 << 20) + 17)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "large.bin"
        path.write_bytes(content)
        client.log_artifact(run_id, str(path), "deep")
    assert [(f.path, f.file_size) for f in client.list_artifacts(run_id, "deep")] == [
        ("deep/large.bin", len(content))]
    with tempfile.TemporaryDirectory() as folder:
        got = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="deep/large.bin", dst_path=folder)
        assert pathlib.Path(got).read_bytes() == content
    step("a file of 13 MB in three parts, put together and compared")


def main():
    step(f"mlflow {mlflow.__version__} against {sys.argv[1]}")
    experiment = mlflow.set_experiment(f"models {stamp}")
    kept = log_and_load()
    autolog()
    nested()
    search(experiment, kept)
    parts(kept.source_run_id)
    step("all answers were right")


if __name__ == "__main__":
    main()
