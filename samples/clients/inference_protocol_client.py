#!/usr/bin/env python3
"""Predict through the Open Inference Protocol with Triton's own client, and through MLflow's scoring protocol.

    pip install 'tritonclient[http]'
    python inference_protocol_client.py http://127.0.0.1:8080 flights-late

Works with any deployment: the inputs are made up from the model's metadata. Ends with a line `ok …`; a failed check is an
AssertionError and exit status 1. A server with an access token is given it in NESTBOX_TOKEN.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ROWS = 3
EXAMPLES = {
    "INT64": np.array([1, 2, 3], dtype=np.int64),
    "FP64": np.array([0.5, 1.5, 2.5], dtype=np.float64),
    "BOOL": np.array([True, False, True]),
    "BYTES": np.array(["JFK", "LGA", "a category never seen"], dtype=object),
}


def headers():
    """A new dictionary for each call, because Triton's client writes into the one it is given."""
    token = os.environ.get("NESTBOX_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def post(url, body, content_type):
    """Returns (status, decoded answer)."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type, **headers()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def tensor(described, binary=False):
    """A tensor for one input of the metadata, in JSON unless told otherwise: Triton's client is binary by default."""
    data = EXAMPLES[described["datatype"]]
    made = triton.InferInput(described["name"], [ROWS], described["datatype"])
    made.set_data_from_numpy(data, binary_data=binary)
    return made


def through_triton(url, deployment):
    parts = urlsplit(url)
    client = triton.InferenceServerClient(parts.netloc, ssl=parts.scheme == "https")
    assert client.is_server_live(headers()) and client.is_server_ready(headers())
    assert client.get_server_metadata(headers())["name"] == "nestbox"
    assert client.is_model_ready(deployment, headers=headers())
    assert not client.is_model_ready("there-is-no-such-model", headers=headers())
    index = client.get_model_repository_index(headers())
    assert deployment in [model["name"] for model in index], index

    metadata = client.get_model_metadata(deployment, headers=headers())
    version = metadata["versions"][0]
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}], metadata
    assert client.is_model_ready(deployment, version, headers=headers())

    inputs = [tensor(described) for described in metadata["inputs"]]
    wanted = [triton.InferRequestedOutput("prediction", binary_data=False)]
    result = client.infer(deployment, inputs, outputs=wanted, request_id="sample-1", headers=headers())
    predictions = result.as_numpy("prediction")
    answer = result.get_response()
    assert predictions.shape == (ROWS,) and predictions.dtype == np.float64 and np.isfinite(predictions).all()
    assert answer["id"] == "sample-1" and answer["model_version"] == version and answer["parameters"]["prediction_id"]

    # The same without naming the output, and with the version in the path.
    again = client.infer(deployment, inputs, model_version=version, headers=headers())
    assert (again.as_numpy("prediction") == predictions).all()

    binary = [tensor(described, binary=True) for described in metadata["inputs"]]
    # Refusals carry a sentence that says what to do.
    for bad, expected in [
        (lambda: client.infer(deployment, inputs[1:], headers=headers()), metadata["inputs"][0]["name"]),
        (lambda: client.infer(deployment, binary, headers=headers()), "binary_data=False"),
        (lambda: client.infer("there-is-no-such-model", inputs, headers=headers()), "there-is-no-such-model"),
        (lambda: client.infer(deployment, inputs, model_version="999999", headers=headers()), "999999"),
    ]:
        try:
            bad()
        except InferenceServerException as error:
            assert expected in error.message(), error.message()
        else:
            raise AssertionError(f"nothing was refused; expected a sentence with {expected}")
    client.close()
    return metadata["inputs"], predictions


def through_scoring(url, deployment, inputs, expected):
    """MLflow's four JSON forms and CSV give what the inference protocol gave."""
    address = f"{url}/invocations?deployment={quote(deployment)}"
    names = [described["name"] for described in inputs]
    columns = [EXAMPLES[described["datatype"]].tolist() for described in inputs]
    rows = [list(values) for values in zip(*columns)]
    bodies = [
        {"dataframe_split": {"columns": names, "data": rows}},
        {"dataframe_records": [dict(zip(names, row)) for row in rows]},
        {"instances": rows},
        {"inputs": dict(zip(names, columns))},
    ]
    for body in bodies:
        status, answer = post(address, json.dumps(body).encode(), "application/json")
        assert status == 200 and answer["predictions"] == expected.tolist(), (list(body), status, answer)
    csv = "\n".join(",".join(str(value) for value in row) for row in [names] + rows)
    status, answer = post(address, csv.encode(), "text/csv; charset=utf-8")
    assert status == 200 and answer["predictions"] == expected.tolist(), (status, answer)

    status, answer = post(address, b'{"dataframe_records": [{}]}', "application/json")
    assert status == 400 and names[0] in answer["message"], (status, answer)
    status, answer = post(address, b'{"rows": []}', "application/json")
    assert status == 400 and "dataframe_split" in answer["message"], (status, answer)
    with urllib.request.urlopen(urllib.request.Request(f"{url}/ping", headers=headers()), timeout=30) as answer:
        assert answer.status == 200


def main():
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} URL DEPLOYMENT")
    url, deployment = sys.argv[1].rstrip("/"), sys.argv[2]
    inputs, predictions = through_triton(url, deployment)
    through_scoring(url, deployment, inputs, predictions)
    print(f"ok: {ROWS} rows of {len(inputs)} inputs by {deployment}: {[round(float(p), 4) for p in predictions]}")


if __name__ == "__main__":
    main()
