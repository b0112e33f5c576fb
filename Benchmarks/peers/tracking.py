#!/usr/bin/env python3
"""Tracking: Nestbox and MLflow's own server, side by side on one machine.

- log-metric from 1 and 8 connections: both get the same requests from the same load generator (wrk), in alternating runs;
  after each run the points that the server really stored are counted;
- rounds of create + log-batch (100 metrics) + get, over one connection of wrk;
- runs/search ordered by a metric over 10,000 runs x 20 metrics (--search-runs), which both answer alike;
- memory when idle, and the time from start to the first answer.

Prints one JSON line per measurement and one with the medians and their ratios. `--sync commit` goes to Nestbox.

    python3 Benchmarks/peers/tracking.py --nestbox .build/release/nestbox --mlflow VENV/bin/mlflow

needs wrk (Debian) and a virtual environment with mlflow (PyPI).
"""
import argparse, http.client, json, os, platform, re, shutil, signal, socket, sqlite3, statistics, subprocess, sys, tempfile, time
import urllib.request, uuid


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

    def resident_megabytes(self):
        """Of the process and its children."""
        pids, total = [self.process.pid], 0
        for pid in pids:
            try:
                total += int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
                for task in os.listdir(f"/proc/{pid}/task"):
                    pids += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
            except OSError:
                pass
        return round(total / 1024, 1)

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


class Connection:
    """One kept-alive connection, without the cost of a client library."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


ROUNDS = """
local ffi = require("ffi")
ffi.cdef[[ typedef struct { long seconds; long nanoseconds; } moment; int clock_gettime(int, moment *); ]]
local clock = ffi.new("moment")
local function now()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.seconds) * 1e3 + tonumber(clock.nanoseconds) / 1e6
end

local metrics = {}
for i = 0, 99 do
  metrics[i + 1] = string.format('{"key": "m%d", "value": %.17g, "timestamp": 1700000000000, "step": 0}', i, i / 7)
end
local batch = '", "metrics": [' .. table.concat(metrics, ", ") .. '], "params": [], "tags": []}'
local json, base = {["Content-Type"] = "application/json"}, "/api/2.0/mlflow/runs/"
local turn, run, start, last = 0, "", 0, 0
times, creates, batches, gets, failed = {}, {}, {}, {}, ""
local parts = {creates, batches, gets}

request = function()
  last = now()
  if turn == 0 then
    start = last
    return wrk.format("POST", base .. "create", json, '{"experiment_id": "EXPERIMENT", "start_time": 1}')
  elseif turn == 1 then
    return wrk.format("POST", base .. "log-batch", json, '{"run_id": "' .. run .. batch)
  end
  return wrk.format("GET", base .. "get?run_id=" .. run .. "&run_uuid=" .. run)
end

response = function(status, headers, body)
  local found = 100
  if turn == 0 then run = body:match('"run_id": ?"(%x+)"') end
  if turn == 2 then _, found = body:gsub('"timestamp"', "") end
  if status ~= 200 or not run or found ~= 100 then
    failed = status .. ": " .. body:sub(1, 300)
    wrk.thread:stop()
  end
  table.insert(parts[turn + 1], now() - last)
  if turn == 2 then table.insert(times, now() - start) end
  turn = (turn + 1) % 3
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

