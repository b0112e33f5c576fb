#!/usr/bin/env python3
"""MLflow's search language, told by the real client: hundreds of generated filters and orders.

    python3 -m venv venv && venv/bin/pip install mlflow
    venv/bin/python samples/clients/mlflow_search.py http://127.0.0.1:8080
    venv/bin/python samples/clients/mlflow_search.py http://127.0.0.1:8080 --against http://127.0.0.1:5000

Makes the same runs, experiments, models and versions on each server. With one server, compares what its searches find
with what the client's own library makes of the same filter over the same things in memory; with `--against` an MLflow
server, with what that server finds, too. Where one refuses a filter, the other must. `--seed` repeats a run, `--count` says
how many of each kind. Ends with status 0 when everything agreed. Tried with mlflow 3.17.
"""

import argparse
import math
import os
import random
import sys
import time
import warnings

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")

import mlflow  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.utils.search_utils import (  # noqa: E402
    SearchExperimentsUtils, SearchModelUtils, SearchModelVersionUtils, SearchUtils)

PROMPT = "mlflow.prompt.is_prompt"
COMPARATORS = ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "like", "IN", "NOT IN", "IS NULL", "IS NOT NULL", "==", "<>"]
TEXTS = ["a", "B", "b", "ab", "a%", "%b", "_", "%", "it's", "100%", "[a]*", "", "x\"y", "größe", "10", "9"]
NUMBERS = ["0", "1", "-1", "0.5", ".5", "1.", "1e-1", "-2.5", "3", "1E2"]


