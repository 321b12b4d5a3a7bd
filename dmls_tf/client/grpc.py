"""TF Serving's gRPC interface, port 8500 by default, by the stubs of tensorflow-serving-api."""

import numpy as np
import tensorflow as tf

from dmls_tf.client import connection
from dmls_tf.errors import UserError


def connect(server):
    """A function `ask` for a `Server`; see `rest.connect`.

    Raises:
        UserError: tensorflow-serving-api is not installed.
    """
    try:
        import grpc
        from tensorflow_serving.apis import (
            get_model_status_pb2,
            model_service_pb2_grpc,
            predict_pb2,
            prediction_service_pb2_grpc,
        )
    except ImportError as error:
        raise UserError('gRPC needs its stubs: pip install -e ".[serving]"') from error
    limits = [(f"grpc.max_{way}_message_length", server.max_message) for way in ("send", "receive")]
    channel = grpc.insecure_channel(server.address, limits)
    predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)

    def ask(signature, key, values):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = server.model, signature
        if server.version:
            request.model_spec.version.value = server.version
        request.inputs[key].CopyFrom(tf.make_tensor_proto(np.array(values, object)))
        connection.check_size(server, request.ByteSize())
        outputs = connection.with_retries(lambda left: predict(request, left), server)
        return {name: tf.make_ndarray(value) for name, value in outputs.items()}

    def predict(request, timeout):
        try:
            return predictions.Predict(request, timeout).outputs
        except grpc.RpcError as error:
            raise translated(error, timeout) from error

    def translated(error, timeout):
        code, details = error.code(), error.details()
        if code == grpc.StatusCode.NOT_FOUND:
            return connection.not_found(server, states(timeout))
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return connection.timed_out(server)
        if code == grpc.StatusCode.UNAVAILABLE:
            return connection.Unavailable(f"{server.address}: {details}")
        return connection.refused(server, details)

    def states(timeout):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = server.model
        try:
            found = models.GetModelStatus(request, timeout).model_version_status
        except grpc.RpcError:
            return {}
        name = get_model_status_pb2.ModelVersionStatus.State.Name
        return {one.version: name(one.state) for one in found}

    return ask
