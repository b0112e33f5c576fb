#!/usr/bin/env python3
"""The real `mlflow` Python client against a Nestbox server: experiments, runs, metrics, files, search, models, aliases.

    python3 -m venv venv && venv/bin/pip install mlflow
    venv/bin/python samples/clients/mlflow_client.py http://127.0.0.1:8080

Checks every answer, prints one line per step, and ends with status 0 when all of them were right. It makes an experiment
and a model with names of their own and can be run again on the same server. Tried with mlflow 3.17.
"""

import json
import math
import os
import pathlib
import sys
import tempfile
import time
import warnings

if len(sys.argv) != 2:
    sys.exit("usage: mlflow_client.py http://HOST:PORT")

# A broken answer must fail here at once instead of being asked for again for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

# Stages are deprecated in MLflow and still spoken here.
warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
warnings.filterwarnings("ignore", message=".*deprecated since 2.9.*")

import mlflow  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
started = time.perf_counter()


def step(text):
    print(f"{time.perf_counter() - started:6.2f}s  {text}", flush=True)


def refused(code, call, *arguments, **named):
    """The call must be refused with this MLflow error code; returns the message."""
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, f"expected {code}, got {error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"expected {code}, but {call.__name__} succeeded")


def experiments():
    name = f"python client {stamp}/ä+b"
    experiment = mlflow.set_experiment(name)
    assert experiment.name == name and experiment.lifecycle_stage == "active"
    assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
    assert mlflow.get_experiment_by_name(name).experiment_id == experiment.experiment_id
    assert mlflow.get_experiment_by_name(name + " is not there") is None
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, name)
    client.set_experiment_tag(experiment.experiment_id, "team", "flights")
    assert client.get_experiment(experiment.experiment_id).tags["team"] == "flights"
    found = mlflow.search_experiments(filter_string=f"name = '{name}'")
    assert [e.experiment_id for e in found] == [experiment.experiment_id]
    assert mlflow.search_experiments(filter_string="tags.team = 'nobody'") == []
    assert any(e.experiment_id == "0" for e in mlflow.search_experiments())

    other = client.create_experiment(f"other {stamp}", tags={"a": "b"})
    client.rename_experiment(other, f"renamed {stamp}")
    assert client.get_experiment(other).name == f"renamed {stamp}"
    client.delete_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "deleted"
    assert other in [e.experiment_id for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    assert other not in [e.experiment_id for e in client.search_experiments()]
    client.restore_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "active"
    client.delete_experiment(other)
    step(f"experiment {experiment.experiment_id}: created, tagged, searched, renamed, deleted, restored")
    return experiment


def logging():
    with mlflow.start_run(run_name="first", tags={"stage": "test"}) as active:
        mlflow.log_param("learner", "linear")
        mlflow.log_params({"l2": 0.1, "features": "a, b"})
        refused("INVALID_PARAMETER_VALUE", mlflow.log_param, "learner", "trees")
        for epoch in range(20):
            mlflow.log_metric("loss", 1 / (epoch + 1), step=epoch)
        mlflow.log_metrics({"auc": 0.71, "not a number": math.nan, "endless": math.inf}, step=3)
        mlflow.set_tag("note", "line one\nline \"two\" ü")
        mlflow.set_tags({"gone": "soon", "kept": "yes"})
        mlflow.delete_tag("gone")
        run_id = active.info.run_id
        now = int(time.time() * 1000)
        points = [Metric("many", i * 0.5, now + i, i) for i in range(900)]
        client.log_batch(run_id, metrics=points, params=[Param("p", "q")], tags=[RunTag("t", "u")])
        # The same point twice is one point.
        client.log_batch(run_id, metrics=points[:1])
        refused("INVALID_PARAMETER_VALUE", client.log_batch, run_id, params=[Param("p", "other")])
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time
    assert run.info.run_name == "first" and run.info.run_id == run_id
    assert run.data.params == {"learner": "linear", "l2": "0.1", "features": "a, b", "p": "q"}, run.data.params
    assert run.data.metrics["loss"] == 0.05 and run.data.metrics["auc"] == 0.71
    assert math.isnan(run.data.metrics["not a number"]) and run.data.metrics["endless"] == math.inf
    assert run.data.metrics["many"] == 449.5
    assert run.data.tags["note"] == "line one\nline \"two\" ü" and "gone" not in run.data.tags
    assert run.data.tags["mlflow.runName"] == "first" and run.data.tags["kept"] == "yes"
    step(f"run {run_id}: parameters, 920 metric points, tags")

    history = client.get_metric_history(run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(i, 1 / (i + 1)) for i in range(20)]
    assert len(client.get_metric_history(run_id, "many")) == 900
    assert client.get_metric_history(run_id, "nothing") == []
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    refused("RESOURCE_DOES_NOT_EXIST", client.log_metric, "0" * 32, "m", 1.0)
    step("metric history by step")
    return run


def inputs(run):
    import pandas

    dataset = mlflow.data.from_pandas(pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), name="tiny")
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_input(dataset, context="training")
    recorded = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert [i.dataset.name for i in recorded] == ["tiny"] and recorded[0].dataset.digest == dataset.digest
    assert {t.key: t.value for t in recorded[0].tags}["mlflow.data.context"] == "training"
    step("dataset input")