class Side:
    """One server with the things that are searched."""

    def __init__(self, url, mark, seed):
        self.client = mlflow.MlflowClient(tracking_uri=url, registry_uri=url)
        self.mark = mark
        random_ = random.Random(seed)
        self.names = {}
        self.experiments = []
        for index in range(8):
            tags = {"mark": mark}
            if index % 3:
                tags["a b"] = random_.choice(TEXTS)
            if index % 2:
                tags["team.name"] = random_.choice(TEXTS)
            name = f"{mark}-{'Ab'[index % 2]}{index}"
            self.experiments.append(self.client.create_experiment(name, tags=tags))
            self.names[self.experiments[-1]] = f"experiment {index}"
            time.sleep(0.002)
        self.runs = [self.make_run(index, random_) for index in range(40)]
        self.make_models(random_)

    def make_run(self, index, random_):
        client = self.client
        run = client.create_run(
            self.experiments[index % 2], start_time=1000 + index * 7 % 40, run_name=random_.choice("abAB") + str(index))
        metrics = []
        for key in ["auc", "val/loss", "x.y"]:
            value = random_.choice([None, 0.0, 0.5, 1.0, -1.0, 3.0, math.nan, math.inf, -math.inf, 0.1])
            if value is not None:
                metrics.append(Metric(key, value, 1000, 0))
        params = [Param(key, random_.choice(TEXTS)) for key in ["p", "learning rate", "order"] if random_.random() < 0.7]
        tags = [RunTag(key, random_.choice(TEXTS)) for key in ["a b", "team.name", "t"] if random_.random() < 0.7]
        client.log_batch(run.info.run_id, metrics=metrics, params=[p for p in params if p.value], tags=tags)
        for dataset in random_.sample(["train", "test", "Both"], random_.randrange(3)):
            tag = [InputTag("mlflow.data.context", random_.choice(["training", "eval"]))] if random_.random() < 0.7 else []
            client.log_inputs(
                run.info.run_id, [DatasetInput(Dataset(dataset, "d" + dataset[0], "local", "nowhere"), tags=tag)])
        if random_.random() < 0.5:
            status = random_.choice(["FINISHED", "FAILED", "KILLED"])
            client.set_terminated(run.info.run_id, status, end_time=2000 + index % 10)
        self.names[run.info.run_id] = f"run {index}"
        return run.info.run_id

    def make_models(self, random_):
        for index in range(8):
            name = f"{self.mark}-{'Mn'[index % 2]}{index}"
            self.client.create_registered_model(name, tags={"mark": self.mark, "kind": random_.choice(TEXTS)})
            time.sleep(0.002)
            for number in range(1, 4):
                self.client.create_model_version(
                    name, f"s3://models/{index}/{number}", run_id=self.runs[(index + number) % 5],
                    tags={"mark": self.mark, "gate": random_.choice(TEXTS)}, await_creation_for=None)
                if index == 3:
                    self.client.set_model_version_tag(name, str(number), PROMPT, "true")
                time.sleep(0.002)
            if index == 3:
                # Last, because the client changes a prompt by other calls only.
                self.client.set_registered_model_tag(name, PROMPT, "true")

    # Everything there is, in memory, for the library to search.

    def all_runs(self):
        return [self.client.get_run(run) for run in self.runs]

    def all_experiments(self):
        return [self.client.get_experiment(experiment) for experiment in self.experiments]

    def all_models(self):
        return [m for m in self.client.search_registered_models(max_results=1000) if m.name.startswith(self.mark)]

    def all_versions(self):
        return [v for v in self.client.search_model_versions(max_results=1000) if v.name.startswith(self.mark)]

    # Searches, in pages; the answer is a list of names that are the same on every server.

    def search(self, kind, text, order, size):
        text = text.replace("RUN0", self.runs[0]).replace("RUN1", self.runs[1])
        text = text.replace("EXP0", self.experiments[0]).replace("EXP1", self.experiments[1])
        mine = f"tags.mark = '{self.mark}'" + (f" and {text}" if text else "")
        if kind == "runs":
            call = lambda token: self.client.search_runs(  # noqa: E731
                self.experiments[:2], text, max_results=size, order_by=order, page_token=token)
            name = lambda run: self.names[run.info.run_id]  # noqa: E731
        elif kind == "experiments":
            call = lambda token: self.client.search_experiments(  # noqa: E731
                filter_string=mine, max_results=size, order_by=order, page_token=token)
            name = lambda experiment: self.names[experiment.experiment_id]  # noqa: E731
        elif kind == "models":
            call = lambda token: self.client.search_registered_models(  # noqa: E731
                mine, max_results=size, order_by=order, page_token=token)
            name = lambda model: model.name[len(self.mark):]  # noqa: E731
        else:
            call = lambda token: self.client.search_model_versions(  # noqa: E731
                mine, max_results=size, order_by=order, page_token=token)
            name = lambda version: f"{version.name[len(self.mark):]} {version.version}"  # noqa: E731
        found, token = [], None
        while True:
            try:
                page = call(token)
            except MlflowException as error:
                return f"refused: {error.error_code}: {error}"
            found += [name(item) for item in page]
            token = page.token
            if not token:
                return found


