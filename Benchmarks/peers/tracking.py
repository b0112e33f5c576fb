#!/usr/bin/env python3
"""log-metric throughput: Nestbox and MLflow's own server, side by side on one machine.

Both get the same requests from the same load generator (wrk), in alternating runs. Prints one JSON line per
measurement and one with the ratios of the medians. After each run the points that the server really stored are counted.

    python3 Benchmarks/peers/tracking.py --nestbox .build/release/nestbox --mlflow VENV/bin/mlflow

needs wrk (Debian) and a virtual environment with mlflow (PyPI).
"""
import argparse, json, os, platform, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request


def call(url, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, command, url, directory, environment=None):
        self.name, self.url = name, url
        self.started = time.monotonic()
        log = open(os.path.join(directory, name + ".log"), "w")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, start_new_session=True,
                                        env={**os.environ, **(environment or {})})
        while True:
            try:
                urllib.request.urlopen(url + "/health", timeout=1).read()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - self.started > 180:
                    sys.exit(f"{name} did not start; see {log.name}")
                time.sleep(0.05)
        self.ready_seconds = time.monotonic() - self.started
        experiment = call(url, "/api/2.0/mlflow/experiments/create", {"name": "throughput"})["experiment_id"]
        self.experiment = experiment

    def new_run(self):
        run = call(self.url, "/api/2.0/mlflow/runs/create", {"experiment_id": self.experiment, "start_time": 1})
        return run["run"]["info"]["run_id"]

    def stored(self, run, key):
        total, token = 0, ""
        while True:
            path = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&run_uuid={run}&metric_key={key}&max_results=25000"
            page = call(self.url, path + (f"&page_token={token}" if token else ""))
            total += len(page.get("metrics", []))
            token = page.get("next_page_token", "")
            if not token:
                return total

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


LUA = """
local step = 0
local id = 0
function setup(thread) thread:set("id", id); id = id + 1 end
request = function()
  step = step + 1
  local body = string.format('{"run_uuid":"%s","run_id":"%s","key":"loss","value":%d.5,"timestamp":%d,"step":%d}',
    "RUN", "RUN", step, 1700000000000 + id, step * 16 + id)
  return wrk.format("POST", "/api/2.0/mlflow/runs/log-metric", {["Content-Type"] = "application/json"}, body)
end
"""


def load(server, connections, seconds, directory):
    run = server.new_run()
    script = os.path.join(directory, "load.lua")
    with open(script, "w") as f:
        f.write(LUA.replace("RUN", run))
    text = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, server.url],
                          capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def percentile(p):
        value, unit = re.search(rf"{p}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(value) * units[unit]

    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    answered = int(re.search(r"(\d+) requests in", text).group(1))
    return {"rate": rate, "p50_ms": percentile(50), "p99_ms": percentile(99), "answered": answered,
            "stored": server.stored(run, "loss"), "errors": int(errors.group(1)) if errors else 0}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nestbox", required=True)
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="nestbox-bench-")
    ours, theirs = free_port(), free_port()
    servers = [
        Server("nestbox", [os.path.abspath(options.nestbox), "serve", "--data", directory + "/data", "--port", str(ours)],
               f"http://127.0.0.1:{ours}", directory),
        Server("mlflow", [os.path.abspath(options.mlflow), "server", "--host", "127.0.0.1", "--port", str(theirs), "--workers", "1",
                          "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", directory + "/mlartifacts"],
               f"http://127.0.0.1:{theirs}", directory, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}),
    ]
    try:
        results = {}
        for connections in (1, 8):
            for _ in range(options.runs):
                for server in servers:
                    result = load(server, connections, options.seconds, directory)
                    results.setdefault((server.name, connections), []).append(result)
                    print(json.dumps({"peer": server.name, "connections": connections, **result}), flush=True)
        summary = {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
                   "ready_seconds": {s.name: round(s.ready_seconds, 2) for s in servers}}
        for connections in (1, 8):
            median = {name: statistics.median(r["rate"] for r in results[(name, connections)]) for name in ("nestbox", "mlflow")}
            p99 = {name: statistics.median(r["p99_ms"] for r in results[(name, connections)]) for name in ("nestbox", "mlflow")}
            summary[f"c{connections}"] = {"requests_per_second": median, "p99_ms": p99, "ratio": median["nestbox"] / median["mlflow"]}
        print(json.dumps(summary), flush=True)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
