#!/usr/bin/env python3
"""The requests of mlflow_limits.py: what is at a limit, beyond it, of the wrong type, or leads out of its folder.

`{name}` stands for what an earlier answer was kept as, `{at}` for the location of a trace, `<x:6001>` for that many letters, `<hex:ff>` for bytes, and a string
`<7*…>` in a list for seven items, each with its number for `#`.
"""
import json

rows = []


def add(method, path, body=None, keep=None, type=None):
    """One request; a body that is text is sent as it is. `keep` names values of the answer."""
    rows.append({"m": method, "u": path, "b": body, "keep": keep, "t": type})


def at(path):
    """MLflow has what only its pages ask for under the other prefix alone."""
    pages = path.startswith(("metrics/get-history-bulk", "experiments/search-datasets"))
    return ("/ajax-api/2.0/mlflow/" if pages else "/api/2.0/mlflow/") + path


def post(path, *bodies, **more):
    for body in bodies:
        add("POST", at(path), body, **more)


def get(path, *queries):
    for query in queries or [""]:
        add("GET", at(path) + query)


def long(count):
    return f"<x:{count}>"


def many(count, item):
    """A list of like objects; long ones are written down as one string."""
    if count > 20:
        return [f"<{count}*{json.dumps(item)}>"]
    return [json.loads(json.dumps(item).replace("#", str(i))) for i in range(count)]


bad_keys = ["", "a//b", "../a", "/a", "a/", ".", "a/./b", "a\\b", "a\tb", "a;b", "ü", "a b", "a:b", "a@b", "..a", "a..b", "a/..b", "~", "e\u0301", "a\u0000b", "日本", "½", long(250), long(251)]
wrong = [1, True, ["x"], {"x": 1}, None]


def setup():
    post("experiments/create", {"name": "limits"}, keep={"exp": "experiment_id"})
    post("experiments/create", {"name": "gone"}, keep={"gone": "experiment_id"})
    post("experiments/delete", {"experiment_id": "{gone}"})
    post("runs/create", {"experiment_id": "{exp}", "run_name": "r"}, keep={"run": "run.info.run_id"})
    post("runs/create", {"experiment_id": "{exp}"}, keep={"deleted": "run.info.run_id"})
    post("runs/delete", {"run_id": "{deleted}"})
    post("logged-models", {"experiment_id": "{exp}", "name": "lm"}, keep={"model": "model.info.model_id"})
    post("registered-models/create", {"name": "m"})
    post("model-versions/create", {"name": "m", "source": "s3://bucket/key"}, {"name": "m", "source": "mlflow-artifacts:/1/x/artifacts/m"})


def bodies():
    """What any endpoint makes of bodies that are not what it expects."""
    for body in ["", "{", "[]", "1", "null", '"x"', "\"{\\\"experiment_id\\\": \\\"{exp}\\\"}\"", "{}"]:
        post("runs/create", body)
    post("runs/create", {"experiment_id": "{exp}", "nonsense": {"a": [1]}}, {"experimentId": "{exp}"},
         {"experiment_id": "{exp}", "experimentId": "{exp}"}, {"experiment_id": "{exp}", "start_time": "17"},
         {"experiment_id": "{exp}", "start_time": 17.0}, {"experiment_id": "{exp}", "start_time": 17.5},
         {"experiment_id": "{exp}", "start_time": "x"}, {"experiment_id": "{exp}", "start_time": -5},
         {"experiment_id": "{exp}", "start_time": 9223372036854775808}, {"experiment_id": "{exp}", "start_time": True},
         {"experiment_id": "{exp}", "start_time": None}, {"experiment_id": "{exp}", "tags": {}},
         {"experiment_id": "{exp}", "tags": "x"}, {"experiment_id": "{exp}", "tags": ["x"]},
         {"experiment_id": "{exp}", "tags": [None]}, {"experiment_id": "{exp}", "tags": [{"key": "a"}]},
         {"experiment_id": "{exp}", "tags": [{"value": "a"}]}, {"experiment_id": "{exp}", "tags": [{}]},
         {"experiment_id": "{exp}", "tags": [{"key": 1, "value": "a"}]})


def experiments():
    post("experiments/create", {}, {"name": ""}, {"name": " "}, *[{"name": x} for x in wrong], {"name": "limits"}, {"name": "gone"},
         {"name": long(500)}, {"name": long(501)}, {"name": "tags", "tags": [{"key": "a", "value": "b"}]},
         {"name": "t1", "tags": [{"key": long(251), "value": "b"}]}, {"name": "t2", "tags": [{"key": "a", "value": long(5001)}]},
         {"name": "l1", "artifact_location": "x#y"}, {"name": "l2", "artifact_location": "mlflow-artifacts:/a/../b"},
         {"name": "l3", "artifact_location": "file:///etc"}, {"name": "l4", "artifact_location": long(2049)},
         {"name": "a/b:c ü\u0001"})
    get("experiments/get", "", "?experiment_id=", "?experiment_id=999999", "?experiment_id=x", "?experiment_id={exp}",
        "?experiment_id={gone}", "?experiment_id={exp}&experiment_id={gone}", "?experimentId={exp}",
        "?experiment_id=99999999999999999999", "?experiment_id=-1", "?experiment_id=1.5", "?experiment_id={exp}&more=1")
    get("experiments/get-by-name", "", "?experiment_name=", "?experiment_name=none", "?experiment_name=limits",
        "?experiment_name=gone")
    post("experiments/update", {}, {"experiment_id": "{exp}"}, {"experiment_id": "{exp}", "new_name": ""},
         {"experiment_id": "{exp}", "new_name": "tags"}, {"experiment_id": "{exp}", "new_name": long(501)},
         {"experiment_id": "{gone}", "new_name": "y"}, {"experiment_id": "999999", "new_name": "y"},
         {"experiment_id": "{exp}", "new_name": 5}, {"experiment_id": "{exp}", "new_name": "limits"})
    post("experiments/delete", {}, {"experiment_id": "{gone}"}, {"experiment_id": "999999"}, {"experiment_id": "x"},
         {"experiment_id": 1.5})
    post("experiments/restore", {}, {"experiment_id": "{exp}"}, {"experiment_id": "999999"})
    for key in bad_keys + [None]:
        post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": key, "value": "v"})
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "k"}, {"experiment_id": "{exp}", "key": "k", "value": ""},
         {"experiment_id": "{exp}", "key": "k", "value": long(20000)}, {"experiment_id": "{exp}", "key": "k", "value": long(20001)},
         {"experiment_id": "{gone}", "key": "k", "value": "v"}, {"experiment_id": "999999", "key": "k", "value": "v"},
         {"experiment_id": "{exp}", "key": "k", "value": 5}, {"key": "k", "value": "v"})
    post("experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "none"}, {"experiment_id": "{exp}"},
         {"experiment_id": "{gone}", "key": "k"}, {"experiment_id": "{exp}", "key": "k"})
    for size in [0, -1, 1, 50000, 50001, "5", "x", 1.5, None, True]:
        post("experiments/search", {"max_results": size})
    post("experiments/search", {}, {"max_results": 5, "view_type": "ALL"}, {"max_results": 5, "view_type": 3},
         {"max_results": 5, "view_type": "NONE"}, {"max_results": 5, "view_type": "active_only"}, {"max_results": 5, "page_token": "x"},
         {"max_results": 5, "filter": "nonsense"}, {"max_results": 5, "filter": 5}, {"max_results": 5, "order_by": "name"},
         {"max_results": 5, "order_by": ["name SIDEWAYS"]}, {"max_results": 5, "order_by": [5]}, {"max_results": 5, "page_token": ""})


    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]
    post("experiments/create", {"name": "twice", "tags": twice}, {"name": "k1", "tags": [{"key": "../a", "value": "1"}]}, {"name": "k2", "tags": [{"value": "1"}]}, {"name": "k3", "tags": [{"key": "a", "value": long(20001)}]},
         {"name": "n\u0000"}, {"name": "../n"}, {"name": "n\n"}, {"name": "l5", "artifact_location": ""}, {"name": "l6", "artifact_location": "runs:/x/y"}, {"name": "l7", "artifact_location": "s3://b/%2e%2e/c"},
         {"name": "l8", "artifact_location": "s3://b/c?x=1"}, {"name": "l9", "artifact_location": "s3://b/../c"}, {"name": "l10", "artifact_location": "/tmp/x"}, {"name": "l11", "artifact_location": "../x"}, {"name": "l12", "artifact_location": 5},
         {"name": "l13", "artifact_location": "s3://b/" + long(250)}, {"name": "l14", "artifact_location": "ftp://b/x?y=../z"}, *[{"name": f"l-{i}", "artifact_location": x} for i, x in enumerate(["ftp://b/x", "s3://b/x?y=../z", "hdfs://h/x", "https://h/x", "mlflow-artifacts://h/x", "ftp:/x", "HTTPS://h/x"])], {"name": "camel", "artifactLocation": "s3://b/camel"}, {"name": "l15", "artifact_location": "x", "artifactLocation": "y"})
    get("experiments/search", "", "?max_results=5", "?max_results=0", "?max_results=x", "?max_results=5&view_type=ALL", "?max_results=5&view_type=2", "?max_results=5&order_by=name", "?maxResults=5")
    post("experiments/delete", {"experiment_id": "0"}); post("experiments/restore", {"experiment_id": "0"})
    post("experiments/delete", {"experiment_id": "1.5"}, {"experiment_id": ""}, {"experiment_id": "-1"})
    post("experiments/restore", {"experiment_id": "{gone}"}, {"experiment_id": "x"}); post("experiments/delete", {"experiment_id": "{gone}"})