def in_memory(side, kind, text, order, things):
    """What the client's library finds; None where it cannot tell."""
    text = text.replace("RUN0", side.runs[0]).replace("RUN1", side.runs[1])
    text = text.replace("EXP0", side.experiments[0]).replace("EXP1", side.experiments[1])
    utils = {"runs": SearchUtils, "experiments": SearchExperimentsUtils, "models": SearchModelUtils,
             "versions": SearchModelVersionUtils}[kind]
    try:
        # Each clause by itself, because the library stops at the first that does not hold and so passes a wrong one.
        for clause in utils.parse_search_filter(text):
            clause = dict(clause)
            match = {"runs": "_does_run_match_clause", "experiments": "_does_experiment_match_clause",
                     "models": "_does_registered_model_match_clauses",
                     "versions": "_does_model_version_match_clauses"}[kind]
            getattr(utils, match)(things[0], clause)
        found = utils.sort(utils.filter(things, text), order)
    except (MlflowException, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"refused: {error}"
    if kind == "runs":
        return [side.names[run.info.run_id] for run in found]
    if kind == "experiments":
        return [side.names[experiment.experiment_id] for experiment in found]
    if kind == "models":
        return [model.name[len(side.mark):] for model in found]
    return [f"{version.name[len(side.mark):]} {version.version}" for version in found]


def can_tell(kind, text, order):
    """Whether the library does in memory what it does in a database, which is what servers run on."""
    fields = [clause.split()[0] for clause in order if clause.strip()]
    if kind == "runs":
        return len(fields) == len(set(fields)) and not {"datasets.name", "Created"} & set(fields)
    return kind == "experiments" and not any(f"experiment_id {c}" in text for c in ["LIKE", "ILIKE"]) and len(fields) == len(set(fields)) > 0


# What is compared, by kind: (field, kind of value that it takes).
FIELDS = {
    "runs": [
        ("metrics.auc", "n"), ("metric.`val/loss`", "n"), ('metrics."x.y"', "n"), ("metrics.x.y", "n"), ("metrics.none", "n"),
        ("params.p", "t"), ("param.`learning rate`", "t"), ("parameters.order", "t"), ("tags.`a b`", "t"),
        ("tag.team.name", "t"), ('tags."t"', "t"), ("tags.`mlflow.runName`", "t"), ("attributes.run_name", "t"),
        ("run_name", "t"), ("`run name`", "t"), ("status", "s"), ("attr.status", "s"), ("run.user_id", "t"), ("start_time", "i"),
        ("attributes.end_time", "e"), ("created", "i"), ("run_id", "r"), ("attributes.run_id", "r"), ("artifact_uri", "t"),
        ("datasets.name", "d"), ("dataset.digest", "d"), ("datasets.context", "d"),
    ],
    "experiments": [
        ("name", "t"), ("attribute.name", "t"), ("tags.`a b`", "t"), ("tag.team.name", "t"), ("experiment_id", "x"),
        ("creation_time", "i"), ("last_update_time", "i"),
    ],
    "models": [
        ("name", "m"), ("attribute.name", "m"), ("tags.kind", "t"), ("tag.`kind`", "t"), ("tags.none", "t"),
        (f"tags.`{PROMPT}`", "b"),
    ],
    "versions": [
        ("name", "m"), ("run_id", "r"), ("source_path", "t"), ("version_number", "v"), ("tags.gate", "t"),
        ("attribute.version_number", "v"), (f"tags.`{PROMPT}`", "b"),
    ],
}
# Fields that one kind or another does not have.
STRANGE = [
    ("datasets.size", "d"), ("lifecycle_stage", "t"), ("experiment_id", "t"), ("nothing.a", "t"), ("Metrics.auc", "n"),
    ("metrics.val/loss", "n"), ("attributes.name", "t"), ("params.a", "t"), ("description", "t"), ("current_stage", "t"),
    ("start_time", "i"), ("tags", "t"), ("'tags.a'", "t"),
]
ORDERS = {
    "runs": ["metrics.auc", "metrics.`val/loss`", "metrics.x.y", "params.p", "params.`learning rate`", "tags.`a b`",
             "tag.team.name", "start_time", "attributes.end_time", "run_name", "status", "user_id", "metrics.none"],
    "experiments": ["name", "experiment_id", "creation_time", "last_update_time"],
    "models": ["name", "timestamp"],
    "versions": ["name", "version_number", "creation_timestamp", "last_updated_timestamp"],
}
STRANGE_ORDERS = [
    "datasets.name", "nothing", "experiment_id", "Created", "attribute.name", "tags.mark", "params.x", "run_id", "timestamp",
    "last_updated_timestamp", "creation_timestamp", "a b c", "", "name,name", "metrics.auc UP", "metrics.val-auc",
]


def quoted(text):
    return f'"{text}"' if "'" in text else f"'{text}'"


def value(random_, kind):
    if random_.random() < 0.02:
        return random_.choice([quoted("a"), "3", "`b`", "a", "('a')", "1.5", "NULL", "0x1F"])
    if kind == "n":
        return random_.choice(NUMBERS)
    if kind in "ie":
        return str(random_.choice([0, 1000, 1011, 1020, 2003, 2007, 1039]))
    if kind == "v":
        return random_.choice(["1", "2", "'2'", "3", "0"])
    texts = {
        "t": TEXTS, "s": ["FINISHED", "RUNNING", "F%", "finished", "%ED"], "d": ["train", "test", "both", "dt", "training", "t%"],
        "r": ["RUN0", "RUN1", "none", "%"], "x": ["EXP0", "EXP1", "999999"], "m": ["MARK-M0", "MARK-n1", "MARK-%", "mark-m_"],
        "b": ["true", "false", "True"],
    }[kind]
    return quoted(random_.choice(texts))


def clause(random_, fields, mark):
    field, kind = random_.choice(fields if random_.random() < 0.96 else STRANGE)
    usual = {"n": 6, "i": 6, "e": 6, "v": 6}.get(kind, 0)
    if random_.random() < 0.95:
        comparator = random_.choice(COMPARATORS[:6] if usual else ["=", "!=", "LIKE", "ILIKE", "like"])
        if kind == "x" or kind in "rdm" and random_.random() < 0.5:
            comparator = random_.choice(["IN", "NOT IN", "in"])
        if field.startswith(("tag", "param")) and fields is not FIELDS["models"] and fields is not FIELDS["versions"] \
                and random_.random() < 0.2:
            comparator = random_.choice(["IS NULL", "IS NOT NULL", "is not null"])
    else:
        comparator = random_.choice(COMPARATORS)
    if fields is FIELDS["experiments"]:
        # Where the server takes them in capitals only.
        comparator = comparator.upper()
    if comparator.upper().startswith("IS"):
        return f"{field} {comparator}"
    if comparator.upper().endswith("IN"):
        text = "(" + ", ".join(value(random_, kind) for _ in range(random_.randrange(1, 4))) + ")"
    else:
        text = value(random_, kind)
    space = " " if comparator[0].isalpha() or random_.random() < 0.8 else ""
    return f"{field}{space}{comparator}{space}{text}".replace("MARK", mark).replace("mark-", mark + "-")


def search_of(random_, kind, mark):
    count = random_.choice([0, 1, 1, 1, 2, 2, 3])
    text = random_.choice([" and ", " AND ", "  and  "]).join(clause(random_, FIELDS[kind], mark) for _ in range(count))
    if random_.random() < 0.03:
        text = random_.choice([f"({text})", text.replace("and", "or") + " or tags.x = 'y'", text + ")", text + " tags.x =", "'"])
    order = random_.sample(ORDERS[kind], random_.choice([0, 0, 1, 1, 2, min(3, len(ORDERS[kind]))]))
    order = [o + random_.choice(["", " ASC", " DESC", " desc"]) for o in order]
    if random_.random() < 0.04:
        order.append(random_.choice(STRANGE_ORDERS + order))
    return text, order, random_.choice([3, 7, 50])


def agrees(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return isinstance(ours, str) and isinstance(theirs, str) and "INVALID_PARAMETER_VALUE" in ours
    return ours == theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--against", help="an MLflow server to compare with")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    print(f"mlflow {mlflow.__version__}, seed {arguments.seed}", flush=True)
    mark = f"s{time.time_ns()}"
    ours = Side(arguments.url, mark, arguments.seed)
    theirs = Side(arguments.against, mark, arguments.seed) if arguments.against else None
    random_ = random.Random(arguments.seed)
    wrong = 0
    things = {"runs": ours.all_runs(), "experiments": ours.all_experiments(), "models": ours.all_models(),
              "versions": ours.all_versions()}
    for kind in FIELDS:
        compared = found = refused = 0
        for _ in range(arguments.count):
            text, order, size = search_of(random_, kind, mark)
            answer = ours.search(kind, text, order, size)
            expected = []
            if theirs:
                expected.append(("the server", theirs.search(kind, text, order, size)))
            elif can_tell(kind, text, order):
                expected.append(("the library", in_memory(ours, kind, text, order, things[kind])))
            compared += len(expected)
            refused += isinstance(answer, str)
            found += bool(answer) and not isinstance(answer, str)
            for who, other in expected:
                if not agrees(answer, other):
                    wrong += 1
                    print(f"{kind}: filter {text!r}, order {order}\n    this: {answer}\n    {who}: {other}", flush=True)
        print(f"{kind}: {arguments.count} searches, {compared} compared, {found} found something, {refused} refused", flush=True)
    if wrong:
        sys.exit(f"{wrong} answers differ; seed {arguments.seed}")
    print("all answers agree")


if __name__ == "__main__":
    main()
