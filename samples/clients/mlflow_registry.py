#!/usr/bin/env python3
"""What Nestbox's registry tells beyond MLflow's, with the changes made by the real Python client: the history of aliases and
stages, with reasons; semantic versions by signature and metrics.

    python3 -m venv venv && venv/bin/pip install mlflow pandas
    venv/bin/python samples/clients/mlflow_registry.py http://127.0.0.1:8080

Checks every answer, prints one line per step, and ends with status 0 when all of them were right. It makes models with names
of their own and can be run again on the same server. Tried with mlflow 3.17.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

if len(sys.argv) != 2:
    sys.exit("usage: mlflow_registry.py http://HOST:PORT")

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow  # noqa: E402
import pandas  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.types.schema import ColSpec, Schema  # noqa: E402

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
started = time.perf_counter()


def step(text):
    print(f"{time.perf_counter() - started:6.2f}s  {text}", flush=True)


def ask(path, **query):
    """The native API, which needs no client."""
    address = sys.argv[1] + "/api/v1/" + path + ("?" + urllib.parse.urlencode(query) if query else "")
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


def moves(name, **query):
    """Oldest first."""
    found, token = [], None
    while True:
        page = ask(f"models/{urllib.parse.quote(name)}/history", limit=3, **query,
                   **({"page_token": token} if token else {}))
        found += page["items"]
        token = page.get("nextPageToken")
        if token is None:
            return [(m["kind"], m["label"], m.get("fromVersion"), m.get("toVersion"), m["reason"])
                    for m in reversed(found)]


def history():
    name = f"history {stamp}"
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, "s3://somewhere/else")
    client.set_registered_model_alias(name, "champion", "1")
    # The client cannot say why; a tag that the next move takes away can.
    client.set_model_version_tag(name, "2", "nestbox.reason", "auc 0.81 against 0.78")
    client.set_registered_model_alias(name, "champion", "2")
    assert "nestbox.reason" not in client.get_model_version(name, "2").tags
    client.set_registered_model_alias(name, "champion", "2")  # nothing moves
    client.transition_model_version_stage(name, "1", "Production")
    client.set_model_version_tag(name, "3", "nestbox.reason", "half the size")
    client.transition_model_version_stage(name, "3", "Production", archive_existing_versions=True)
    client.delete_registered_model_alias(name, "champion")
    client.set_registered_model_alias(name, "live", "3")
    client.delete_model_version(name, "3")
    expected = [
        ("alias", "champion", None, 1, ""),
        ("alias", "champion", 1, 2, "auc 0.81 against 0.78"),
        ("stage", "Production", 1, 1, ""),
        ("stage", "Archived", 1, 1, "replaced by version 3: half the size"),
        ("stage", "Production", 3, 3, "half the size"),
        ("alias", "champion", 2, None, ""),
        ("alias", "live", None, 3, ""),
        ("alias", "live", 3, None, "version 3 was deleted"),
        ("version", "deleted", 3, None, ""),
    ]
    assert moves(name) == expected, moves(name)
    assert moves(name, alias="champion") == [expected[i] for i in (0, 1, 5)]
    assert moves(name, version=3) == [expected[i] for i in (4, 6, 7, 8)]
    step("the history of aliases and stages: from, to and why, page by page")

    client.rename_registered_model(name, name + " b")
    client.set_registered_model_tag(name + " b", "nestbox.reason", "no longer used")
    client.delete_registered_model(name + " b")
    assert moves(name + " b")[:-2] == expected[:]
    assert moves(name + " b")[-1] == ("model", "deleted", None, None, "no longer used")
    assert moves(name + " b")[-2][:4] == ("version", "deleted", 1, None)
    try:
        moves(name)
        raise AssertionError("the old name has no history")
    except urllib.error.HTTPError as error:
        assert error.code == 404
    step("it follows a renamed model and outlives a deleted one")


class Same(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)


def semantic(name, version):
    tags = client.get_model_version(name, str(version)).tags
    return tags["nestbox.semantic_version"], tags["nestbox.semantic_version_reason"]


def semantics():
    mlflow.set_experiment(f"semantic {stamp}")
    name = f"semantic {stamp}"
    answer = Schema([ColSpec("double", "p")])

    def register(columns, metrics, late=False):
        signature = mlflow.models.ModelSignature(inputs=Schema([ColSpec(*c) for c in columns]), outputs=answer)
        with mlflow.start_run() as run:
            if not late:
                mlflow.log_metrics(metrics)
            mlflow.pyfunc.log_model(name="model", python_model=Same(), signature=signature,
                                    registered_model_name=name, pip_requirements=["mlflow"])
            if late:
                mlflow.log_metrics(metrics)
        return run

    plain = [("double", "a"), ("long", "b")]
    register(plain, {"auc": 0.80})
    assert semantic(name, 1) == ("1.0.0", "proposed first: the first version of the model"), semantic(name, 1)
    register(plain, {"auc": 0.80})
    assert semantic(name, 2)[0] == "1.0.1", semantic(name, 2)
    register(plain, {"auc": 0.86})
    assert semantic(name, 3)[0] == "1.1.0" and "0.8 → 0.86 (better)" in semantic(name, 3)[1], semantic(name, 3)
    register(plain + [("string", "c", False)], {"auc": 0.86})
    assert semantic(name, 4)[0] == "1.2.0" and "optional input `c` is new" in semantic(name, 4)[1], semantic(name, 4)
    register([("double", "a")], {"auc": 0.86})
    assert semantic(name, 5)[0] == "2.0.0" and "`b` is gone" in semantic(name, 5)[1], semantic(name, 5)
    register([("long", "a")], {"auc": 0.86})
    assert semantic(name, 6)[0] == "3.0.0" and "was double and is long" in semantic(name, 6)[1], semantic(name, 6)
    register([("long", "a"), ("long", "z")], {"auc": 0.86})
    assert semantic(name, 7)[0] == "4.0.0" and "required input `z`" in semantic(name, 7)[1], semantic(name, 7)
    # Metrics that come after the model are looked at when the run ends.
    register([("long", "a"), ("long", "z")], {"auc": 0.91}, late=True)
    for _ in range(100):
        if semantic(name, 8)[0] == "4.1.0":
            break
        time.sleep(0.05)
    assert semantic(name, 8)[0] == "4.1.0" and "(better)" in semantic(name, 8)[1], semantic(name, 8)
    step("semantic versions by signature and metrics: " + ", ".join(semantic(name, n)[0] for n in range(1, 9)))

    client.set_model_version_tag(name, "8", "nestbox.semantic_version", "5.0.0")
    assert semantic(name, 8) == ("5.0.0", "set as a tag")
    try:
        client.set_model_version_tag(name, "8", "nestbox.semantic_version", "1.0.0")
        raise AssertionError("1.0.0 is taken")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE" and "1.0.0" in str(error), error
    assert [int(v.version) for v in client.search_model_versions(
        f"name = '{name}' and tags.`nestbox.semantic_version` = '1.2.0'")] == [4]
    found = ask(f"models/{urllib.parse.quote(name)}/versions", semantic="^1.1")["items"]
    assert [v["version"] for v in found] == [4, 3], found
    assert mlflow.pyfunc.load_model(f"models:/{name}/3").predict(pandas.DataFrame({"a": [1.0], "b": [2]})) == [0.5]
    told = ask(f"models/{urllib.parse.quote(name)}/versions/5/semantic")
    assert told["semanticVersion"] == "2.0.0" and told["proposal"]["bump"] == "major", told
    step("set by a tag, refused when it does not grow, found by tag and by range")


def main():
    step(f"mlflow {mlflow.__version__} against {sys.argv[1]}")
    history()
    semantics()
    step("all answers were right")


if __name__ == "__main__":
    main()