def artifacts(run):
    run_id = run.info.run_id
    big = os.urandom(5 << 20)
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        (here / "big.bin").write_bytes(big)
        (here / "model").mkdir()
        (here / "model" / "weights.txt").write_text("1 2 3")
        (here / "model" / "empty").write_text("")
        with mlflow.start_run(run_id=run_id):
            mlflow.log_text("hello", "notes/hello wörld.txt")
            mlflow.log_dict({"a": [1, 2.5, None]}, "config.json")
            mlflow.log_artifact(str(here / "big.bin"))
            mlflow.log_artifacts(str(here / "model"), artifact_path="model")
    assert [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run_id)] == [
        ("big.bin", False, 5 << 20), ("config.json", False, client.list_artifacts(run_id)[1].file_size),
        ("model", True, None), ("notes", True, None)]
    assert [f.path for f in client.list_artifacts(run_id, "model")] == ["model/empty", "model/weights.txt"]
    assert client.list_artifacts(run_id, "config.json") == []
    with tempfile.TemporaryDirectory() as folder:
        got = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="", dst_path=folder))
        assert (got / "big.bin").read_bytes() == big
        assert json.loads((got / "config.json").read_text()) == {"a": [1, 2.5, None]}
        assert (got / "model" / "weights.txt").read_text() == "1 2 3" and (got / "model" / "empty").read_text() == ""
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello wörld.txt") == "hello"
    # Downloading what is not there must fail, whatever the client calls it.
    try:
        mlflow.artifacts.load_text(f"runs:/{run_id}/nothing.txt")
        raise AssertionError("a missing file was downloaded")
    except (MlflowException, OSError):
        pass
    step("artifacts: text, dictionary, 5 MB file, folder; listed, downloaded, compared")


def search(experiment, first):
    for index in range(5):
        with mlflow.start_run(run_name=f"run {index}"):
            mlflow.log_param("index", index)
            mlflow.log_metric("score", index / 10)
            if index == 4:
                mlflow.set_tag("best", "yes")
    table = mlflow.search_runs(experiment_names=[experiment.name])
    assert len(table) == 6 and set(table["status"]) == {"FINISHED"}
    assert table.iloc[0]["tags.mlflow.runName"] == "run 4", "newest first"
    ordered = mlflow.search_runs([experiment.experiment_id], order_by=["metrics.score DESC"])
    assert list(ordered["metrics.score"])[:5] == [0.4, 0.3, 0.2, 0.1, 0.0]
    some = mlflow.search_runs(
        [experiment.experiment_id], filter_string="metrics.score >= 0.2 and params.index != '3'",
        order_by=["metrics.score ASC"])
    assert list(some["params.index"]) == ["2", "4"]
    assert len(mlflow.search_runs([experiment.experiment_id], filter_string="tags.best = 'yes'")) == 1
    assert len(mlflow.search_runs([experiment.experiment_id], filter_string="attributes.run_name LIKE 'run %'")) == 5
    assert len(mlflow.search_runs([experiment.experiment_id], filter_string="params.learner = 'trees'")) == 0
    message = refused(
        "INVALID_PARAMETER_VALUE", client.search_runs, [experiment.experiment_id], "metrics.score >= 'x'")
    assert "position" in message, message
    pages, token = [], None
    while True:
        page = client.search_runs([experiment.experiment_id], max_results=4, page_token=token)
        pages += [r.info.run_id for r in page]
        token = page.token
        if not token:
            break
    assert len(pages) == len(set(pages)) == 6

    client.delete_run(first.info.run_id)
    assert client.get_run(first.info.run_id).info.lifecycle_stage == "deleted"
    assert first.info.run_id not in list(mlflow.search_runs([experiment.experiment_id])["run_id"])
    deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert [r.info.run_id for r in deleted] == [first.info.run_id]
    client.restore_run(first.info.run_id)
    assert client.get_run(first.info.run_id).info.lifecycle_stage == "active"
    with mlflow.start_run(run_name="parent"):
        with mlflow.start_run(run_name="child", nested=True) as child:
            pass
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"]
    step("search_runs: pandas, order, filter, pages; delete and restore; nested runs")


