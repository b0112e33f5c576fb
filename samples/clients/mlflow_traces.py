#!/usr/bin/env python3
"""Traces of the real `mlflow` client, and of plain OpenTelemetry, against a Nestbox server.

    python3 -m venv venv && venv/bin/pip install mlflow opentelemetry-exporter-otlp-proto-http
    venv/bin/python samples/clients/mlflow_traces.py http://127.0.0.1:8080

Checks every answer, prints one line per step, and ends with status 0 when all of them were right. It makes an experiment of
its own and can be run again on the same server. Tried with mlflow 3.17 and OpenTelemetry 1.45.
"""

import os
import sys
import time
import warnings

if len(sys.argv) != 2:
    sys.exit("usage: mlflow_traces.py http://HOST:PORT")

# A broken answer must fail here at once instead of being asked for again for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")

import mlflow  # noqa: E402
from mlflow.entities import AssessmentSource, SpanStatusCode, SpanType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

url = sys.argv[1].rstrip("/")
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
started = time.perf_counter()


def step(text):
    print(f"{time.perf_counter() - started:6.2f}s  {text}", flush=True)


def refused(code, call, *arguments, **named):
    """The call must be refused with this MLflow error code; returns the message."""
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, f"expected {code}, got {error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"expected {code}, but {call.__name__} succeeded")


@mlflow.trace(span_type=SpanType.RETRIEVER)
def search(question):
    return [{"page_content": f"about {question}", "metadata": {"score": 0.5, "rank": 1, "exact": True}}]


@mlflow.trace(span_type=SpanType.LLM, attributes={"model": "small", "temperature": 1.0, "top": 5})
def generate(question, documents):
    span = mlflow.get_current_active_span()
    span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 12, "output_tokens": 30, "total_tokens": 42})
    if "fail" in question:
        raise ValueError("the model is out of words: <b>ü</b>")
    return f"{len(documents)} documents about {question}"


@mlflow.trace(name="answer", span_type=SpanType.CHAIN)
def answer(question, *, session=None):
    mlflow.update_current_trace(
        tags={"team": "blue", "round": stamp}, client_request_id=f"request {question}",
        metadata={"mlflow.trace.session": session, "mlflow.trace.user": "ada"} if session else {})
    return generate(question, search(question))


def found(filter_string=None, **named):
    experiment = mlflow.get_experiment_by_name(f"traces {stamp}").experiment_id
    return mlflow.search_traces(
        locations=[experiment], filter_string=filter_string, return_type="list", **named)


def functions():
    experiment = mlflow.set_experiment(f"traces {stamp}")
    assert answer("birds", session="s 1") == "1 documents about birds"
    try:
        answer("failing")
        raise AssertionError("the failing function did not fail")
    except ValueError:
        pass
    answer("nests", session="s 1")
    mlflow.flush_trace_async_logging()
    traces = found(order_by=["timestamp ASC"])
    assert [t.info.client_request_id for t in traces] == ["request birds", "request failing", "request nests"]
    birds, failing, _ = traces
    assert birds.info.state == "OK" and failing.info.state == "ERROR" and birds.info.execution_duration >= 0
    assert birds.info.experiment_id == experiment.experiment_id
    assert birds.info.request_preview == '{"question": "birds", "session": "s 1"}', birds.info.request_preview
    assert birds.info.token_usage == {"input_tokens": 12, "output_tokens": 30, "total_tokens": 42}
    assert birds.info.tags["team"] == "blue" and birds.info.tags["mlflow.traceName"] == "answer"
    assert birds.info.trace_metadata["mlflow.trace.session"] == "s 1"
    step(f"three traces in experiment {experiment.experiment_id}")

    spans = {span.name: span for span in birds.data.spans}
    assert list(spans) == ["answer", "search", "generate"]
    assert spans["answer"].parent_id is None and spans["search"].parent_id == spans["answer"].span_id
    assert spans["search"].span_type == "RETRIEVER" and spans["generate"].inputs["question"] == "birds"
    assert spans["search"].outputs == search.__wrapped__("birds")
    assert spans["answer"].outputs == "1 documents about birds"
    value = spans["generate"].get_attribute("temperature")
    assert value == 1.0 and isinstance(value, float) and isinstance(spans["generate"].get_attribute("top"), int)
    broken = [span for span in failing.data.spans if span.name == "generate"][0]
    assert broken.status.status_code == SpanStatusCode.ERROR and "out of words: <b>ü</b>" in broken.status.description
    assert broken.events[0].name == "exception" and "ValueError" in broken.events[0].attributes["exception.stacktrace"]
    again = mlflow.get_trace(birds.info.trace_id)
    assert again.to_dict() == birds.to_dict()
    assert len(found(max_results=2)) == 2
    frame = mlflow.search_traces(locations=[experiment.experiment_id])
    assert list(frame["client_request_id"]) == ["request nests", "request failing", "request birds"]
    step("spans, inputs, outputs, types of numbers, the exception")
    return birds, failing


