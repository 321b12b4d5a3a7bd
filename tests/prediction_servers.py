"""Servers on loopback that speak as TF Serving does, over REST and gRPC, and run a SavedModel."""

import base64
import binascii
import concurrent.futures
import contextlib
import functools
import http.server
import json
import re
import sys
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from dmls_tf.serving.layout import version_of

INVALID, NOT_FOUND, UNAVAILABLE = "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE"
HTTP_CODES = {INVALID: 400, NOT_FOUND: 404, UNAVAILABLE: 503}
load = functools.cache(tf.saved_model.load)  # signatures are optimised, for seconds, once


class Fault(Exception):  # noqa: N818
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Served:
    """A model behind a server.

    Attributes:
        states: {version: state}; the model answers for all that are AVAILABLE.
        busy: so many requests are refused as unavailable before one is answered.
        delay: seconds before an answer.
    """

    def __init__(self, signatures, name, states=None):
        self.signatures, self.name = signatures, name
        self.states = states or {1: "AVAILABLE"}
        self.busy, self.delay = 0, 0.0

    def find(self, name, version):
        """Raises a `Fault` unless the model is served under this name and version."""
        served = [number for number, state in self.states.items() if state == "AVAILABLE"]
        if name != self.name or not served or (version and version not in served):
            raise Fault(NOT_FOUND, f"Servable not found for request: {name}({version or 'Latest'})")

    def inputs(self, signature):
        """{input: TensorSpec} of a signature, empty for one that there is not."""
        found = self.signatures.get(signature)
        return found.structured_input_signature[1] if found else {}

    def predict(self, name, version, signature, inputs):
        """{output: array} for {input: array or TensorProto's array}."""
        if self.busy:
            self.busy -= 1
            raise Fault(UNAVAILABLE, "The batch scheduling queue is full")
        time.sleep(self.delay)
        self.find(name, version)
        if signature not in self.signatures:
            raise Fault(
                INVALID, f'Serving signature name: "{signature}" not found in signature def'
            )
        try:
            outputs = self.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        except tf.errors.InvalidArgumentError as error:
            raise Fault(INVALID, error.message) from error
        return {key: value.numpy() for key, value in outputs.items()}


@contextlib.contextmanager
def rest_server(served, port=0):
    """Serves over REST, at any free port; gives "host:port"."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            if self.path != f"/v1/models/{served.name}":
                return self._answer(404, {"error": f"Could not find any versions of {self.path}"})
            status = [{"version": str(v), "state": state} for v, state in served.states.items()]
            return self._answer(200, {"model_version_status": status})

        def do_POST(self):  # noqa: N802
            try:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(200, {"predictions": self._predictions(content)})
            except Fault as fault:
                self._answer(HTTP_CODES[fault.code], {"error": fault.message})

        def _predictions(self, content):
            path = re.fullmatch(r"/v1/models/(\w+)(?:/versions/(\d+))?:predict", self.path)
            try:
                body = json.loads(content)
                instances = body["instances"]
                rows = [one if self._named(one) else {"": one} for one in instances]
                values = {key: [_decoded(row[key]) for row in rows] for key in rows[0]}
            except (ValueError, KeyError, TypeError, IndexError, binascii.Error) as error:
                raise Fault(INVALID, f"JSON value: {error}") from error
            signature = body.get("signature_name", "serving_default")
            for key, tensor in served.inputs(signature).items():
                given = values.pop("", None) or values[key]  # an only input need not be named
                values[key] = tf.constant(given, tensor.dtype)
            name, version = path.groups()
            outputs = served.predict(name, int(version or 0), signature, values)
            answers = [
                {key: _encoded(key, value[i]) for key, value in outputs.items()}
                for i in range(len(rows))
            ]
            # The name of an only output is left out.
            return [next(iter(a.values())) if len(a) == 1 else a for a in answers]

        def _named(self, instance):
            return isinstance(instance, dict) and set(instance) != {"b64"}

        def _answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def grpc_server(served):
    """Serves over gRPC; gives "host:port"."""

    class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            spec = request.model_spec
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            signature = spec.signature_name or "serving_default"
            try:
                outputs = served.predict(spec.name, spec.version.value, signature, inputs)
            except Fault as fault:
                context.abort(grpc.StatusCode[fault.code], fault.message)
            response = predict_pb2.PredictResponse()
            for key, value in outputs.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    class Models(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request, context):  # noqa: N802
            if request.model_spec.name != served.name:
                context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions")
            response = get_model_status_pb2.GetModelStatusResponse()
            number = get_model_status_pb2.ModelVersionStatus.State.Value
            for version, state in served.states.items():
                response.model_version_status.add(version=version, state=number(state))
            return response

    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


def _decoded(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return value.encode() if isinstance(value, str) else value


def _encoded(key, value):
    if key.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode() if isinstance(value, bytes) else np.asarray(value).tolist()


def served_from(export_dir):
    """The newest version of an exported model, by the name of dmls."""
    return Served(load(str(version_of(export_dir))).signatures, "dmls")


def main():
    """Serves an exported model, by the name of dmls, over both until its input ends.

    python -m tests.prediction_servers exports/camvid
    """
    served = served_from(sys.argv[1])
    with rest_server(served) as rest, grpc_server(served) as grpc_address:
        print(json.dumps({"rest": rest, "grpc": grpc_address}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