local function percentile(all, share)
  table.sort(all)
  return all[math.max(1, math.ceil(#all * share))] or 0
end

function done(summary)
  local thread = threads[1]
  local all, broken = thread:get("times"), thread:get("failed")
  if broken ~= "" then error(broken) end
  local sum = 0
  for _, time in ipairs(all) do sum = sum + time end
  print(string.format('{"rounds_per_second": %.2f, "p99_ms": %.3f, "create_ms": %.3f, "batch_ms": %.3f, "get_ms": %.3f}',
    #all / sum * 1e3, percentile(all, 0.99), percentile(thread:get("creates"), 0.5), percentile(thread:get("batches"), 0.5), percentile(thread:get("gets"), 0.5)))
end
"""


def rounds(server, seconds, directory):
    """Runs made, logged to and read per second over one connection, the 99th percentile of a round's milliseconds, and the
    medians of its three requests."""
    script = os.path.join(directory, "rounds.lua")
    with open(script, "w") as f:
        f.write(ROUNDS.replace("EXPERIMENT", server.experiment))
    text = subprocess.run(["wrk", "-t1", "-c1", f"-d{seconds}s", "--timeout", "60s", "-s", script, server.url],
                          capture_output=True, text=True, check=True).stdout
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"{server.name}: {text}")
    return json.loads(lines[0])


def fill(server, count):
    """`count` runs with 20 metrics each, the same ones at every server."""
    connection = Connection(server.url)
    server.searched = connection.call("POST", "/api/2.0/mlflow/experiments/create", {"name": "searched"})["experiment_id"]
    for i in range(count):
        run = connection.call("POST", "/api/2.0/mlflow/runs/create",
                              {"experiment_id": server.searched, "start_time": 1 + i, "run_name": f"run-{i}"})
        metrics = [{"key": f"m{k}", "value": (i * 7919 + k * 104729) % 1_000_003 / 1_000_003, "timestamp": 1, "step": 0}
                   for k in range(20)]
        connection.call("POST", "/api/2.0/mlflow/runs/log-batch",
                        {"run_id": run["run"]["info"]["run_id"], "metrics": metrics, "params": [], "tags": []})


def fill_database(server, database, count):
    """The same in MLflow's database: over its API, 10,000 runs take it a quarter of an hour."""
    fill(server, 1)
    runs, tags, metrics = [], [], []
    for i in range(1, count):
        run = uuid.uuid4().hex
        runs.append((run, f"run-{i}", 1 + i))
        tags.append(("mlflow.runName", f"run-{i}", run))
        metrics += [(f"m{k}", (i * 7919 + k * 104729) % 1_000_003 / 1_000_003, run) for k in range(20)]
    columns = ("source_type, source_name, entry_point_name, user_id, status, end_time, source_version, lifecycle_stage, artifact_uri, "
               "experiment_id, deleted_time")
    with sqlite3.connect(database, timeout=60) as db:
        db.executemany(f"INSERT INTO runs (run_uuid, name, start_time, {columns}) SELECT ?, ?, ?, {columns} FROM runs "
                       f"WHERE experiment_id = {int(server.searched)} AND name = 'run-0'", runs)
        db.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
        for table in ("metrics", "latest_metrics"):
            db.executemany(f"INSERT INTO {table} (key, value, run_uuid, timestamp, step, is_nan) VALUES (?, ?, ?, 1, 0, 0)", metrics)
    db.close()


def search(server):
    """Seconds of one search, and the names of the runs it gave."""
    connection, start = Connection(server.url), time.perf_counter()
    page = connection.call("POST", "/api/2.0/mlflow/runs/search",
                           {"experiment_ids": [server.searched], "order_by": ["metrics.m3 DESC"], "max_results": 100})
    return time.perf_counter() - start, [run["info"]["run_name"] for run in page["runs"]]


def compare_search(servers, database, count, runs):
    for server in servers:
        start = time.perf_counter()
        if server.name == "mlflow":
            fill_database(server, database, count)
        else:
            fill(server, count)
        print(json.dumps({"peer": server.name, "filled_seconds": round(time.perf_counter() - start, 1)}), flush=True)
    found = {server.name: [search(server) for _ in range(runs + 1)][1:] for server in servers}
    if found["nestbox"][0][1] != found["mlflow"][0][1]:
        sys.exit("the two servers found different runs")
    median = {name: statistics.median(seconds for seconds, _ in results) for name, results in found.items()}
    return {"seconds": median, "ratio": median["mlflow"] / median["nestbox"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nestbox", required=True)
    parser.add_argument("--mlflow", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--search-runs", type=int, default=10_000, help="0 leaves the search out")
    parser.add_argument("--sync", default="checkpoint", help="Nestbox's --sync")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="nestbox-bench-")
    ours, theirs = free_port(), free_port()
    servers = [
        Server("nestbox", [os.path.abspath(options.nestbox), "serve", "--data", directory + "/data", "--port", str(ours),
                            "--sync", options.sync],
               f"http://127.0.0.1:{ours}", directory),
        Server("mlflow", [os.path.abspath(options.mlflow), "server", "--host", "127.0.0.1", "--port", str(theirs), "--workers", "1",
                          "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", directory + "/mlartifacts"],
               f"http://127.0.0.1:{theirs}", directory, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}),
    ]
    try:
        time.sleep(3)
        idle = {server.name: server.resident_megabytes() for server in servers}
        print(json.dumps({"idle_megabytes": idle}), flush=True)
        results = {}
        for connections in (1, 8):
            for _ in range(options.runs):
                for server in servers:
                    result = load(server, connections, options.seconds, directory)
                    results.setdefault((server.name, connections), []).append(result)
                    print(json.dumps({"peer": server.name, "connections": connections, **result}), flush=True)
        summary = {"machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
                   "ready_seconds": {s.name: round(s.ready_seconds, 2) for s in servers}, "idle_megabytes": idle}
        made = {}
        for _ in range(options.runs):
            for server in servers:
                made.setdefault(server.name, []).append(rounds(server, options.seconds, directory))
                print(json.dumps({"peer": server.name, **made[server.name][-1]}), flush=True)
        summary["rounds"] = {key: {name: statistics.median(r[key] for r in all) for name, all in made.items()}
                             for key in ("rounds_per_second", "p99_ms", "create_ms", "batch_ms", "get_ms")}
        rate = summary["rounds"]["rounds_per_second"]
        summary["rounds"]["ratio"] = rate["nestbox"] / rate["mlflow"]
        if options.search_runs:
            summary["search"] = compare_search(servers, directory + "/mlflow.db", options.search_runs, options.runs)
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
