# Fills two of MLflow's stores alike: a file store, and the database of a server, as soon as there is a file that says that it
# is up. Arguments: the folder of the file store; database file, folder of files and ready file of the server.
import os, pathlib, sqlite3, sys, tempfile, time
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow
from mlflow.entities import LoggedModelInput, LoggedModelOutput, Metric

note = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
note.write_text("hello")

def fill(uri, files=None):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    mine = client.create_experiment("mine", artifact_location=files, tags={"team": "blue"})
    mlflow.set_experiment(experiment_id=mine)
    dataset = mlflow.data.meta_dataset.MetaDataset(
        mlflow.data.http_dataset_source.HTTPDatasetSource("http://example.com/f.csv"), name="flights")
    with mlflow.start_run(run_name="parent") as parent:
        run = parent.info.run_id
        mlflow.log_params({"depth": 6, "deep/note": "two\nlines: 'ü'"})
        mlflow.set_tag("a/b", "c")
        mlflow.log_input(dataset, context="training")
        client.log_batch(run, [Metric("loss", 1 / (i + 1), 1700000000000 + i, i) for i in range(1000)])
        for step, value in enumerate([float("nan"), float("inf"), float("-inf")]):
            mlflow.log_metric("val/odd", value, step=step)
        mlflow.log_artifact(str(note), "deep")
        model = mlflow.initialize_logged_model(name="net", params={"a": "1"}, source_run_id=run)
        client.log_model_artifact(model.model_id, str(note))
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_metric("auc", 0.75, step=2, model_id=model.model_id, dataset=dataset)
        client.log_outputs(run, [LoggedModelOutput(model.model_id, 2)])
        with mlflow.start_run(run_name="child", nested=True) as child:
            client.log_inputs(child.info.run_id, models=[LoggedModelInput(model.model_id)])
    with mlflow.start_run(run_name="dropped") as dropped:
        mlflow.log_metric("m", 1)
    client.delete_run(dropped.info.run_id)
    client.create_registered_model("fraud", tags={"owner": "ada"}, description="d")
    source = client.get_run(run).info.artifact_uri + "/deep"
    for i in range(3):
        client.create_model_version("fraud", source, run_id=run, tags={"k": "v"})
    client.create_model_version("fraud", f"models:/{model.model_id}", run_id=run, model_id=model.model_id)
    client.delete_model_version("fraud", "2")
    client.set_registered_model_alias("fraud", "champion", "3")
    client.transition_model_version_stage("fraud", "3", "Production")
    mlflow.genai.register_prompt("greeting", "Hello {{name}}", tags={"tone": "kind"})

    @mlflow.trace
    def inner(x):
        if x < 0:
            raise ValueError("negative")
        return {"next": x + 1, "half": x / 2, "list": [x, None, 1.5, "ü"]}

    @mlflow.trace(span_type="CHAIN", attributes={"mode": "fast", "k": 3})
    def outer(x):
        return inner(x)

    outer(1)
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_last_active_trace_id()
    mlflow.log_feedback(trace_id=trace, name="correct", value=True, rationale="it is", metadata={"by": "hand"})
    mlflow.log_expectation(trace_id=trace, name="answer", value={"next": 2})
    try:
        outer(-1)
    except ValueError:
        pass
    mlflow.flush_trace_async_logging()
    gone = client.create_experiment("gone", artifact_location=files and files[:-1] + "2")
    client.create_run(gone, run_name="lost")
    client.delete_experiment(gone)

folder, database, files, ready = sys.argv[1:]
fill(folder)
for _ in range(3000):
    if os.path.exists(ready):
        break
    time.sleep(0.1)
fill("sqlite:///" + database, files + "/1")
# As if the server had taken the files, which takes far longer.
with sqlite3.connect(database) as db:
    for table, column in [("experiments", "artifact_location"), ("runs", "artifact_uri"),
                          ("logged_models", "artifact_location"), ("model_versions", "source"),
                          ("model_versions", "storage_location"), ("trace_tags", "value")]:
        db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, 'mlflow-artifacts:/')", [files + "/"])