def models(run):
    name = f"python-{stamp}"
    source = f"{run.info.artifact_uri}/model"
    client.create_registered_model(name, tags={"task": "binary"}, description="made by a sample")
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
    first = client.create_model_version(name, source, run_id=run.info.run_id, description="one", tags={"a": "b"})
    assert (int(first.version), first.source, first.run_id) == (1, source, run.info.run_id)
    assert first.status == "READY" and first.current_stage == "None"
    second = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run_id=run.info.run_id)
    assert second.source == f"runs:/{run.info.run_id}/model"
    assert client.get_model_version_download_uri(name, "2") == source
    tags = client.get_model_version(name, "1").tags
    assert {k: v for k, v in tags.items() if not k.startswith("nestbox.")} == {"a": "b"}

    client.set_registered_model_alias(name, "champion", "1")
    assert int(client.get_model_version_by_alias(name, "champion").version) == 1
    client.set_registered_model_alias(name, "champion", "2")
    assert int(client.get_model_version_by_alias(name, "champion").version) == 2
    model = client.get_registered_model(name)
    assert {a: int(v) for a, v in model.aliases.items()} == {"champion": 2} and model.tags == {"task": "binary"}
    assert model.description == "made by a sample" and [int(v.version) for v in model.latest_versions] == [2]
    with tempfile.TemporaryDirectory() as folder:
        got = mlflow.artifacts.download_artifacts(f"models:/{name}@champion", dst_path=folder)
        assert (pathlib.Path(got) / "weights.txt").read_text() == "1 2 3"
    client.delete_registered_model_alias(name, "champion")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, name, "champion")
    step(f"model {name}: two versions, alias moved and removed, files downloaded by alias")

    moved = client.transition_model_version_stage(name, "1", "Staging")
    assert moved.current_stage == "Staging"
    client.transition_model_version_stage(name, "2", "Staging", archive_existing_versions=True)
    assert client.get_model_version(name, "1").current_stage == "Archived"
    assert [int(v.version) for v in client.get_latest_versions(name, ["Staging"])] == [2]
    client.update_model_version(name, "2", description="two")
    client.set_model_version_tag(name, "2", "checked", "yes")
    client.delete_model_version_tag(name, "1", "a")
    versions = client.search_model_versions(f"name = '{name}'")
    assert sorted(int(v.version) for v in versions) == [1, 2]
    assert {v.description for v in versions} == {"one", "two"}
    assert [int(v.version) for v in client.search_model_versions(f"run_id = '{run.info.run_id}' and tags.checked = 'yes'")] == [2]
    assert [m.name for m in client.search_registered_models(f"name LIKE '%{stamp}'")] == [name]

    client.rename_registered_model(name, name + "-renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name)
    client.delete_model_version(name + "-renamed", "1")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, name + "-renamed", "1")
    client.delete_registered_model(name + "-renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name + "-renamed")
    step("stages, tags, searches, rename, delete")


def main():
    step(f"mlflow {mlflow.__version__} against {sys.argv[1]}")
    experiment = experiments()
    run = logging()
    inputs(run)
    artifacts(run)
    search(experiment, run)
    models(run)
    step("all answers were right")


if __name__ == "__main__":
    main()
