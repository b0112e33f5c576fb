"""Checks OpenLineage events, one JSON object a line, with the classes that openlineage-python has generated from the
specification: every field must be one of its class, every required one must be there, every facet must name the schema of the
class that its key stands for. Prints the number of events.

    python check_openlineage.py events.jsonl
"""

import enum
import json
import re
import sys
import typing
import uuid
from urllib.parse import urlparse

import attr
from openlineage.client import event_v2
from openlineage.client.generated import (
    base, dataset_type_dataset, dataset_version_dataset, datasource_dataset, error_message_run,
    input_statistics_input_dataset, job_type_job, lifecycle_state_change_dataset, parent_run, processing_engine_run,
    schema_dataset, source_code_location_job,
)

FACETS = {
    "run": {
        "parent": parent_run.ParentRunFacet, "errorMessage": error_message_run.ErrorMessageRunFacet,
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    },
    "job": {
        "jobType": job_type_job.JobTypeJobFacet,
        "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
    },
    "dataset": {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet, "schema": schema_dataset.SchemaDatasetFacet,
        "dataSource": datasource_dataset.DatasourceDatasetFacet,
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet,
        "lifecycleStateChange": lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet,
    },
    "input": {"inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet},
    "output": {},
}
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def is_uri(text):
    return bool(urlparse(text).scheme) and not re.search(r"[\s<>\"{}|\\^`]", text)


def plain(hint, value, place):
    """A value of a plain type, or of a list or union of them, or of another class."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        assert isinstance(value, list), f"{place}: {value!r} is no list"
        return [plain(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(value)]
    if origin is not None and type(None) in arguments:
        assert value is not None, f"{place}: null is written"
        return plain(next(one for one in arguments if one is not type(None)), value, place)
    if attr.has(hint):
        return build(hint, value, place)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if hint in (str, int, bool, float):
        assert type(value) is hint, f"{place}: {value!r} is no {hint.__name__}"
    return value


def build(kind, value, place, facets=None, skip=()):
    """An object of the class; unknown fields and missing ones are mistakes."""
    assert isinstance(value, dict), f"{place}: {value!r} is no object"
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in attr.fields(kind)}
    known = {}
    for name, item in value.items():
        if name in ("_producer", "_schemaURL") and issubclass(kind, base.BaseFacet):
            continue
        assert name in fields, f"{place}: {kind.__name__} has no field {name}"
        if name in ("schemaURL",) or name in skip:
            continue
        if name in ("facets", "inputFacets", "outputFacets"):
            check_facets(item, {"inputFacets": "input", "outputFacets": "output"}.get(name, facets), f"{place}.{name}")
            continue
        known[fields[name].alias] = plain(hints[name], item, f"{place}.{name}")
    return kind(**known)


def check_facets(value, group, place):
    for name, content in value.items():
        kind = FACETS[group].get(name)
        assert kind, f"{place}: no {group} facet is named {name}"
        assert is_uri(content["_producer"]), f"{place}.{name}._producer"
        assert content["_schemaURL"] == kind._get_schema(), f"{place}.{name}: {content['_schemaURL']}"
        build(kind, content, f"{place}.{name}")
        if name == "dataSource" and "uri" in content:
            assert is_uri(content["uri"]), f"{place}: {content['uri']}"
        if name == "parent":
            uuid.UUID(content["run"]["runId"])


def dataset(kind, value, place):
    build(kind, value, place, "dataset")
    assert value["namespace"] and value["name"], place


def check(event):
    assert MOMENT.fullmatch(event["eventTime"]), event["eventTime"]
    assert is_uri(event["producer"]), event["producer"]
    if "dataset" in event:
        assert event["schemaURL"] == base.DatasetEvent._get_schema(), event["schemaURL"]
        assert set(event) == {"eventTime", "producer", "schemaURL", "dataset"}, set(event)
        dataset(base.StaticDataset, event["dataset"], "dataset")
        return
    assert event["schemaURL"] == base.RunEvent._get_schema(), event["schemaURL"]
    assert set(event) == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}, set(event)
    run = build(event_v2.Run, event["run"], "run", "run")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event["run"]["runId"]), event["run"]["runId"]
    job = build(event_v2.Job, event["job"], "job", "job")
    assert event["job"]["namespace"] and event["job"]["name"]
    for index, item in enumerate(event["inputs"]):
        dataset(base.InputDataset, item, f"inputs[{index}]")
    for index, item in enumerate(event["outputs"]):
        dataset(base.OutputDataset, item, f"outputs[{index}]")
    base.RunEvent(
        eventType=base.EventType(event["eventType"]), eventTime=event["eventTime"], producer=event["producer"], run=run,
        job=job)


def main():
    count, states = 0, {}
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            try:
                check(event)
            except Exception as error:
                sys.exit(f"{error!r} in {json.dumps(event, indent=1)}")
            if "run" in event:
                states.setdefault(event["run"]["runId"], []).append(event["eventType"])
            count += 1
    for run, seen in states.items():
        assert seen.count("START") == 1, (run, seen)
    print(count, "events are sound")


if __name__ == "__main__":
    main()