def filters():
    def names(filter_string):
        return sorted(t.info.client_request_id.removeprefix("request ") for t in found(filter_string))

    assert names("trace.status = 'ERROR'") == ["failing"]
    assert names("attributes.name = 'answer' AND status = 'OK'") == ["birds", "nests"]
    assert names(f"tags.round = '{stamp}'") == ["birds", "failing", "nests"]
    assert names("tags.`team` != 'blue'") == []
    assert names("metadata.`mlflow.trace.session` = 's 1'") == ["birds", "nests"]
    assert names("metadata.`mlflow.trace.user` IS NULL") == ["failing"]
    assert names("client_request_id LIKE 'request n%'") == ["nests"]
    assert names("timestamp_ms > 0 AND execution_time_ms >= 0") == ["birds", "failing", "nests"]
    assert names("span.name = 'generate' AND span.status = 'ERROR'") == ["failing"]
    assert names("span.type = 'RETRIEVER' AND span.attributes.mlflow.spanInputs LIKE '%nests%'") == ["nests"]
    assert names("span.attributes.model LIKE '%small%'") == ["birds", "failing", "nests"]
    assert names("trace.text LIKE '%out of words%'") == ["failing"]
    assert names("name RLIKE '^ans'") == ["birds", "failing", "nests"]
    assert "nothing_like_it" in refused("INVALID_PARAMETER_VALUE", found, "nothing_like_it = 3")
    step("filters")


def assessments(birds, failing):
    trace = birds.info.trace_id
    source = AssessmentSource(source_type="HUMAN", source_id="ada@example.com")
    good = mlflow.log_feedback(trace_id=trace, name="good", value=True, rationale="it is", source=source)
    mlflow.log_expectation(trace_id=trace, name="expected", value={"documents": [1, 2]})
    mlflow.log_feedback(trace_id=failing.info.trace_id, name="good", value=False)
    mlflow.log_feedback(trace_id=trace, name="score", error=ValueError("no score today"))
    mlflow.log_feedback(trace_id=trace, name="points", value=0.25, span_id=birds.data.spans[1].span_id)
    read = mlflow.get_trace(trace)
    by_name = {a.name: a for a in read.info.assessments}
    assert by_name["good"].value is True and by_name["good"].rationale == "it is"
    assert by_name["good"].source.source_id == "ada@example.com"
    assert by_name["expected"].value == {"documents": [1, 2]}
    assert by_name["score"].error.error_message == "no score today"
    assert by_name["points"].value == 0.25 and by_name["points"].span_id == birds.data.spans[1].span_id

    second = mlflow.override_feedback(trace_id=trace, assessment_id=good.assessment_id, value=False, rationale="no")
    assert second.overrides == good.assessment_id
    assert [a.value for a in mlflow.get_trace(trace).search_assessments(name="good")] == [False]
    mlflow.delete_assessment(trace_id=trace, assessment_id=second.assessment_id)
    assert [a.value for a in mlflow.get_trace(trace).search_assessments(name="good")] == [True]
    mlflow.update_assessment(
        trace_id=trace, assessment_id=good.assessment_id,
        assessment=mlflow.entities.Feedback(name="good", value=True, rationale="it is again"))
    assert mlflow.get_assessment(trace, good.assessment_id).rationale == "it is again"
    refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_assessment, trace, "a-nothing")
    assert [t.info.trace_id for t in found("feedback.good = 'true'")] == [trace]
    assert [t.info.trace_id for t in found("feedback.points < 0.5")] == [trace]
    assert [t.info.trace_id for t in found("expectation.expected IS NOT NULL")] == [trace]
    step("feedback and expectations: logged, overridden, updated, searched, deleted")


