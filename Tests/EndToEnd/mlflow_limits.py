#!/usr/bin/env python3
"""Limits and wrong input, said to MLflow's own server and to Nestbox: status and error code.

    python mlflow_limits.py --record http://mlflow:5000 > mlflow-3.17-limits.tsv
    python mlflow_limits.py --compare http://nestbox:8080 < mlflow-3.17-limits.tsv     # prints what differs

Needs fresh servers; mlflow is 3.17.2. The requests are in mlflow_limit_cases.py; `LimitTests.swift` sends the recorded table again,
and says which differences are meant. A line: status and error code (with 400 only what is not INVALID_PARAMETER_VALUE; `-` is none), method, path (below /api/2.0/mlflow/), what is kept of the
answer, content type, body.
"""
import argparse, json, re, sys, urllib.error, urllib.request

from mlflow_limit_cases import rows


location = '{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{exp}"}}'


def text(row):
    """The body as it is sent, but for its names."""
    body = row.get("b")
    return body if body is None or isinstance(body, str) else json.dumps(body).replace(location, "{at}")


def send(base, row, names):
    def items(match):
        item = json.loads('"' + match[2] + '"')
        return ", ".join(item.replace("#", str(i)) for i in range(int(match[1])))

    def fill(given):
        given = given.replace("{at}", location)
        for name, value in names.items():
            given = given.replace("{" + name + "}", value)
        given = re.sub(r'"<(\d+)\*((?:[^"\\]|\\.)*)>"', items, given)
        return re.sub(r"<(\\u[0-9a-f]{4}|.):(\d+)>", lambda m: m[1] * int(m[2]), given)
    body = text(row)
    data = None if body is None else fill(body).encode()
    data = data and re.sub(rb"<hex:(\w+)>", lambda m: bytes.fromhex(m[1].decode()), data)
    kind = row.get("t") or "application/octet-stream" if row["u"].startswith("/api/2.0/mlflow-artifacts") else "application/json"
    request = urllib.request.Request(base + fill(row["u"]), data=data, method=row["m"], headers={"Content-Type": kind} if data is not None else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    for name, path in (row.get("keep") or {}).items():
        value = answer
        for part in path.split("."):
            value = value[part]
        names[name] = str(value)
    code = answer.get("error_code", "")
    return (status, code, answer.get("message", "")) if status >= 400 and isinstance(code, str) else (status, "", "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", metavar="URL")
    parser.add_argument("--compare", metavar="URL", help="a Nestbox; with the recorded answers on standard input")
    given = parser.parse_args()
    names, differences = {}, 0
    recorded = [line.split("\t") for line in sys.stdin.read().splitlines()] if given.compare else []
    for index, row in enumerate(rows):
        if given.record:
            status, code, _ = send(given.record, row, names)
            keep = ",".join("=".join(pair) for pair in (row["keep"] or {}).items())
            outcome = f"{status} {code or '-'}" if status >= 400 else f"{status}"
            line = [outcome.replace("400 INVALID_PARAMETER_VALUE", "400"), row["m"], row["u"].removeprefix("/api/2.0/mlflow/"), keep, row["t"] or "", text(row) or ""]
            assert not any(set(field) & set("\t\r\n") for field in line), line
            print("\t".join(line))
        else:
            status, _, code = recorded[index][0].partition(" ")
            theirs = (int(status), {"": "INVALID_PARAMETER_VALUE" if status == "400" else "", "-": ""}.get(code, code))
            ours = send(given.compare, row, names)
            if ours[:2] != theirs:
                differences += 1
                print(f"{theirs[0]} {theirs[1]} | {ours[0]} {ours[1]} | {row['m']} {row['u']} {(text(row) or '')[:500]} | {json.dumps(ours[2][:300])}")
    print(f"{len(rows)} requests, {differences} differences", file=sys.stderr)


if __name__ == "__main__":
    main()
