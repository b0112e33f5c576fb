#!/usr/bin/env python3
"""Webhooks of the real `mlflow` client against a Nestbox server, received by this program itself.

    python3 -m venv venv && venv/bin/pip install mlflow
    venv/bin/python samples/clients/mlflow_webhooks.py http://127.0.0.1:8080

Makes webhooks, changes the registry, and checks everything that arrives: payloads, signatures, retries after failures. Prints
one line per step, and ends with status 0 when all was right. The server must let webhooks point to this machine: it does so
by itself on loopback without a token, and with `--webhook-targets any`. Tried with mlflow 3.17. A fresh MLflow server passes
too (it lists webhooks from a cache of a minute), when it is started with MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http,https and
MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true, and this program with `--against-mlflow`.
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import time
import uuid
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if len(sys.argv) not in (2, 3):
    sys.exit("usage: mlflow_webhooks.py http://HOST:PORT [--against-mlflow]")

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")

import mlflow  # noqa: E402
from mlflow.entities.webhook import WebhookEvent, WebhookStatus  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

url = sys.argv[1].rstrip("/")
is_nestbox = len(sys.argv) == 2
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
stamp = str(time.time_ns())
started = time.perf_counter()


def step(text):
    print(f"{time.perf_counter() - started:6.2f}s  {text}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what arrives by path, and answers with the statuses planned for that path, then with 200."""

    arrived = {}
    planned = {}
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        waiting = self.planned.get(self.path, [])
        status = waiting.pop(0) if waiting else 200
        answer = b"thank you"
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", "/moved")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.queue(self.path).put((status, dict(self.headers), body))

    @classmethod
    def queue(cls, path):
        return cls.arrived.setdefault(path, queue.Queue())

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"


def receive(path, secret=None, status=200):
    """The next message at this path; its signature is checked."""
    answered, headers, body = Receiver.queue(path).get(timeout=60)
    assert answered == status, (answered, status)
    assert headers["Content-Type"] == "application/json"
    uuid.UUID(headers["X-MLflow-Delivery-Id"])
    assert abs(time.time() - int(headers["X-MLflow-Timestamp"])) < 300
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    if secret:
        right = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        assert hmac.compare_digest(headers["X-MLflow-Signature"], "v1," + right)
    else:
        assert "X-MLflow-Signature" not in headers
    message = json.loads(body)
    assert set(message) == {"entity", "action", "timestamp", "data"}, message
    return message, headers["X-MLflow-Delivery-Id"]


def nothing(path):
    time.sleep(0.3)
    assert Receiver.queue(path).empty(), Receiver.queue(path).get()


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, f"expected {code}, got {error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"expected {code}, but {call.__name__} succeeded")


# Create, get, list page by page.
models = client.create_webhook(
    name="models",
    url=here + "/models",
    events=[
        "registered_model.created", "model_version.created", "model_version_tag.set", "model_version_tag.deleted",
        "model_version_alias.created", WebhookEvent("model_version_alias", "deleted"),
    ],
    description="every change of a model",
    secret="s3cret",
)
assert models.status == WebhookStatus.ACTIVE and models.description == "every change of a model"
assert models.secret is None and len(models.events) == 6 and models.creation_timestamp == models.last_updated_timestamp
assert client.get_webhook(models.webhook_id).url == here + "/models"
prompts = client.create_webhook(
    name="prompts",
    url=here + "/prompts",
    events=[
        "prompt.created", "prompt_version.created", "prompt_tag.set", "prompt_tag.deleted", "prompt_version_tag.set",
        "prompt_version_tag.deleted", "prompt_alias.created", "prompt_alias.deleted",
    ],
)
asleep = client.create_webhook("asleep", here + "/asleep", ["model_version.created"], status="DISABLED")
found, token = [], None
while True:
    page = client.list_webhooks(max_results=1, page_token=token)
    assert len(page) <= 1
    found += [webhook.webhook_id for webhook in page]
    token = page.token
    if not token:
        break
mine = [asleep.webhook_id, prompts.webhook_id, models.webhook_id]
assert sorted(i for i in found if i in mine) == sorted(mine)
step("three webhooks made, found and listed")

# The registry changes; each change arrives once, signed.
name = f"hooked-{stamp}"
client.create_registered_model(name, tags={"team": "ops"}, description="flights")
message, _ = receive("/models", "s3cret")
assert (message["entity"], message["action"]) == ("registered_model", "created")
assert message["data"] == {"name": name, "tags": {"team": "ops"}, "description": "flights"}
source = "models:/x" if not is_nestbox else f"mlflow-artifacts:/0/{stamp}/artifacts/model"
with mlflow.start_run() as run:
    pass
source = f"{run.info.artifact_uri}/model"
version = client.create_model_version(name, source, run.info.run_id, tags={"stage": "first"})
message, _ = receive("/models", "s3cret")
assert (message["entity"], message["action"]) == ("model_version", "created")
assert message["data"] == {
    "name": name, "version": "1", "source": source, "run_id": run.info.run_id, "tags": {"stage": "first"},
    "description": None,
}, message
client.set_model_version_tag(name, version.version, "quality", "good")
client.delete_model_version_tag(name, version.version, "quality")
client.set_registered_model_alias(name, "champion", version.version)
client.delete_registered_model_alias(name, "champion")
told = {}
for _ in range(4):  # MLflow promises no order.
    message, _ = receive("/models", "s3cret")
    told[f"{message['entity']}.{message['action']}"] = message["data"]