def runs():
    post("runs/create", {"experiment_id": "{exp}", "tags": [{"key": "mlflow.runName", "value": ""}]}, {"experiment_id": "{exp}", "tags": [{"key": "mlflow.user", "value": "u"}], "user_id": "v"}, {"experiment_id": "{exp}", "run_name": "a\u0000b"}, {"experiment_id": "{exp}", "run_name": "a\nb"},
         {"experiment_id": "{exp}", "runName": "camel"}, {"experiment_id": "{exp}", "runName": "a", "run_name": "b"}, {"experiment_id": "{exp}", "startTime": 5}, {"experiment_id": "{exp}", "start_time": "5.0"}, {"experiment_id": "{exp}", "start_time": "5.5"}, {"experiment_id": "{exp}", "start_time": " 5"}, {"experiment_id": "{exp}", "start_time": "+5"},
         {"experiment_id": "{exp}", "start_time": "1e3"}, {"experiment_id": "{exp}", "start_time": 1e3}, {"experiment_id": "{exp}", "start_time": "9223372036854775808"}, {"experiment_id": "{exp}", "start_time": []}, {"experiment_id": ["{exp}"]}, {"experiment_id": 1}, {"experiment_id": True}, {"experiment_id": "{exp}", "run_name": None}, {"experiment_id": None},
         {"experiment_id": "{exp}", "run_name": ["a"]}, {"experiment_id": "{exp}", "user_id": 5}, {"experiment_id": "{exp}", "tags": [{"key": "a", "value": None}]}, {"experiment_id": "{exp}", "tags": [{"key": "a", "value": 5}]})
    get("runs/get", "?runId={run}", "?run_id={run}&runId={run}", "?run_id={run}&run_id=none", "?run_id=none&run_id={run}", "?run_id=%zz", "?run_id=%C3", "?run_id={run}%20", "?run_id=%00")
    post("runs/create", {"experiment_id": "999999"}, {"experiment_id": "x"}, {"experiment_id": "{gone}"}, {"experiment_id": ""},
         {"experiment_id": 1.5}, {"experiment_id": "{exp}", "run_name": ""}, {"experiment_id": "{exp}", "run_name": long(8001)},
         {"experiment_id": "{exp}", "run_name": long(251)}, {"experiment_id": "{exp}", "run_name": 5}, {"experiment_id": "{exp}", "user_id": long(300)},
         {"experiment_id": "{exp}", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
         {"experiment_id": "{exp}", "tags": [{"key": long(251), "value": "b"}]}, {"experiment_id": "{exp}", "tags": [{"key": "a", "value": long(8001)}]},
         {"experiment_id": "{exp}", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
         {"experiment_id": "{exp}", "tags": [{"key": "../a", "value": "1"}]}, {"experiment_id": "{exp}", "tags": many(101, {"key": "k#", "value": "1"})})
    get("runs/get", "", "?run_id=", "?run_id=none", "?run_id=00000000000000000000000000000000", "?run_id={run}", "?run_uuid={run}",
        "?run_id={deleted}", "?run_id=../x", "?run_id={run}&run_uuid=none", "?run_id=" + "a" * 300)
    post("runs/update", {}, {"run_id": "{run}"}, {"run_id": "none", "status": "FINISHED"}, {"run_id": "{run}", "status": "NONSENSE"},
         {"run_id": "{run}", "status": "finished"}, {"run_id": "{run}", "status": 3}, {"run_id": "{run}", "status": 99}, {"run_id": "{run}", "status": "SCHEDULED"},
         {"run_id": "{run}", "end_time": "x"}, {"run_id": "{run}", "end_time": "17"}, {"run_id": "{run}", "run_name": ""},
         {"run_id": "{run}", "run_name": "r2"}, {"run_id": "{deleted}", "status": "FINISHED"}, {"run_id": "{run}", "status": "RUNNING"}, {"run_uuid": "{run}"},
         {"run_id": "{run}", "run_name": long(8001)}, {"run_id": 5})
    post("runs/delete", {}, {"run_id": "none"}, {"run_id": "{deleted}"}, {"run_id": ""})
    post("runs/restore", {}, {"run_id": "none"}, {"run_id": "{run}"})
    for size in [0, -1, 1, 50000, 50001, "5", "x", 1.5, None]:
        post("runs/search", {"experiment_ids": ["{exp}"], "max_results": size})
    post("runs/search", {}, {"experiment_ids": []}, {"experiment_ids": "{exp}"}, {"experiment_ids": [1.5]}, {"experiment_ids": ["x"]},
         {"experiment_ids": [None]}, {"experiment_ids": ["{exp}"], "run_view_type": "NONE"}, {"experiment_ids": ["{exp}"], "run_view_type": 3},
         {"experiment_ids": ["{exp}"], "page_token": "x"}, {"experiment_ids": ["{exp}"], "page_token": "eyJvZmZzZXQiOiAxfQ=="},
         {"experiment_ids": ["{exp}"], "filter": "metrics.a"}, {"experiment_ids": ["{exp}"], "filter": "metrics.a = 'x'"},
         {"experiment_ids": ["{exp}"], "filter": 5}, {"experiment_ids": ["{exp}"], "order_by": "x"}, {"experiment_ids": ["{exp}"], "order_by": ["nonsense"]},
         {"experiment_ids": ["{exp}"], "order_by": ["metrics.a", "metrics.a DESC"]})


def logging():
    metric = {"run_id": "{run}", "key": "a", "value": 1, "timestamp": 1}
    for change in [{"key": k} for k in bad_keys + wrong] + [{"value": v} for v in [
            "1", "NaN", "Infinity", "-Infinity", "nan", "x", None, True, [1], 1e308, "1e400", 0.1, "", -0.0]] + [{"timestamp": t} for t in [
            "5", 5.0, 5.5, "x", None, -1, 9223372036854775807, 9223372036854775808, True]] + [{"step": s} for s in [
            "5", 5.0, 5.5, "x", None, -1, True, 9223372036854775807]] + [
            {"run_id": "none"}, {"run_id": "{deleted}"}, {"run_id": None}, {"run_id": None, "run_uuid": "{run}"}, {"model_id": "none"}, {"model_id": "{model}"},
            {"dataset_name": "d"}, {"dataset_name": long(501), "dataset_digest": "d"}, {"more": 1}]:
        post("runs/log-metric", {**metric, **change})
    post("runs/log-metric", '{"run_id": "{run}", "key": "a", "value": NaN, "timestamp": 1}', '{"run_id": "{run}", "key": "a", "value": -Infinity, "timestamp": 1}',
         '{"run_id": "{run}", "key": "a", "value": 1e400, "timestamp": 1}', '{"run_id": "{run}", "key": "a", "value": 1, "timestamp": 1, "key": "b"}')
    for missing in metric:
        post("runs/log-metric", {k: v for k, v in metric.items() if k != missing})
    for number, key in enumerate(bad_keys + wrong):
        post("runs/log-parameter", {"run_id": "{run}", "key": key, "value": "v"})
        post("runs/set-tag", {"run_id": "{run}", "key": key, "value": "v"})
    for value in [None, "", 5, True, [], "ü", long(6000), long(6001), long(8000), long(8001), "a\u0000b"]:
        post("runs/log-parameter", {"run_id": "{run}", "key": f"p{len(rows)}", "value": value})
        post("runs/set-tag", {"run_id": "{run}", "key": "t", "value": value})
    post("runs/log-parameter", {"run_id": "{run}", "key": "same", "value": "1"}, {"run_id": "{run}", "key": "same", "value": "1"},
         {"run_id": "{run}", "key": "same", "value": "2"}, {"run_id": "none", "key": "a", "value": "1"}, {"run_id": "{deleted}", "key": "a", "value": "1"},
         {"run_id": "{run}", "key": "no value"}, {"key": "a", "value": "1"})
    post("runs/set-tag", {"run_id": "none", "key": "a", "value": "1"}, {"run_id": "{deleted}", "key": "a", "value": "1"}, {"run_id": "{run}", "key": "no value"},
         {"run_id": "{run}", "key": "mlflow.runName", "value": ""}, {"run_id": "{run}", "key": "mlflow.runName", "value": "renamed"})
    post("runs/delete-tag", {"run_id": "{run}", "key": "none"}, {"run_id": "{run}"}, {"run_id": "none", "key": "t"}, {"run_id": "{run}", "key": "t"}, {"run_id": "{deleted}", "key": "t"})
    get("metrics/get-history", "?run_id={run}&metric_key=a&max_results=1", "?run_id={run}", "?metric_key=a", "?run_id=none&metric_key=a",
        "?run_id={run}&metric_key=none", "?run_id={run}&metric_key=a&max_results=x", "?run_id={run}&metric_key=a&max_results=0",
        "?run_id={run}&metric_key=a&max_results=25001", "?run_id={run}&metric_key=a&max_results=5&page_token=x", "?run_uuid={run}&metric_key=none")


    post("runs/log-metric", {**metric, "model_id": "{model}"}, {**metric, "model_id": "{model}", "dataset_name": "d"}, {**metric, "model_id": "{model}", "dataset_digest": "d"}, {**metric, "dataset_digest": "d"},
         {**metric, "dataset_name": "d", "dataset_digest": "d"}, {**metric, "model_id": ""}, {**metric, "model_id": 5}, {**metric, "model_id": None}, {**metric, "modelId": "none"}, {**metric, "step": -5}, {**metric, "step": 3}, {**metric, "step": 2}, {**metric, "step": 2, "value": 7}, {**metric, "step": "-9223372036854775808"}, {**metric, "step": ""},
         {**metric, "timestamp": ""}, {**metric, "timestamp": "1.0"}, {**metric, "timestamp": 0}, {**metric, "timestamp": "-1"}, {**metric, "value": "1e5"}, {**metric, "value": "1_000"}, {**metric, "value": " 1"}, {**metric, "value": "0x10"}, {**metric, "value": "inf"}, {**metric, "value": "-inf"}, {**metric, "value": "+Infinity"}, {**metric, "value": "-nan"},
         {**metric, "value": 1e308 * 10}, {**metric, "value": -1e308 * 10}, {**metric, "value": float("nan")}, {**metric, "value": 12345678901234567890123}, {**metric, "value": {}}, {**metric, "value": False}, {**metric, "key": " "}, {**metric, "key": "a "}, {**metric, "runId": "{run}"}, {**metric, "run_id": 5}, {**metric, "run_id": ""}, {**metric, "run_uuid": "none"})
    post("runs/log-parameter", {"run_id": "{run}", "key": "big1", "value": long(65536)}, {"run_id": "{run}", "key": "big2", "value": long(65537)}, {"run_id": "{run}", "key": "big3", "value": long(500000)}, {"run_id": "{run}", "key": "x", "value": ["a"]}, {"run_id": "{run}", "key": "x", "value": {"a": 1}}, {"run_uuid": "{run}", "key": "uu", "value": "1"},
         {"run_id": "{run}", "key": "Same", "value": "2"}, {"run_id": "{run}", "key": "same", "value": 1})
    post("runs/set-tag", {"run_id": "{run}", "key": "big", "value": long(65537)}, {"run_id": "{run}", "key": "big", "value": long(500000)}, {"run_uuid": "{run}", "key": "uu", "value": "1"}, {"run_id": "{run}", "key": "mlflow.user", "value": "x"}, {"run_id": "{run}", "key": "mlflow.runName", "value": long(300)}, {"run_id": "{run}", "key": "x", "value": ["a"]})
    post("runs/delete-tag", {"run_id": "{run}", "key": ""}, {"run_id": "{run}", "key": 5}, {"run_id": "{run}", "key": "../a"}, {"run_id": "{run}", "key": long(251)}, {"run_id": "", "key": "t"}, {"run_uuid": "{run}", "key": "uu"})
    get("metrics/get-history-bulk", "", "?run_id={run}", "?metric_key=a", "?run_id={run}&metric_key=a", "?run_id=none&metric_key=a", "?run_id={run}&metric_key=a&max_results=0", "?run_id={run}&metric_key=a&max_results=x", "?run_id={run}&metric_key=a&max_results=25001", "?run_id={run}&metric_key=a&max_results=-1")
    get("metrics/get-history-bulk-interval", "", "?run_ids={run}", "?run_ids={run}&metric_key=a", "?run_ids={run}&metric_key=a&start_step=0", "?run_ids={run}&metric_key=a&start_step=5&end_step=1", "?run_ids={run}&metric_key=a&start_step=0&end_step=5", "?run_ids={run}&metric_key=a&max_results=0", "?run_ids={run}&metric_key=a&max_results=2501", "?run_ids={run}&metric_key=a&max_results=x", "?run_ids={run}&metric_key=a&start_step=x&end_step=5")
    get("metrics/get-history-bulk", "?" + "&".join(["run_id={run}"] * 101) + "&metric_key=a"); get("metrics/get-history-bulk-interval", "?" + "&".join(["run_ids={run}"] * 101) + "&metric_key=a")
    post("experiments/search-datasets", {}, {"experiment_ids": []}, {"experiment_ids": ["{exp}"] * 21}, {"experiment_ids": "{exp}"}, {"experiment_ids": ["x"]}, {"experiment_ids": ["{exp}"]})


def batches():
    def metrics(count, **more): return many(count, {"key": "m#", "value": 1, "timestamp": 1, "step": 0, **more})
    def pairs(count, prefix="q"): return many(count, {"key": prefix + "#", "value": "1"})
    post("runs/log-batch", {}, {"run_id": "{run}"}, {"run_id": "none"}, {"run_id": "{deleted}"}, {"run_id": "{deleted}", "metrics": metrics(1)},
         {"run_id": "{run}", "metrics": metrics(1000)}, {"run_id": "{run}", "metrics": metrics(1001)}, {"run_id": "{run}", "params": pairs(100)},
         {"run_id": "{run}", "params": pairs(101)}, {"run_id": "{run}", "tags": pairs(100)}, {"run_id": "{run}", "tags": pairs(101)},
         {"run_id": "{run}", "metrics": metrics(900), "params": pairs(50), "tags": pairs(50)}, {"run_id": "{run}", "metrics": metrics(901), "params": pairs(50), "tags": pairs(50)},
         {"run_id": "{run}", "metrics": "x"}, {"run_id": "{run}", "metrics": {}}, {"run_id": "{run}", "metrics": ["x"]}, {"run_id": "{run}", "metrics": [None]}, {"run_id": "{run}", "metrics": [{}]},
         {"run_id": "{run}", "metrics": None}, {"run_id": "{run}", "params": [{"key": "same", "value": "9"}]}, {"run_id": "{run}", "params": [{"key": "same", "value": "1"}]},
         {"run_id": "{run}", "params": [{"key": "w", "value": "1"}, {"key": "w", "value": "2"}]}, {"run_id": "{run}", "params": [{"key": "w2", "value": "1"}, {"key": "w2", "value": "1"}]},
         {"run_id": "{run}", "tags": [{"key": "w", "value": "1"}, {"key": "w", "value": "2"}]}, {"run_id": "{run}", "params": [{"key": "w3", "value": 5}]},
         {"run_id": "{run}", "params": [{"key": "w4"}]}, {"run_id": "{run}", "params": [{"value": "w"}]}, {"run_id": "{run}", "tags": [{"key": "w4"}]}, {"run_id": "{run}", "tags": [{"value": "w"}]},
         {"run_id": "{run}", "params": [{"key": "w5", "value": long(6001)}]}, {"run_id": "{run}", "tags": [{"key": "w5", "value": long(8001)}]},
         {"run_id": "{run}", "params": [{"key": long(251), "value": "1"}]}, {"run_id": "{run}", "tags": [{"key": long(251), "value": "1"}]}, {"run_id": "{run}", "params": [{"key": "../w", "value": "1"}]},
         {"run_id": "{run}", "params": [{"key": "big", "value": long(1000000)}]}, {"run_id": "{run}", "metrics": metrics(2, value="NaN")}, {"run_id": "{run}", "metrics": metrics(2, value="x")})
    for change in [{"value": None}, {"timestamp": None}, {"step": None}, {"key": None}, {"key": ""}, {"key": "a//b"}, {"key": long(251)}, {"value": True}, {"value": "1.5"}, {"step": 1.5},
                   {"step": "x"}, {"timestamp": 1.5}, {"timestamp": -1}, {"timestamp": "x"}, {"model_id": "none"}]:
        post("runs/log-batch", {"run_id": "{run}", "metrics": metrics(1, **change)})
    dataset = {"name": "d", "digest": "1", "source_type": "s", "source": "x"}
    def inputs(tags=None, **change): return {"run_id": "{run}", "datasets": [{"dataset": {**dataset, **change}, "tags": tags or []}]}
    post("runs/log-inputs", {}, {"run_id": "{run}"}, {"run_id": "none", "datasets": []}, {"run_id": "{run}", "datasets": [{}]}, inputs(), inputs(),
         inputs(name=long(500)), inputs(name=long(501)), inputs(digest=long(36)), inputs(digest=long(37)), inputs(name=""), inputs(digest=None), inputs(source=None), inputs(source_type=None),
         inputs(source=long(65536)), inputs(schema=long(1048576)), inputs(tags=[{"key": long(255), "value": "v"}]), inputs(tags=[{"key": long(256), "value": "v"}]),
         inputs(tags=[{"key": "k", "value": long(500)}]), inputs(tags=[{"key": "k", "value": long(501)}]), {"run_id": "{deleted}", "datasets": [{"dataset": dataset}]},
         {"run_id": "{run}", "models": [{"model_id": "{model}"}]}, {"run_id": "{run}", "models": [{"model_id": "none"}]}, {"run_id": "{run}", "models": [{}]})
    post("runs/outputs", {"run_id": "{run}", "models": [{"model_id": "{model}", "step": 0}]}, {"run_id": "{run}", "models": [{"model_id": "{model}", "step": 0}]},
         {"run_id": "{run}", "models": [{"model_id": "none", "step": 0}]}, {"run_id": "{run}", "models": [{"model_id": "{model}"}]}, {"run_id": "{run}", "models": []}, {"models": []})
    post("runs/log-batch", {"run_id": "{run}", "metrics": metrics(1000), "params": pairs(1, "over")}, {"run_id": "{run}", "metrics": metrics(1), "metric": "x"}, {"run_uuid": "{run}", "metrics": metrics(1)}, {"run_id": "{run}", "metrics": metrics(1, step=-1)}, {"run_id": "{run}", "metrics": metrics(1, step=5) + metrics(1, step=3) + metrics(1, step=5)},
         {"run_id": "{run}", "metrics": metrics(1, key=5)}, {"run_id": "{run}", "metrics": metrics(1, key="../a")}, {"run_id": "{run}", "metrics": metrics(1, key="e\u0301")}, {"run_id": "{run}", "metrics": metrics(1, value="")}, {"run_id": "{run}", "metrics": metrics(1, value="Infinity")}, {"run_id": "{run}", "metrics": metrics(1, value="inf")}, {"run_id": "{run}", "metrics": metrics(1, value=[1])},
         {"run_id": "{run}", "metrics": metrics(1, timestamp="")}, {"run_id": "{run}", "metrics": metrics(1, timestamp="5")}, {"run_id": "{run}", "metrics": metrics(1, step="5")}, {"run_id": "{run}", "metrics": metrics(1, model_id="{model}", step=9)}, {"run_id": "{run}", "metrics": metrics(1, model_id="{model}", step=9)}, {"run_id": "{run}", "metrics": metrics(1, model_id="{model}", step=10) * 2},
         {"run_id": "{run}", "metrics": metrics(1, model_id="{model}", dataset_name="d", step=11)}, {"run_id": "{run}", "params": [{"key": "", "value": "1"}]}, {"run_id": "{run}", "params": [{"key": 5, "value": "1"}]}, {"run_id": "{run}", "params": "x"}, {"run_id": "{run}", "params": [None]}, {"run_id": "{run}", "tags": "x"}, {"run_id": "{run}", "tags": [{"key": "a b", "value": "1"}]},
         {"run_id": "{run}", "tags": [{"key": "a@b", "value": "1"}]}, {"run_id": "{run}", "tags": [{"key": "mlflow.runName", "value": ""}]}, {"run_id": "{run}", "tags": [{"key": "mlflow.runName", "value": long(300)}]}, {"run_id": 5}, {"run_id": ""}, {"run_id": "{run}", "params": [{"key": "ünicode", "value": "ü" * 10}]}, {"run_id": "{run}", "params": pairs(100, "r"), "tags": pairs(100, "r"), "metrics": metrics(800)})
    post("runs/log-inputs", {"run_id": "{run}", "datasets": "x"}, {"run_id": "{run}", "datasets": [None]}, {"run_id": "{run}", "datasets": ["x"]}, {"run_id": "{run}", "models": "x"}, inputs(source=long(65535)), inputs(profile=long(70000)), inputs(name=5), inputs(tags=[{"key": "", "value": "v"}]), inputs(tags=[{"key": "../a", "value": "v"}]), inputs(tags=[{"value": "v"}]),
         inputs(digest="t1", tags=[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]), inputs(digest="t2", tags=[{"key": "a;b", "value": "1"}]), {"run_uuid": "{run}", "datasets": []}, {"run_id": "{run}", "models": [{"model_id": "{model}"}, {"model_id": "{model}"}]}, {"run_id": "{run}", "datasets": [{"dataset": dataset}] * 2})
    post("runs/outputs", {"run_id": "none", "models": [{"model_id": "{model}"}]}, {"run_id": "{deleted}", "models": [{"model_id": "{model}"}]}, {"run_id": "{run}", "models": "x"}, {"run_id": "{run}", "models": [{}]}, {"run_id": "{run}", "models": [{"model_id": "other"}, {"model_id": "other"}]}, {"run_id": "{run}", "models": [{"model_id": "m5", "step": "x"}]})
    post("runs/log-model", {"run_id": "{run}"}, {"run_id": "{run}", "model_json": "x"}, {"run_id": "{run}", "model_json": "{}"}, {"run_id": "{run}", "model_json": "[]"},
         {"run_id": "{run}", "model_json": json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "x", "run_id": "{run}"})}, {"model_json": "{}"})


