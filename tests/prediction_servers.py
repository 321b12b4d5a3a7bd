"""Servers on loopback that speak as TF Serving does, and run an exported model."""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import threading

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@contextlib.contextmanager
def rest_server(signature, name):
    """Serves a signature over REST; gives "host:port"."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != f"/v1/models/{name}:predict":
                return self._answer(404, {"error": f"Servable not found for request {self.path}"})
            contents = [base64.b64decode(one["image_bytes"]["b64"]) for one in body["instances"]]
            try:
                outputs = signature(image_bytes=tf.constant(contents))
            except tf.errors.InvalidArgumentError as error:
                return self._answer(400, {"error": error.message})
            rows = [
                {key: _json(key, value[i].numpy()) for key, value in outputs.items()}
                for i in range(len(contents))
            ]
            return self._answer(200, {"predictions": rows})

        def _answer(self, status, content):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def grpc_server(signature, name):
    """Serves a signature over gRPC; gives "host:port"."""

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            if request.model_spec.name != name:
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
            contents = tf.constant(tf.make_ndarray(request.inputs["image_bytes"]))
            response = predict_pb2.PredictResponse()
            for key, value in signature(image_bytes=contents).items():
                if key in request.output_filter:
                    response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


def _json(key, value):
    if key.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist()