assert told == {
    "model_version_tag.set": {"name": name, "version": "1", "key": "quality", "value": "good"},
    "model_version_tag.deleted": {"name": name, "version": "1", "key": "quality"},
    "model_version_alias.created": {"name": name, "alias": "champion", "version": "1"},
    "model_version_alias.deleted": {"name": name, "alias": "champion"},
}, told
client.set_registered_model_tag(name, "team", "data")
nothing("/models")
nothing("/asleep")
nothing("/prompts")
step("six changes of a model arrived, signed; a disabled webhook heard nothing")

# Prompts are told apart.
prompt = f"prompt-{stamp}"
client.register_prompt(prompt, "Hello {{name}}!", commit_message="first", tags={"a": "b"})
client.set_prompt_alias(prompt, "live", 1)
client.delete_prompt_alias(prompt, "live")
client.set_prompt_tag(prompt, "k", "v")
client.delete_prompt_tag(prompt, "k")
client.set_prompt_version_tag(prompt, 1, "k", "v")
client.delete_prompt_version_tag(prompt, 1, "k")
told = []
for _ in range(9):  # The client also notes the experiment as a tag of the prompt.
    message, _ = receive("/prompts")
    told.append((f"{message['entity']}.{message['action']}", message["data"]))
first = dict(told)
assert first["prompt.created"]["name"] == prompt
version = first["prompt_version.created"]
assert version["template"] == "Hello {{name}}!" and version["version"] == "1" and version["tags"]["a"] == "b", version
for expected in (
    ("prompt_alias.created", {"name": prompt, "alias": "live", "version": "1"}),
    ("prompt_alias.deleted", {"name": prompt, "alias": "live"}),
    ("prompt_tag.set", {"name": prompt, "key": "k", "value": "v"}),
    ("prompt_tag.deleted", {"name": prompt, "key": "k"}),
    ("prompt_version_tag.set", {"name": prompt, "version": "1", "key": "k", "value": "v"}),
    ("prompt_version_tag.deleted", {"name": prompt, "version": "1", "key": "k"}),
):
    assert expected in told, (expected, told)
nothing("/models")
step("nine changes of a prompt arrived as such")

# A receiver that fails is tried again, with the same id.
Receiver.planned["/models"] = [500, 503]
client.create_registered_model(name + "-again")
first, first_id = receive("/models", "s3cret", status=500)
second, second_id = receive("/models", "s3cret", status=503)
third, third_id = receive("/models", "s3cret")
assert first == second == third and first_id == second_id == third_id
step("tried again after 500 and 503 under the same id")

# A test call says what came of it.
result = client.test_webhook(models.webhook_id)
assert result.success and result.response_status == 200 and result.response_body == "thank you"
message, _ = receive("/models", "s3cret")
assert message["data"]["name"] == "example_model"
# The first event that the webhook was given; MLflow takes the first in the order of its database.
assert message["entity"] == "registered_model" or not is_nestbox
result = client.test_webhook(models.webhook_id, event=WebhookEvent("model_version_alias", "created"))
assert result.success
message, _ = receive("/models", "s3cret")
assert message["data"] == {"name": "example_model", "alias": "example_alias", "version": "1"}
Receiver.planned["/prompts"] = [404]
result = client.test_webhook(prompts.webhook_id)
assert not result.success and result.response_status == 404 and result.error_message is None
receive("/prompts", status=404)
nobody = client.create_webhook("nobody", "http://127.0.0.1:9/", ["prompt.created"])
result = client.test_webhook(nobody.webhook_id)
assert not result.success and result.response_status is None
assert result.error_message.startswith("Failed to test webhook:")
step("test calls: answered, refused, nobody there")

# Changes hold from then on.
updated = client.update_webhook(
    models.webhook_id, name="renamed", url=here + "/elsewhere", events=["registered_model.created"], secret="0ther",
    description="less",
)
assert updated.name == "renamed" and updated.description == "less"
assert [str(event) for event in updated.events] == ["registered_model.created"]
assert client.get_webhook(models.webhook_id).last_updated_timestamp >= models.last_updated_timestamp
if is_nestbox:  # MLflow keeps the old one for up to a minute, in its cache.
    client.create_registered_model(name + "-moved")
    receive("/elsewhere", "0ther")
    nothing("/models")
    client.update_webhook(models.webhook_id, status="DISABLED")
    client.create_registered_model(name + "-unheard")
    nothing("/elsewhere")
    client.update_webhook(models.webhook_id, status=WebhookStatus.ACTIVE)
    # Redirects are not followed: they could lead where no webhook may point.
    Receiver.planned["/elsewhere"] = [307]
    client.create_registered_model(name + "-redirected")
    receive("/elsewhere", "0ther", status=307)
    nothing("/moved")
step("changed address, secret, events and status hold from then on")

# Refusals.
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "-bad", here, ["prompt.created"])
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "x" * 64, here, ["prompt.created"])
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", "ftp://127.0.0.1/", ["prompt.created"])
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", "nowhere", ["prompt.created"])
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", here, [])
refused("INVALID_PARAMETER_VALUE", client.create_webhook, "bad", here, ["registered_model.deleted"])
refused("INVALID_PARAMETER_VALUE", client.list_webhooks, max_results=1001)
refused("INVALID_PARAMETER_VALUE", client.list_webhooks, page_token="zzz")
refused("INVALID_PARAMETER_VALUE", client.update_webhook, models.webhook_id, url="ftp://127.0.0.1/")
for call in (client.get_webhook, client.delete_webhook, client.test_webhook, client.update_webhook):
    refused("RESOURCE_DOES_NOT_EXIST", call, "no-such-webhook")
step("bad names, addresses, events and ids are refused with MLflow's codes")

for webhook in (models, prompts, asleep, nobody):
    client.delete_webhook(webhook.webhook_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_webhook, webhook.webhook_id)
client.create_registered_model(name + "-after")
nothing("/elsewhere")
step("deleted; nothing arrives any more")