def logged_models():
    post("logged-models", {}, {"experiment_id": "{exp}"}, {"experiment_id": "{gone}"}, {"experiment_id": "{exp}", "name": "a/b"}, {"experiment_id": "{exp}", "name": "a:b"}, {"experiment_id": "{exp}", "name": "a%b"},
         {"experiment_id": "{exp}", "name": long(256)}, {"experiment_id": "{exp}", "name": 5}, {"experiment_id": "{exp}", "source_run_id": "none"}, {"experiment_id": "{exp}", "source_run_id": "{deleted}"},
         {"experiment_id": "{exp}", "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, {"experiment_id": "{exp}", "params": [{"key": "a", "value": long(6001)}]},
         {"experiment_id": "{exp}", "params": [{"key": long(251), "value": "1"}]}, {"experiment_id": "{exp}", "tags": [{"key": long(251), "value": "1"}]}, {"experiment_id": "{exp}", "tags": [{"key": "a", "value": long(8001)}]},
         {"experiment_id": "{exp}", "tags": [{"key": "a"}]}, {"experiment_id": "{exp}", "model_type": long(600)}, {"experiment_id": "{exp}", "params": [{"key": "", "value": "1"}]})
    base = "logged-models/{model}"
    get(base); get("logged-models/none"); get("logged-models/a%2fb")
    post(base + "/params", {"model_id": "{model}", "params": [{"key": "a", "value": "1"}]}, {"model_id": "{model}", "params": [{"key": "a", "value": "1"}]}, {"model_id": "{model}", "params": [{"key": "a", "value": "2"}]},
         {"model_id": "{model}", "params": [{"key": "b", "value": long(6001)}]}, {"model_id": "{model}", "params": [{"key": long(251), "value": "1"}]}, {"model_id": "{model}", "params": [{"key": "c", "value": "1"}, {"key": "c", "value": "1"}]}, {"model_id": "{model}"})
    add("PATCH", "/api/2.0/mlflow/" + base + "/tags", {"model_id": "{model}", "tags": [{"key": "a", "value": "1"}]})
    for tag in [{"key": long(251), "value": "1"}, {"key": "a", "value": long(8001)}, {"key": "", "value": "1"}, {"key": "../a", "value": "1"}, {"key": "b"}]:
        add("PATCH", "/api/2.0/mlflow/" + base + "/tags", {"model_id": "{model}", "tags": [tag]})
    add("PATCH", "/api/2.0/mlflow/logged-models/none/tags", {"model_id": "none", "tags": [{"key": "a", "value": "1"}]})
    add("DELETE", "/api/2.0/mlflow/" + base + "/tags/none"); add("DELETE", "/api/2.0/mlflow/" + base + "/tags/a")
    for status in ["LOGGED_MODEL_READY", "READY", "NONSENSE", 2, 99, "LOGGED_MODEL_PENDING", None]:
        add("PATCH", "/api/2.0/mlflow/" + base, {"model_id": "{model}", "status": status})
    add("PATCH", "/api/2.0/mlflow/logged-models/none", {"model_id": "none", "status": "LOGGED_MODEL_READY"})
    add("DELETE", "/api/2.0/mlflow/logged-models/none")
    for change in [{"max_results": 0}, {"max_results": -1}, {"max_results": 50}, {"max_results": 51}, {"max_results": 1000}, {"max_results": "x"}, {"page_token": "x"}, {"filter": "metrics.a"}, {"filter": "name = 'x' OR name = 'y'"},
                   {"order_by": [{"field_name": "none"}]}, {"order_by": [{"field_name": "metrics.a"}]}, {"order_by": [{}]}, {"order_by": ["name"]}, {"order_by": [{"field_name": "name", "ascending": "x"}]},
                   {"order_by": [{"field_name": "metrics.a", "dataset_digest": "x"}]}, {"datasets": [{}]}, {"datasets": "x"}, {"experiment_ids": []}, {"experiment_ids": ["999999"]}]:
        post("logged-models/search", {"experiment_ids": ["{exp}"], **change})
    post("logged-models/search", {})


def registry():
    names = ["..", ".", "..x", "x..y", "a@b", "a?b", "a#b", "a%b", "a%2fb", "-x", "_x", "\\x", "a\nb", "日本", "'", '"', long(2000), "", " ", "a/b", "a:b", "a.b", "ü", "a b", "../a", long(256), long(257), "m", 5, None]
    for name in names:
        post("registered-models/create", {"name": name})
    post("registered-models/create", {"name": "tagged", "tags": [{"key": "a", "value": "b"}]}, {"name": "t1", "tags": [{"key": long(251), "value": "b"}]}, {"name": "t2", "tags": [{"key": "a", "value": long(100001)}]},
         {"name": "t3", "tags": [{"key": "../a", "value": "b"}]}, {"name": "t4", "description": long(5001)}, {"name": "t5", "description": 5}, {"name": "t6", "tags": "x"})
    post("registered-models/create", {"name": "twice", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, {"name": "t7", "tags": [{"key": "", "value": "1"}]}, {"name": "t8", "tags": [{"value": "1"}]}, {"name": "t9", "description": long(100001)}, {"name": "t10", "description": long(1000001)}, {"name": "t11", "tags": [{"key": "a@b", "value": "1"}]}, {"name": "M"})
    for path in ["registered-models/get?name=..", "registered-models/get?name=a:b", "registered-models/get?name=%20", "registered-models/alias?name=a/b&alias=a", "registered-models/alias?name=m&alias=a%20b", "model-versions/get?name=a/b&version=1", "registered-models/get-latest-versions?name=a/b", "registered-models/get?name=m&name=none", "registered-models/get?name=None"]:
        get(path)
    for body in [{"name": "a/b"}, {"name": "a/b", "description": "x"}]:
        add("PATCH", "/api/2.0/mlflow/registered-models/update", body)
    post("registered-models/rename", {"name": "a/b", "new_name": "z"}, {"name": "m", "new_name": "a:b"}, {"name": "m", "new_name": ".."}, {"name": "m", "new_name": " "}, {"name": "tagged", "new_name": long(300)}, {"name": long(300), "new_name": "tagged"}, {"name": "m", "new_name": 5})
    post("registered-models/set-tag", {"name": "a/b", "key": "k", "value": "v"}); post("registered-models/alias", {"name": "a/b", "alias": "a", "version": "1"})
    get("registered-models/get", "", "?name=", "?name=none", "?name=m", "?name=a/b")
    post("registered-models/rename", {}, {"name": "none", "new_name": "x"}, {"name": "m", "new_name": "tagged"}, {"name": "m", "new_name": ""}, {"name": "m", "new_name": "a/b"}, {"name": "m"}, {"name": "m", "new_name": "m"})
    for body in [{}, {"name": "none", "description": "x"}, {"name": "m"}, {"name": "m", "description": ""}, {"name": "m", "description": "x"}, {"name": "m", "description": 5}]:
        add("PATCH", "/api/2.0/mlflow/registered-models/update", body)
    for body in [{}, {"name": "none"}, {"name": ""}, {"name": "t4"}, {"name": "t4"}]:
        add("DELETE", "/api/2.0/mlflow/registered-models/delete", body)
    for query in ["", "?max_results=0", "?max_results=-1", "?max_results=1000", "?max_results=1001", "?max_results=x", "?max_results=1.5", "?page_token=x", "?filter=nonsense", "?filter=name%20LIKE%20%27m%25%27", "?filter=run_id%3D%27a%27",
                  "?order_by=nonsense", "?order_by=name%20DESC", "?order_by=name&order_by=name", "?order_by=last_updated_timestamp"]:
        get("registered-models/search", query)
    for query in ["", "?max_results=0", "?max_results=200000", "?max_results=200001", "?max_results=x", "?page_token=x", "?filter=nonsense", "?filter=name%3D%27m%27", "?filter=version_number%3D%27x%27", "?order_by=nonsense", "?order_by=version_number%20DESC"]:
        get("model-versions/search", query)
    for key in bad_keys + [None, 5]:
        post("registered-models/set-tag", {"name": "m", "key": key, "value": "v"})
        post("model-versions/set-tag", {"name": "m", "version": "1", "key": key, "value": "v"})
    for value in [None, "", 5, long(100000), long(100001)]:
        post("registered-models/set-tag", {"name": "m", "key": "k", "value": value})
        post("model-versions/set-tag", {"name": "m", "version": "1", "key": "k", "value": value})
    post("registered-models/set-tag", {"name": "none", "key": "k", "value": "v"}, {"key": "k", "value": "v"})
    post("model-versions/set-tag", {"name": "none", "version": "1", "key": "k", "value": "v"}, {"name": "m", "version": "9", "key": "k", "value": "v"}, {"name": "m", "version": "x", "key": "k", "value": "v"}, {"name": "m", "key": "k", "value": "v"})
    for body in [{"name": "m", "key": "none"}, {"name": "none", "key": "k"}, {"name": "m"}, {"name": "m", "key": "k"}]:
        add("DELETE", "/api/2.0/mlflow/registered-models/delete-tag", body)
        add("DELETE", "/api/2.0/mlflow/model-versions/delete-tag", {**body, "version": "1"})
    for alias in ["a", "", None, 5, "latest", "Latest", "v1", "V22", "va", "a b", "a.b", "ü", "-", "_", long(255), long(256), "1"]:
        post("registered-models/alias", {"name": "m", "alias": alias, "version": "1"})
    for alias in ["2", "0", "v", "V", "v1a", "vv1", "a/b", "a@b", "LATEST", "e\u0301", "日本", "½", "a\n", "a:b", ["a"]]:
        post("registered-models/alias", {"name": "m", "alias": alias, "version": "1"})
    for version in ["0", "-1", "1.0", "", None, " 1", "+1", "01", "1_0", "99999999999999999999", ["1"], True]:
        post("registered-models/alias", {"name": "m", "alias": "ver", "version": version})
        post("model-versions/set-tag", {"name": "m", "version": version, "key": "k", "value": "v"})
    get("registered-models/alias", "?name=m&alias=1", "?name=m&alias=LATEST", "?name=m&alias=v1", "?name=m&alias=a%2fb", "?alias=a", "?name=none&alias=latest", "?name=tagged&alias=latest")
    add("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": "m", "alias": "latest"}); add("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": "m", "alias": "a b"}); add("DELETE", "/api/2.0/mlflow/registered-models/alias", {"name": "m", "alias": "v1"})
    add("DELETE", "/api/2.0/mlflow/registered-models/delete-tag", {"name": "m", "key": "../a"}); add("DELETE", "/api/2.0/mlflow/model-versions/delete-tag", {"name": "m", "version": "1", "key": "a@b"}); add("DELETE", "/api/2.0/mlflow/registered-models/delete-tag", {"name": "m", "key": ""})
    post("registered-models/alias", {"name": "none", "alias": "a", "version": "1"}, {"name": "m", "alias": "a", "version": "9"}, {"name": "m", "alias": "a", "version": "x"}, {"name": "m", "alias": "a"}, {"name": "m", "alias": "a", "version": 1})
    get("registered-models/alias", "", "?name=m&alias=a", "?name=m&alias=none", "?name=none&alias=a", "?name=m", "?name=m&alias=latest")
    for body in [{"name": "m", "alias": "none"}, {"name": "none", "alias": "a"}, {"name": "m"}, {"name": "m", "alias": "a"}, {"name": "m", "alias": "a"}]:
        add("DELETE", "/api/2.0/mlflow/registered-models/alias", body)


