#!/usr/bin/env python3
"""Records what MLflow's Python client and server say to each other, as ReplayTests.swift replays it.

    python3 -m venv venv && venv/bin/pip install mlflow==3.17.2 scikit-learn matplotlib skops
    venv/bin/mlflow server --backend-store-uri sqlite:///m.db --artifacts-destination ./files --port 5000 &
    venv/bin/python Tests/EndToEnd/record_mlflow_traffic.py http://127.0.0.1:5000 Tests/EndToEnd/mlflow-3.17-traffic.jsonl

Needs a server without experiments: the ids of experiments are small numbers and are replayed as they are. One call a line:
`s` what the user did, `m` method, `u` path, `b` body (JSON as a value; a file as {"file": bytes}; other bytes as
{"base64": text}), `st` status, `r` answer (JSON as a value, otherwise {"type", "bytes"}). Autolog sends params and tags from a thread of its own:
the `runs/get` beside it saw half of that batch, which Nestbox commits as a whole, and its line is left out by hand.
"""

import base64
import http.client
import http.server
import json
import os
import sys
import threading
import urllib.parse

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="false",
    MPLBACKEND="agg")
upstream = urllib.parse.urlparse(sys.argv[1])
calls, step, lock = [], "", threading.Lock()


def value(data, kind, path):
    if not data:
        return None
    if "mlflow-artifacts/artifacts/" in path:
        return {"file": len(data)}
    try:
        return json.loads(data)
    except ValueError:
        return {"base64": base64.b64encode(data).decode()}


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self):
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(length)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in (
            "host", "connection", "transfer-encoding", "accept-encoding", "content-length")}
        connection = http.client.HTTPConnection(upstream.netloc)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        data = answer.read()
        kind = answer.headers.get("Content-Type", "")
        call = {"s": step, "m": self.command, "u": self.path, "st": answer.status}
        sent = value(body, self.headers.get("Content-Type", ""), self.path)
        if sent is not None:
            call["b"] = sent
        is_file = "mlflow-artifacts/artifacts/" in self.path
        # Of the headers, what the server needs to understand a body that is not JSON.
        extra = {k: v for k, v in headers.items() if k.lower() == "x-mlflow-experiment-id" or (
            not is_file and k.lower() in ("content-type", "content-encoding") and "json" not in v)}
        if extra:
            call["h"] = extra
        try:
            call["r"] = {"type": kind, "bytes": len(data)} if is_file or not data else json.loads(data)
        except ValueError:
            call["r"] = {"type": kind, "bytes": len(data)}
        with lock:
            calls.append(call)
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
threading.Thread(target=server.serve_forever, daemon=True).start()

import mlflow  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

numpy.random.seed(0)
frame = pandas.DataFrame(numpy.random.rand(60, 3), columns=["a", "b", "c"])
target = (frame["a"] > 0.5).astype(int)
client = mlflow.MlflowClient(f"http://127.0.0.1:{server.server_port}")


def did(what):
    global step
    step = what
    print(what, flush=True)


did("set_tracking_uri/set_experiment")
mlflow.set_tracking_uri(f"http://127.0.0.1:{server.server_port}")
experiment = mlflow.set_experiment("rec")
did("start_run+log_param+log_metric+set_tag")
mlflow.start_run(run_name="r1")
run_id = mlflow.active_run().info.run_id
mlflow.log_param("p", 1)
mlflow.log_params({"q": 2, "r": 3})
mlflow.log_metric("m", 0.5, step=1)
mlflow.log_metrics({"m2": 1.0, "m3": 2.0}, step=2)
mlflow.set_tag("t", "v")
did("log_text artifact")
mlflow.log_text("hi", "a/hi.txt")
did("log_input dataset")
mlflow.log_input(mlflow.data.from_pandas(frame, name="ds"), context="training")
did("sklearn.log_model(registered_model_name)")
fitted = LogisticRegression().fit(frame, target)
logged = mlflow.sklearn.log_model(
    fitted, name="model", input_example=frame.head(2), registered_model_name="regm",
    pip_requirements=["mlflow", "scikit-learn", "skops"])
did("log_metric of a model")
mlflow.log_metric("val_auc", 0.75, step=1, model_id=logged.model_id, dataset=mlflow.data.from_pandas(frame, name="ds"))
did("end_run")
mlflow.end_run()
did("alias+load_model by alias")
client.set_registered_model_alias("regm", "champion", "1")
mlflow.pyfunc.load_model("models:/regm@champion")
did("load_model by model id")
mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
did("search_logged_models")
mlflow.search_logged_models(
    experiment_ids=[experiment.experiment_id], filter_string="metrics.val_auc > 0.5",
    order_by=[{"field_name": "metrics.val_auc", "ascending": False}])
client.set_logged_model_tags(logged.model_id, {"note": "x"})
client.delete_logged_model_tag(logged.model_id, "note")
did("autolog sklearn fit")
mlflow.sklearn.autolog()
LogisticRegression().fit(frame, target)
mlflow.sklearn.autolog(disable=True)
did("search_runs")
mlflow.search_runs(experiment_names=["rec"])
did("get_metric_history")
client.get_metric_history(run_id, "m")
did("list_artifacts")
client.list_artifacts(run_id)
did("trace")


@mlflow.trace
def double(x):
    return 2 * x


double(1)
did("search_traces")
mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
did("prompts")
mlflow.genai.register_prompt("pr", "Hello {{x}}")
mlflow.genai.load_prompt("prompts:/pr/1")
mlflow.genai.set_prompt_alias("pr", "prod", 1)
did("delete_run")
client.delete_run(run_id)

server.shutdown()
text = "\n".join(json.dumps(call, ensure_ascii=False) for call in calls) + "\n"
# The script's own place is nobody's business.
text = text.replace(os.path.abspath(sys.argv[0]), "client.py").replace(sys.argv[0], "client.py")
text = text.replace(os.path.basename(sys.argv[0]), "client.py")
with open(sys.argv[2], "w") as file:
    file.write(text)
print(len(calls), "calls")