def tags_and_links(birds):
    trace = birds.info.trace_id
    client.set_trace_tag(trace, "note", "line one\nline \"two\" ü")
    assert client.get_trace(trace).info.tags["note"] == "line one\nline \"two\" ü"
    client.delete_trace_tag(trace, "note")
    assert "note" not in client.get_trace(trace).info.tags
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_trace_tag, trace, "note")
    with mlflow.start_run() as run:
        answer("in a run")
    mlflow.flush_trace_async_logging()
    client.link_traces_to_run([trace], run.info.run_id)
    inside = mlflow.search_traces(
        locations=[run.info.experiment_id], run_id=run.info.run_id, return_type="list")
    assert {t.info.client_request_id for t in inside} == {"request in a run", "request birds"}
    prompt = mlflow.genai.register_prompt(f"greet-{stamp}", template="Hello {{name}}")
    client.link_prompt_versions_to_trace([prompt], trace)
    assert [t.info.trace_id for t in found(f"prompt = 'greet-{stamp}/{prompt.version}'")] == [trace]
    step("tags, a run, a prompt")


def open_telemetry():
    """An OTLP exporter that knows nothing of MLflow: protocol buffers, gzip, one header."""
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        return step("SKIPPED: opentelemetry-exporter-otlp-proto-http is not installed")
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Status, StatusCode

    experiment = mlflow.get_experiment_by_name(f"traces {stamp}").experiment_id
    for compression in (Compression.NoCompression, Compression.Gzip):
        provider = TracerProvider(resource=Resource.create({"service.name": f"shop {compression.value}"}))
        exporter = OTLPSpanExporter(
            endpoint=f"{url}/v1/traces", headers={"x-mlflow-experiment-id": experiment}, compression=compression)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("shop")
        with tracer.start_as_current_span("checkout", attributes={"session.id": "s 2", "user.id": "bob"}) as span:
            trace = f"tr-{span.get_span_context().trace_id:032x}"
            with tracer.start_as_current_span("chat small") as inner:
                inner.set_attributes({
                    "gen_ai.operation.name": "chat", "gen_ai.request.model": "small", "gen_ai.usage.input_tokens": 5,
                    "gen_ai.usage.output_tokens": 6, "gen_ai.input.messages": "[{\"role\": \"user\"}]"})
                inner.add_event("token", {"n": 1, "scores": [0.5, 1.0]})
                inner.set_status(Status(StatusCode.ERROR, "too expensive"))
        provider.shutdown()
        read = mlflow.get_trace(trace)
        assert read.info.state == "OK" and read.info.token_usage["total_tokens"] == 11
        assert read.info.tags["service.name"] == f"shop {compression.value}"
        assert read.info.trace_metadata["mlflow.trace.session"] == "s 2"
        assert read.info.trace_metadata["mlflow.trace.user"] == "bob"
        chat = read.search_spans(name="chat small")[0]
        assert chat.span_type == "CHAT_MODEL" and chat.status.description == "too expensive"
        assert chat.inputs == [{"role": "user"}] and chat.events[0].attributes["scores"] == [0.5, 1.0]
        assert [t.info.trace_id for t in found(f"tags.`service.name` = 'shop {compression.value}'")] == [trace]
    step("OpenTelemetry's exporter, plain and gzipped")


def deletion(birds):
    experiment = birds.info.experiment_id
    count = len(found())
    assert client.delete_traces(experiment, trace_ids=[birds.info.trace_id]) == 1
    assert len(found()) == count - 1
    refused("INVALID_PARAMETER_VALUE", client.delete_traces, experiment)
    assert client.delete_traces(experiment, max_timestamp_millis=int(time.time() * 1000) + 1000) == count - 1
    assert found() == []
    step("deletion")


birds, failing = functions()
filters()
assessments(birds, failing)
tags_and_links(birds)
open_telemetry()
deletion(birds)
print("ok")