def versions():
    for source in [None, "", "/etc/passwd", "file:///etc/passwd", "mlflow-artifacts:/1/../2", "mlflow-artifacts:/1/%2e%2e/2", "mlflow-artifacts:/1/%252e%252e/2", "s3://bucket/key", "runs:/{run}/m", "http://host/x", "models:/m/1", "models:/{model}", "models:/none/1", "./x", 5, long(501), "s3://b/../c",
                   "s3://b/x#y", "dbfs:/x", "gs://b/x?a=b"]:
        post("model-versions/create", {"name": "m", "source": source})
    source = "s3://bucket/key"
    post("model-versions/create", {}, {"name": "none", "source": source}, {"name": "m", "source": source, "run_id": "none"}, {"name": "m", "source": source, "run_id": "{run}"}, {"name": "m", "source": source, "run_link": 5}, {"name": "m", "source": source, "tags": [{"key": "a", "value": "b"}]},
         {"name": "m", "source": source, "tags": [{"key": long(251), "value": "b"}]}, {"name": "m", "source": source, "tags": [{"key": "a", "value": long(100001)}]}, {"name": "m", "source": source, "description": long(5001)}, {"name": "m", "source": source, "model_id": "none"}, {"name": "a/b", "source": source}, {"name": "", "source": source})
    for query in ["", "?name=m", "?version=1", "?name=m&version=1", "?name=m&version=999", "?name=m&version=x", "?name=m&version=0", "?name=m&version=-1", "?name=none&version=1", "?name=m&version=1.0", "?name=m&version=99999999999999999999"]:
        get("model-versions/get", query); get("model-versions/get-download-uri", query)
    for body in [{}, {"name": "m", "version": "1"}, {"name": "m", "version": "1", "description": "x"}, {"name": "m", "version": 1, "description": "x"}, {"name": "m", "version": "999", "description": "x"}, {"name": "m", "version": "1", "description": 5}]:
        add("PATCH", "/api/2.0/mlflow/model-versions/update", body)
    for stage in ["Staging", "staging", "PRODUCTION", "None", "Archived", "nonsense", "", None, 5]:
        post("model-versions/transition-stage", {"name": "m", "version": "1", "stage": stage, "archive_existing_versions": False})
    post("model-versions/transition-stage", {"name": "m", "version": "1", "stage": "Staging", "archive_existing_versions": True}, {"name": "m", "version": "1", "stage": "Staging"}, {"name": "m", "version": "1", "stage": "None", "archive_existing_versions": True},
         {"name": "m", "version": "1", "stage": "Staging", "archive_existing_versions": "x"}, {"name": "m", "version": "999", "stage": "Staging"}, {"name": "none", "version": "1", "stage": "Staging"}, {"name": "m", "version": "x", "stage": "Staging"})
    post("registered-models/get-latest-versions", {}, {"name": "m"}, {"name": "none"}, {"name": "m", "stages": ["Staging"]}, {"name": "m", "stages": ["nonsense"]}, {"name": "m", "stages": "x"}, {"name": "m", "stages": []})
    for body in [{}, {"name": "m", "version": "999"}, {"name": "m", "version": "x"}, {"name": "m", "version": "2"}, {"name": "m", "version": "2"}]:
        add("DELETE", "/api/2.0/mlflow/model-versions/delete", body)


def traces():
    info = {"trace_id": "tr-1", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}, "request_time": "2024-01-01T00:00:00Z", "state": "OK"}
    def trace(**change): return {"trace": {"trace_info": {**info, **change}}}
    V3 = "/api/3.0/mlflow/traces"
    for body in [trace(), trace(), {}, {"trace": {}}, trace(trace_id=""), trace(trace_id=None), trace(request_time="x"), trace(request_time=None), trace(state="NONSENSE"), trace(state=2), trace(execution_duration="x"), trace(execution_duration="1.5s"),
                 trace(trace_id="tr-2", tags={"a": long(8001)}), trace(trace_id="tr-3", tags={long(251): "a"}), trace(trace_id="tr-4", trace_metadata={"a": long(8001)}), trace(trace_id="tr-5", tags={"a": 5}), trace(trace_id="tr-6", trace_location=None),
                 trace(trace_id="tr-7", trace_location={"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "999999"}}), trace(trace_id="tr-8", client_request_id=long(251)), trace(trace_id=long(51)), trace(trace_id="tr-9", nonsense=1)]:
        add("POST", V3, body)
    for path in ["/tr-1", "/none", "/a%2fb"]:
        add("GET", V3 + path)
    for query in ["", "?trace_id=", "?trace_id=none", "?trace_id=tr-1", "?trace_id=tr-1&allow_partial=true", "?trace_id=tr-1&allow_partial=x"]:
        add("GET", V3 + "/get" + query)
    for query in ["", "?trace_ids=none", "?trace_ids=tr-1"]:
        add("GET", V3 + "/batchGet" + query)
    place = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}]
    for change in [{}, {"max_results": 0}, {"max_results": -1}, {"max_results": 500}, {"max_results": 501}, {"max_results": "x"}, {"page_token": "x"}, {"filter": "nonsense"}, {"filter": "status == 'OK'"}, {"filter": "status = 'OK' OR status = 'ERROR'"}, {"filter": "feedback.a > '1'"}, {"filter": "name RLIKE '('"},
                   {"filter": "span.none = 'x'"}, {"filter": "tags.`a b` = 'x'"}, {"filter": "prompt = 'x'"}, {"filter": "timestamp LIKE '1'"}, {"order_by": ["nonsense"]}, {"order_by": ["timestamp SIDEWAYS"]}, {"order_by": "timestamp"}, {"locations": []}, {"locations": None},
                   {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "999999"}}]}]:
        add("POST", V3 + "/search", {"locations": place, **change})
    for tag in [{"key": "a", "value": "1"}, {"key": "a", "value": long(8001)}, {"key": long(251), "value": "1"}, {"key": ""}, {"key": "a/../b", "value": "1"}, {"key": "b"}, {"key": "ü", "value": "1"}, {"key": "a", "value": 5}, {}]:
        add("PATCH", V3 + "/tr-1/tags", tag)
    add("PATCH", V3 + "/none/tags", {"key": "a", "value": "1"})
    for query in ["?key=none", "", "?key=a"]:
        add("DELETE", V3 + "/tr-1/tags" + query)
    for body in [{}, {"experiment_id": "{exp}"}, {"experiment_id": "{exp}", "request_ids": ["none"]}, {"experiment_id": "{exp}", "request_ids": ["x"], "max_timestamp_millis": 1}, {"experiment_id": "{exp}", "max_timestamp_millis": "x"}, {"experiment_id": "{exp}", "max_timestamp_millis": 1, "max_traces": 0}, {"experiment_id": "{exp}", "request_ids": "x"}]:
        add("POST", V3 + "/delete-traces", body)
    assessment = {"assessment_name": "a", "source": {"source_type": "HUMAN", "source_id": "me"}, "feedback": {"value": True}}
    for change in [{}, {"assessment_name": ""}, {"assessment_name": long(251)}, {"source": None}, {"source": {"source_type": "NONSENSE", "source_id": "x"}}, {"feedback": None}, {"feedback": {"value": "x"}}, {"feedback": {}}, {"expectation": {"value": 1}}, {"span_id": "x"}, {"rationale": 5}, {"metadata": {"a": 5}}]:
        add("POST", V3 + "/tr-1/assessments", {"assessment": {**assessment, **change}})
    add("POST", V3 + "/tr-1/assessments", {}); add("POST", V3 + "/none/assessments", {"assessment": assessment})
    add("GET", V3 + "/tr-1/assessments/none"); add("DELETE", V3 + "/tr-1/assessments/none"); add("PATCH", V3 + "/tr-1/assessments/none", {"assessment": {}, "update_mask": "rationale"})
    query = {"experiment_ids": ["{exp}"], "view_type": "TRACES", "metric_name": "trace_count", "aggregations": [{"aggregation_type": "COUNT"}]}
    for change in [{}, {"experiment_ids": None}, {"experiment_ids": []}, {"experiment_ids": "{exp}"}, {"experiment_ids": ["x"]}, {"view_type": None}, {"view_type": "NONSENSE"}, {"view_type": 1}, {"metric_name": ""}, {"metric_name": "none"}, {"metric_name": 5}, {"aggregations": []}, {"aggregations": [{"aggregation_type": "SUM"}]},
                   {"aggregations": [{"aggregation_type": "NONSENSE"}]}, {"metric_name": "latency", "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 50}]}, {"metric_name": "latency", "aggregations": [{"aggregation_type": "AVG"}]}, {"dimensions": ["none"]}, {"dimensions": ["trace_name", "trace_status"]},
                   {"filters": ["nonsense"]}, {"filters": ["trace.status = 'OK'"]}, {"filters": ["trace.status != 'OK'"]}, {"filters": ["span.name = 'x'"]}, {"filters": ["trace.tag.a = 'x'", "trace.metadata.`b` = 'y'"]}, {"filters": ["trace.tag = 'x'"]}, {"filters": "x"}, {"time_interval_seconds": 60}, {"time_interval_seconds": 3600, "start_time_ms": 0, "end_time_ms": 1999999999999}, {"start_time_ms": "x"}]:
        add("POST", V3 + "/metrics", {**query, **change})
    for change in [{}, {"experiment_ids": None}, {"filter_string1": ""}, {"filter_string2": None}, {"filter_string1": "nonsense"}, {"base_filter": "status = 'OK'"}, {"base_filter": ""}, {"base_filter": 5}, {"filter_string2": "status = 'ERROR'"}]:
        add("POST", V3 + "/calculate-filter-correlation", {"experiment_ids": ["{exp}"], "filter_string1": "status = 'OK'", "filter_string2": "timestamp > 5", **change})
    for body in [{"trace_ids": [], "run_id": "{run}"}, {"trace_ids": ["tr-1"], "run_id": ""}, {"trace_ids": ["tr-1"], "run_id": "{run}"}, {"trace_ids": ["tr-1"] * 101, "run_id": "{run}"}, {"trace_ids": "x", "run_id": "{run}"}]:
        post("traces/link-to-run", body)


def files():
    """Paths that leave the folder, in every encoding."""
    ways = ["%25252e%25252e/a", "..%2fa", "%2e%2e%2fa", "..%252fa", "%252e%252e%252fa", ".%2e/a", "%2e./a", "..%c0%afa", "..%5c..%5ca", "%5c%5chost%5cshare", "a%5c..%5c..%5cb", "c:/a", "C:a", "/", "a/", "...", "a/...", "..a", "a..", "~", "~/a", "%2f%2fa", "file:%2f%2f%2fetc", "FILE:///etc", "http://x/a", "s3:%2f%2fb/c", "a%0ab", "a%7fb", "%2e", "a%2f.%2fb", "a%20b", "a+b", "%e6%97%a5", "a%3bb", "..;/a", "a%23", "%2523", "..", "%2e%2e", "%252e%252e", "../a", "a/../../b", "a/%2e%2e/b", "a%2f..%2f..%2fb", "..%5ca", "%2fetc", "/etc/passwd", "//a", "a//b", "file:///etc", "%00", "a%00b", ".", "./a", "a/.", "C:%5ca", "%c0%ae%c0%ae/a", "%uff0e%uff0e/a", "%ef%bc%8e%ef%bc%8e/a", "a#b", "a?b", "none"]
    for way in ways:
        escaped = way.replace("#", "%23").replace("?", "%3F")
        get("artifacts/list", f"?run_id={{run}}&path={escaped}")
        add("GET", f"/get-artifact?run_id={{run}}&path={escaped}")
        for method in ["GET", "DELETE"]:
            add(method, "/api/2.0/mlflow-artifacts/artifacts/" + escaped)
        add("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={escaped}")
    for way in ways[:-1]:
        add("PUT", "/api/2.0/mlflow-artifacts/artifacts/" + way.replace("#", "%23").replace("?", "%3F"), "data")
    for way in ways[:-1]:
        add("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=" + way.replace("#", "%23").replace("?", "%3F"), "data")
        get("logged-models/{model}/artifacts/directories", "?artifact_directory_path=" + way.replace("#", "%23").replace("?", "%3F"))
    get("artifacts/list", "", "?run_id=", "?run_id=none", "?run_id={run}", "?run_id={deleted}", "?run_uuid={run}", "?run_id={run}&page_token=x")


def wire():
    """Bodies that are no JSON, or more of it than anybody needs; other content types; a GET with a body."""
    def body(text, type="application/json", method="POST", path="runs/log-parameter"):
        add(method, at(path), text, type=type)
    good = '{"run_id": "{run}", "key": "wire", "value": "1"}'
    for type in ["application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "application/xml", "Application/JSON", "application/json;charset=latin-1", "multipart/form-data"]:
        body(good, type)
    body("run_id={run}&key=wire&value=1", "application/x-www-form-urlencoded")
    for text in ["", "  ", "\ufeff" + good, good + " ", good + "x", good + good, "[" + good + "]", "{'run_id': 'x'}", '{"run_id": "{run}", "key": "wire", "value": "1",}', '{"run_id": "{run}", "key": "wire", "value": "<hex:ff>"}', '{"run_id": "{run}", "key": "<hex:c3>", "value": "1"}',
                 '{"run_id": "{run}", "key": "wire", "value": "\\ud800"}', '{"run_id": "{run}", "key": "wire", "value": "\\u0000"}', '{"run_id": "{run}", "key": "wire", "value": "a<hex:0a>b"}', '{"run_id": "{run}", "key": "wire", "value": "\\x"}', '{"run_id": "{run}", "key": "none", "key": "wire", "value": "2", "value": "1"}',
                 '{"run_id": "none", "run_id": "{run}", "key": "wire", "value": "1"}', '{"run_id": "{run}", "key": "wire", "value": "1", "deep": <[:40><]:40>}', '{"run_id": "{run}", "key": "wire", "value": "1", "deep": <[:5000><]:5000>}', "<[:100000>", '{"a":<[:20000>', '{"run_id": "{run}", "key": "wire", "value": "1", "big": <9:400>}',
                 '{"run_id": "{run}", "key": "wire", "value": 1e999}', '{"run_id": "{run}", "key": "wire", "value": "1", "": 1}', '{"run_id": "{run}", "key": "wire", "value": "1", "more": "<x:2000000>"}', "true", "{}", "{ }"]:
        body(text)
    for path, query in [("runs/get", "?run_id={run}"), ("experiments/get", "?experiment_id={exp}"), ("registered-models/get", "?name=m")]:
        body("{}", method="GET", path=path + query); body("{", method="GET", path=path + query); body("{}", method="GET", path=path)
    body('{"run_id": "{run}"}', method="GET", path="runs/get"); body('{"name": "m"}', method="GET", path="registered-models/get"); body('{"max_results": 1}', method="GET", path="registered-models/search")
    for method, path in [("GET", "runs/create"), ("PUT", "runs/create"), ("DELETE", "runs/get"), ("POST", "runs/get"), ("PATCH", "runs/log-metric"), ("POST", "none"), ("GET", "registered-models/create"), ("POST", "registered-models/delete")]:
        add(method, at(path))


def edges():
    """At the limit and one beyond it, where no other part has been."""
    metric = {"key": "edge", "value": 1, "timestamp": 1, "step": 0}
    for number in ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e3", "-1", "1e400", "NaN", "Infinity", '"9223372036854775808"', '"-9223372036854775809"', '"NaN"', '"Infinity"', "1.0"]:
        for field in ["step", "timestamp"]:
            text = json.dumps({**metric, field: "?"}).replace('"?"', number)
            add("POST", at("runs/log-metric"), '{"run_id": "{run}", ' + text[1:])
            add("POST", at("runs/log-batch"), '{"run_id": "{run}", "metrics": [' + text + "]}")
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "1e-400", "123456789012345678901234567890", '"NaN"', '"-Infinity"', '"infinity"', '"nan"', '"1e400"', "-0"]:
        add("POST", at("runs/log-batch"), '{"run_id": "{run}", "metrics": [' + json.dumps({**metric, "value": "?"}).replace('"?"', number) + "]}")
    post("runs/log-batch", *[{"run_id": "{run}", "metrics": [{**metric, "step": step, "value": value}]} for step, value in [(5, 1), (5, 1), (5, 2), (3, 1), (-2, 1)]])
    letters = lambda count: f"<x:{count}>"
    post("runs/log-metric", {"run_id": "{run}", **metric, "key": letters(250)}, {"run_id": "{run}", **metric, "key": "<ü:250>"}, {"run_id": "{run}", **metric, "key": "<ü:251>"})
    post("runs/log-parameter", {"run_id": "{run}", "key": letters(250), "value": "1"}, {"run_id": "{run}", "key": "<é:250>", "value": "<é:6000>"}, {"run_id": "{run}", "key": "<é:251>", "value": "1"})
    post("runs/set-tag", {"run_id": "{run}", "key": letters(250), "value": letters(5000)}, {"run_id": "{run}", "key": "<é:251>", "value": "1"})
    tags = lambda count, key, value: [{"key": letters(key) if key else "k#", "value": letters(value)}] * count
    post("runs/create", {"experiment_id": "{exp}", "tags": tags(1, 250, 8000)}, {"experiment_id": "{exp}", "tags": many(100, {"key": "k#", "value": "1"})}, {"experiment_id": "{exp}", "run_name": letters(1000)}, {"experiment_id": "{exp}", "user_id": letters(256)}, {"experiment_id": "{exp}", "user_id": letters(257)})
    post("experiments/create", {"name": "edge1", "tags": tags(1, 250, 5000)}, {"name": "edge2", "tags": tags(1, 1, 5001)}, {"name": "<é:500>"}, {"name": "<é:501>"}, {"name": "edge3", "artifact_location": "s3://b/" + letters(2041)}, {"name": "edge4", "artifact_location": "s3://b/" + letters(2042)}, {"name": "edge5", "tags": many(101, {"key": "k#", "value": "1"})})
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": letters(250), "value": "<é:20000>"}, {"experiment_id": "{exp}", "key": "k", "value": "<é:20001>"})
    dataset = {"name": "e", "digest": "1", "source_type": "s", "source": "x"}
    post("runs/log-inputs", *[{"run_id": "{run}", "datasets": [{"dataset": {**dataset, **change}}]} for change in [{"source_type": letters(36)}, {"source_type": letters(37)}, {"source_type": ""}, {"schema": letters(1048575)}, {"profile": letters(1000000)}, {"digest": ""}, {"source": ""}, {"name": "<é:500>"}]],
         {"run_id": "{run}", "datasets": many(1000, {"dataset": {**dataset, "digest": "many#"}})}, {"run_id": "{run}", "datasets": many(1001, {"dataset": {**dataset, "digest": "lots#"}})}, {"run_id": "{run}", "models": many(101, {"model_id": "m-#"})})
    post("logged-models", {"experiment_id": "{exp}", "name": letters(255)}, {"experiment_id": "{exp}", "name": ""}, {"experiment_id": "{exp}", "name": "a.b"}, {"experiment_id": "{exp}", "name": "a'b"}, {"experiment_id": "{exp}", "params": [{"key": letters(250), "value": letters(6000)}]}, {"experiment_id": "{exp}", "tags": tags(1, 250, 8000)},
         {"experiment_id": "{exp}", "params": many(101, {"key": "k#", "value": "1"})}, {"experiment_id": "{exp}", "tags": many(101, {"key": "k#", "value": "1"})}, {"experiment_id": "{exp}", "model_type": letters(500)}, {"experiment_id": "{exp}", "model_type": letters(501)})
    post("registered-models/create", {"name": letters(255)}, {"name": "edge1", "description": letters(5000)}, {"name": "edge2", "tags": tags(1, 250, 100000)}, {"name": "edge3", "tags": many(101, {"key": "k#", "value": "1"})})
    version = {"name": "m", "source": "s3://b/" + letters(493)}
    post("model-versions/create", version, {**version, "source": version["source"] + "x"}, {**version, "description": letters(5000)}, {**version, "tags": tags(1, 250, 100000)}, {**version, "run_link": letters(500)}, {**version, "run_link": letters(501)}, {**version, "run_id": letters(32)}, {**version, "run_id": letters(33)})
    for alias in [letters(255), letters(256), "<é:255>", "a" * 33]:
        post("registered-models/alias", {"name": "m", "alias": alias, "version": "1"})
    V3 = "/api/3.0/mlflow/traces"
    for tag in [{"key": letters(250), "value": letters(8000)}, {"key": "<é:251>", "value": "1"}]:
        add("PATCH", V3 + "/tr-1/tags", tag)
    info = {"trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}, "request_time": "2024-01-01T00:00:00Z", "state": "OK"}
    for number, change in enumerate([{"trace_id": letters(50)}, {"client_request_id": letters(50)}, {"client_request_id": letters(51)}, {"trace_metadata": {letters(250): "1"}}, {"trace_metadata": {letters(251): "1"}}, {"trace_metadata": {"a": letters(8000)}}, {"tags": {letters(250): letters(8000)}}, {"request_preview": letters(1000)}, {"request_preview": letters(10001)}, {"tags": {"mlflow.traceName": letters(9000)}}]):
        add("POST", V3, {"trace": {"trace_info": {"trace_id": f"edge-{number}", **info, **change}}})
    assessment = {"assessment_name": "a", "source": {"source_type": "HUMAN", "source_id": "me"}, "feedback": {"value": True}}
    for change in [{"assessment_name": letters(250)}, {"source": {"source_type": "HUMAN", "source_id": letters(250)}}, {"source": {"source_type": "HUMAN", "source_id": letters(251)}}, {"source": {"source_type": "CODE"}}, {"source": {"source_type": 1, "source_id": "x"}}, {"rationale": letters(100000)}, {"metadata": {letters(300): "x"}}, {"span_id": letters(51)}, {"feedback": {"value": 1.5}}, {"feedback": {"value": [1]}}, {"feedback": {"value": {"a": None}}}, {"feedback": {"value": None}}, {"feedback": {"error": {"error_code": "x"}}}, {"overrides": "none"}, {"valid": "x"}]:
        add("POST", V3 + "/tr-1/assessments", {"assessment": {**assessment, **change}})
    post("traces/link-to-run", {"trace_ids": many(100, "none#"), "run_id": "{run}"}, {"trace_ids": many(101, "none#"), "run_id": "{run}"}, {"trace_ids": ["tr-1"], "run_id": "none"})


def prompts():
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    text = {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}
    for change in [{}, {"name": "a/b"}, {"name": ""}, {"name": "p"}, {"tags": [tag, tag]}, {"tags": [{**tag, "value": "TRUE"}]}, {"description": "<x:5001>"}, {"name": "m"}, {"name": "p q"}, {"name": "prömpt"}, {"name": "<x:201>"}]:
        post("registered-models/create", {"name": "p", "tags": [tag], **change})
    base = {"name": "p", "source": "dummy-source", "tags": [tag, text]}
    for change in [{}, {"source": "prompt-template"}, {"source": "s3://b/k"}, {"source": "x"}, {"source": "/etc"}, {"source": ""}, {"tags": [tag]}, {"tags": [text]}, {"tags": []}, {"tags": [{**tag, "value": "false"}, text]}, {"tags": [{**tag, "value": "True"}, text]}, {"tags": [tag, {**text, "value": "<x:100000>"}]}, {"tags": [tag, {**text, "value": "<x:100001>"}]}, {"tags": [tag, {"key": "<x:251>", "value": "1"}]},
                   {"name": "m"}, {"name": "none"}, {"run_id": "none"}, {"description": "<x:5001>"}]:
        post("model-versions/create", {**base, **change})
    for source in ["models:/p/1", "models:/p@a", "models:/p"]:
        post("model-versions/create", {"name": "m", "source": source})
    post("registered-models/alias", {"name": "p", "alias": "production", "version": "1"}, {"name": "p", "alias": "latest", "version": "1"}, {"name": "p", "alias": "v2", "version": "1"}, {"name": "p", "alias": "a", "version": "99"})
    for filter in ["tags.`mlflow.prompt.is_prompt` = 'true'", "prompt = 'x'", "name = 'p' AND tags.`mlflow.prompt.is_prompt` = 'true'"]:
        get("registered-models/search", "?filter=" + filter.replace(" ", "%20").replace("'", "%27").replace("=", "%3D").replace("`", "%60"))
    post("model-versions/set-tag", {"name": "p", "version": "1", "key": "mlflow.prompt.text", "value": "<x:100001>"}, {"name": "p", "version": "1", "key": "a", "value": "<x:100001>"})
    post("traces/link-prompts", {}, {"trace_id": "tr-1"}, {"trace_id": "tr-1", "prompt_versions": []}, {"trace_id": "none", "prompt_versions": [{"name": "p", "version": "1"}]}, {"trace_id": "tr-1", "prompt_versions": [{"name": "p", "version": "1"}]}, {"trace_id": "tr-1", "prompt_versions": "x"}, {"trace_id": "tr-1", "prompt_versions": [{"name": "none", "version": "9"}]})


def sources():
    """What a version may be made from, and together with which run or model."""
    own = "mlflow-artifacts:/{exp}/{run}/artifacts"
    for body in [{"source": own, "run_id": "{run}"}, {"source": own + "/m", "run_id": "{run}"}, {"source": own + "x", "run_id": "{run}"}, {"source": own + "/m", "run_id": "{deleted}"}, {"source": own + "/m", "run_id": "none"}, {"source": own + "/m"}, {"source": own + "/m", "run_id": ""}, {"source": own + "/m", "model_id": "{model}"}, {"source": own + "/%2e%2e/m", "run_id": "{run}"}, {"source": own + "/./m", "run_id": "{run}"},
                 {"source": own + "//m", "run_id": "{run}"}, {"source": "MLFLOW-ARTIFACTS:/{exp}/{run}/artifacts/m", "run_id": "{run}"}, {"source": "mlflow-artifacts://host/{exp}/{run}/artifacts/m", "run_id": "{run}"}, {"source": "mlflow-artifacts:///{exp}/{run}/artifacts/m", "run_id": "{run}"}, {"source": "mlflow-artifacts:/{exp}/models/{model}/artifacts", "model_id": "{model}"}, {"source": "mlflow-artifacts:/{exp}/models/{model}/artifacts/a", "model_id": "{model}", "run_id": "{run}"},
                 {"source": "mlflow-artifacts:/{exp}/models/{model}/artifacts"}, {"source": "mlflow-artifacts:/{exp}/models/{model}/artifacts", "model_id": "m-none"}, {"source": "runs:/{run}/m", "run_id": "{run}"}, {"source": "runs:/{run}", "run_id": "{run}"}, {"source": "runs:/{run}/m", "run_id": "{deleted}"}, {"source": "runs:/{deleted}/m", "run_id": "{deleted}"}, {"source": "runs:/{run}/../m", "run_id": "{run}"}, {"source": "runs:/{run}/a/./m", "run_id": "{run}"}, {"source": "runs://host/{run}/m", "run_id": "{run}"}, {"source": "runs:/", "run_id": "{run}"}, {"source": "runs:/{run}/m", "run_id": "{run}", "model_id": "{model}"},
                 {"source": "models:/{model}", "model_id": "{model}"}, {"source": "models:/{model}", "model_id": "m-none"}, {"source": "models:/{model}", "run_id": "{run}"}, {"source": "models:/m-none", "model_id": "m-none"}, {"source": "models:/m/1"}, {"source": "models:/m/1", "run_id": "{run}"}, {"source": "models:/m/1", "model_id": "{model}"}, {"source": "models:/m/1", "run_id": ""}, {"source": "models:/m/latest"}, {"source": "models:/m/Staging"}, {"source": "models:/m@none"}, {"source": "models:/m/1/x"}, {"source": "models:/m/"}, {"source": "models://m/1"}, {"source": "models:///m/1"}, {"source": "models:/none/1"}, {"source": "models:/m/999"},
                 {"source": "s3://bucket"}, {"source": "s3://bucket/"}, {"source": "s3:/bucket/a"}, {"source": "s3:bucket/a"}, {"source": "s3://b/./a"}, {"source": "s3://b/a?x=../y"}, {"source": "s3://b/a%00"}, {"source": "s3://b/a//c"}, {"source": "s3://b/a/"}, {"source": "s3://b/a", "run_id": "none"}, {"source": "s3://b/a", "model_id": "m-none"}, {"source": "s3://b/a", "model_id": "{model}"}, {"source": "wasbs://c@a.blob.core.windows.net/x"}, {"source": "hdfs://h:1/x"}, {"source": "file:/x"}, {"source": "FILE:///x"}, {"source": "C:\\x"}, {"source": "https://h/api/2.0/mlflow-artifacts/artifacts/1"}, {"source": "sftp://h/x"}, {"source": "dbfs:/x"}, {"source": "x:y"}]:
        post("model-versions/create", {"name": "m", **body})


def webhooks():
    base = {"name": "hook", "url": "https://93.184.215.14/hook", "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]}
    post("webhooks", base, keep={"hook": "webhook.webhook_id"})
    for change in [{"name": None}, {"name": ""}, {"name": " "}, {"name": "a/b"}, {"name": "ü"}, {"name": "-a"}, {"name": "a b"}, {"name": "a.b"}, {"name": "_a"}, {"name": "a" * 63}, {"name": "a" * 64}, {"name": "<a:255>"}, {"name": "<a:256>"}, {"name": 5}, {"url": None}, {"url": ""}, {"url": "x"}, {"url": "http://93.184.215.14/x"}, {"url": "ftp://93.184.215.14/x"}, {"url": "https://"}, {"url": " https://93.184.215.14"}, {"url": "https://93.184.215.14/<x:500>"}, {"url": "https://93.184.215.14/<x:5000>"}, {"url": 5},
                   {"events": None}, {"events": []}, {"events": "x"}, {"events": [{}]}, {"events": [{"entity": "REGISTERED_MODEL"}]}, {"events": [{"entity": "NONSENSE", "action": "CREATED"}]}, {"events": [{"entity": "REGISTERED_MODEL", "action": "NONSENSE"}]}, {"events": [{"entity": "REGISTERED_MODEL", "action": "DELETED"}]}, {"events": [{"entity": "MODEL_VERSION", "action": "CREATED"}] * 2}, {"events": ["x"]}, {"events": [{"entity": 1, "action": 1}]},
                   {"description": "<x:500>"}, {"description": "<x:1000>"}, {"description": "<x:1001>"}, {"description": 5}, {"secret": ""}, {"secret": "<x:1000>"}, {"secret": "<x:1001>"}, {"secret": 5}, {"status": "ACTIVE"}, {"status": "DISABLED"}, {"status": "NONSENSE"}, {"status": 1}, {"status": 9}, {"nonsense": 1}]:
        post("webhooks", {**base, **change})
    post("webhooks", {}, "[]")
    for query in ["", "?max_results=1", "?max_results=0", "?max_results=-1", "?max_results=1000", "?max_results=1001", "?max_results=x", "?page_token=x"]:
        get("webhooks", query)
    get("webhooks/none"); get("webhooks/{hook}"); post("webhooks/none/test", {})
    for body in [{}, {"name": ""}, {"name": "a/b"}, {"name": "renamed"}, {"url": "x"}, {"url": ""}, {"events": []}, {"events": [{"entity": "NONSENSE", "action": "CREATED"}]}, {"events": [{"entity": "REGISTERED_MODEL", "action": "DELETED"}]}, {"status": "NONSENSE"}, {"status": "DISABLED"}, {"secret": ""}, {"description": 5}, {"name": 5}]:
        add("PATCH", at("webhooks/{hook}"), body)
    add("PATCH", at("webhooks/none"), {"name": "x"}); add("DELETE", at("webhooks/none")); add("DELETE", at("webhooks/{hook}")); add("DELETE", at("webhooks/{hook}")); get("webhooks/{hook}")


def searches():
    """Filters, orders, page sizes and page tokens of every search."""
    filters = ["name", "name =", "name = x", "= 'x'", "name == 'x'", "name = 'x' OR name = 'y'", "name = 'x' AND", "AND name = 'x'", "(name = 'x')", "name = 'x", 'name = "x"', "name IN ('x')", "name IN ()", "name IN 'x'", "name NOT IN ('x')", "name LIKE 'x%'", "name ILIKE 'x%'", "name LIKE 5", "name > 'x'", "name != 'x'", "none = 'x'", "none.a = 'x'", "attributes.none = 'x'", "attribute.name = 'x'", "tags.a = 'x'",
               "tag.a = 'x'", "tags.a = 5", "tags.a > 'x'", "tags.a IS NULL", "tags.a IS NOT NULL", "tags.a IN ('x')", "tags = 'x'", "tags. = 'x'", "tags.`a b` = 'x'", "tags.\"a\" = 'x'", "params.a = 'x'", "params.a = 5", "params.a LIKE 'x'", "metrics.a > 5", "metrics.a > 'x'", "metrics.a = nan", "metrics.a LIKE 'x'", "metrics.a IN (1)", "name = 'x'; DROP TABLE runs", "name = 'x' name = 'y'", "name = '\u0000'", "status = 'OK'", "creation_time > 5", "creation_time > 'x'", "last_update_time = 5", "timestamp > 5",
               "start_time > 5", "start_time > 'x'", "start_time LIKE '5'", "run_id = 'x'", "run_id IN ('x')", "version_number > 1", "version_number = 'x'", "source_path = 'x'", "current_stage = 'None'", "model_type = 'x'", "datasets.name = 'x'", "dataset.digest IN ('x')", "feedback.a = 'x'", "metadata.a = 'x'", "trace.status = 'OK'", "span.name = 'x'", "span.type LIKE 'x'", "prompt = 'p/1'", "client_request_id = 'x'", "not name = 'x'", "<(:60>name = 'x'<):60>", "name = 'x'" + " AND name = 'x'" * 100, " ", "1 = 1", "name BETWEEN 'a' AND 'b'", "tags.a RLIKE 'x'"]
    orders = ["name", "name DESC", "name asc", "name SIDEWAYS", "none", "metrics.a", "metrics.a DESC", "params.a", "tags.a", "attributes.start_time", "start_time", "creation_time DESC", "creation_timestamp", "last_update_time", "last_updated_timestamp ASC", "timestamp", "timestamp_ms", "version_number DESC", "status", "run_id", "", " ", "name, run_id", "name DESC DESC", "experiment_id", "experiment_id ASC", "`name`", "metrics.`a b`", "dataset.name", "attribute.none", "metrics", "end_time", "execution_time"]
    place = {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}]}
    def quoted(text): return "".join(c if c.isalnum() or c in "._-<>:{}" and not text.startswith("<") else f"%{c.encode().hex()}" if len(c.encode()) == 1 else c for c in text).replace("<", "%3c").replace(">", "%3e")
    for filter in filters:
        post("experiments/search", {"max_results": 5, "filter": filter})
        if len(filter) > 500: continue
        post("runs/search", {"experiment_ids": ["{exp}"], "filter": filter}); post("logged-models/search", {"experiment_ids": ["{exp}"], "filter": filter})
        add("POST", "/api/3.0/mlflow/traces/search", {**place, "filter": filter})
        if not filter.startswith("<"): get("registered-models/search", "?filter=" + quoted(filter)); get("model-versions/search", "?filter=" + quoted(filter))
    for order in orders:
        post("experiments/search", {"max_results": 5, "order_by": [order]}); post("runs/search", {"experiment_ids": ["{exp}"], "order_by": [order]}); post("logged-models/search", {"experiment_ids": ["{exp}"], "order_by": [{"field_name": order}]})
        add("POST", "/api/3.0/mlflow/traces/search", {**place, "order_by": [order]}); get("registered-models/search", "?order_by=" + quoted(order)); get("model-versions/search", "?order_by=" + quoted(order))
    for size in ["0", "-1", "1", "100", "101", "500", "501", "1000", "1001", "x", "1.5", ""]:
        for path in ["/api/2.0/mlflow/registered-models/search?", "/api/2.0/mlflow/model-versions/search?", "/api/2.0/mlflow/traces?experiment_ids={exp}&", "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}&metric_key=a&", "/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=a&"]:
            add("GET", path + "max_results=" + size)
    for token in ["x", "eyJvZmZzZXQiOiAtMX0=", "e30=", "AAAA", "MTA=", "%00", ""]:
        post("experiments/search", {"max_results": 5, "page_token": token}); post("runs/search", {"experiment_ids": ["{exp}"], "page_token": token}); post("logged-models/search", {"experiment_ids": ["{exp}"], "page_token": token})
        add("POST", "/api/3.0/mlflow/traces/search", {**place, "page_token": token})
        get("registered-models/search", "?page_token=" + token); get("model-versions/search", "?page_token=" + token); get("metrics/get-history", "?run_id={run}&metric_key=a&max_results=5&page_token=" + token)


def types():
    """A valid body of every call with each of its fields, and what lies in them, replaced; and with a field that nobody knows."""
    run, tags, V3 = "{run}", [{"key": "a", "value": "b"}], "/api/3.0/mlflow/traces"
    dataset = {"name": "t", "digest": "1", "source_type": "s", "source": "x", "schema": "s", "profile": "p"}
    info = {"trace_id": "types", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}, "request_time": "2024-01-01T00:00:00Z", "execution_duration": "1s", "state": "OK", "tags": {"a": "b"}, "trace_metadata": {"a": "b"}, "request_preview": "x"}
    calls = [("POST", "experiments/create", {"name": "types?", "artifact_location": "s3://b/t", "tags": tags}), ("POST", "experiments/update", {"experiment_id": "{exp}", "new_name": "limits"}), ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "a", "value": "b"}), ("POST", "experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "a"}),
             ("POST", "experiments/search", {"max_results": 5, "filter": "name = 'a'", "order_by": ["name"], "view_type": "ALL", "page_token": ""}), ("POST", "runs/create", {"experiment_id": "{exp}", "run_name": "t", "user_id": "u", "start_time": 5, "tags": tags}), ("POST", "runs/update", {"run_id": run, "status": "FINISHED", "end_time": 5, "run_name": "t"}),
             ("POST", "runs/restore", {"run_id": run}), ("POST", "runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1, "step": 1, "model_id": "", "dataset_name": "d", "dataset_digest": "d"}), ("POST", "runs/log-parameter", {"run_id": run, "key": "t", "value": "1"}), ("POST", "runs/set-tag", {"run_id": run, "key": "t", "value": "1"}),
             ("POST", "runs/log-batch", {"run_id": run, "metrics": [{"key": "t", "value": 1, "timestamp": 1, "step": 1}], "params": [{"key": "tt", "value": "1"}], "tags": tags}), ("POST", "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset, "tags": tags}]}), ("POST", "runs/outputs", {"run_id": run, "models": [{"model_id": "{model}", "step": 1}]}),
             ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "", "run_view_type": "ALL", "max_results": 5, "order_by": ["start_time"], "page_token": ""}), ("POST", "logged-models", {"experiment_id": "{exp}", "name": "t", "model_type": "x", "source_run_id": run, "params": tags, "tags": tags}), ("POST", "logged-models/{model}/params", {"model_id": "{model}", "params": [{"key": "t", "value": "1"}]}),
             ("PATCH", "logged-models/{model}/tags", {"model_id": "{model}", "tags": tags}), ("PATCH", "logged-models/{model}", {"model_id": "{model}", "status": "LOGGED_MODEL_READY"}), ("POST", "logged-models/search", {"experiment_ids": ["{exp}"], "filter": "", "max_results": 5, "order_by": [{"field_name": "name", "ascending": True}], "page_token": "", "datasets": [{"dataset_name": "d", "dataset_digest": "d"}]}),
             ("POST", "registered-models/create", {"name": "types?", "description": "x", "tags": tags}), ("PATCH", "registered-models/update", {"name": "m", "description": "x"}), ("POST", "registered-models/set-tag", {"name": "m", "key": "a", "value": "b"}), ("DELETE", "registered-models/delete-tag", {"name": "m", "key": "none"}), ("POST", "registered-models/alias", {"name": "m", "alias": "t", "version": "1"}), ("DELETE", "registered-models/alias", {"name": "m", "alias": "t"}),
             ("POST", "model-versions/create", {"name": "m", "source": "s3://b/t", "run_id": "x", "run_link": "x", "description": "x", "tags": tags}), ("PATCH", "model-versions/update", {"name": "m", "version": "1", "description": "x"}), ("POST", "model-versions/transition-stage", {"name": "m", "version": "1", "stage": "Staging", "archive_existing_versions": False}), ("POST", "model-versions/set-tag", {"name": "m", "version": "1", "key": "a", "value": "b"}),
             ("DELETE", "model-versions/delete-tag", {"name": "m", "version": "1", "key": "none"}), ("POST", "registered-models/get-latest-versions", {"name": "m", "stages": ["None"]}), ("POST", V3, {"trace": {"trace_info": info}}), ("POST", V3 + "/search", {"locations": [info["trace_location"]], "filter": "", "max_results": 5, "order_by": ["timestamp"], "page_token": ""}),
             ("PATCH", V3 + "/tr-1/tags", {"key": "a", "value": "b"}), ("POST", V3 + "/tr-1/assessments", {"assessment": {"assessment_name": "t", "source": {"source_type": "HUMAN", "source_id": "me"}, "rationale": "x", "feedback": {"value": 1}, "metadata": {"a": "b"}}}), ("POST", V3 + "/delete-traces", {"experiment_id": "{exp}", "request_ids": ["none"]}), ("POST", "traces/link-to-run", {"trace_ids": ["tr-1"], "run_id": run})]
    known = {json.dumps([row["m"], row["u"], row["b"]]) for row in rows}
    for method, path, body in calls:
        path = path if path.startswith("/") else at(path)
        for changed in [body, {**body, "nonsense": {"a": [1]}}, *replaced(body)]:
            if changed.get("name") == "types?": changed = {**changed, "name": f"types{len(rows)}"}
            # MLflow has the key from the call before, in which it dropped another.
            if changed.get("params") == [{"key": None, "value": "1"}]: continue
            if json.dumps([method, path, changed]) not in known: add(method, path, changed)


def replaced(value):
    """The value with each of its fields as something else, one at a time."""
    for key, inner in value.items():
        others = [5, ["x"], {"x": 1}, None, "x"] + [True] * isinstance(inner, (int, float)) if key not in ("metadata", "tags", "trace_metadata") or not isinstance(inner, dict) else ["x", 5, [], {"a": 5}]
        yield from ({**value, key: other} for other in others if other.__class__ is not inner.__class__)
        if isinstance(inner, list) and isinstance(inner[0], dict):
            yield from ({**value, key: [part]} for part in [{**inner[0], "nonsense": 1}, *replaced(inner[0])])
        elif isinstance(inner, list):
            yield from ({**value, key: [other]} for other in [5, None])
        elif isinstance(inner, dict):
            yield from ({**value, key: part} for part in [{**inner, "nonsense": 1}, *replaced(inner)])


for part in [setup, bodies, experiments, runs, logging, batches, logged_models, registry, versions, traces, files, wire, edges, prompts, sources, webhooks, searches, types]:
    part()
