"""Segmentation by an exported model: in this process, or behind TF Serving's REST or gRPC.

An answer holds the mask at the image's own size, and the confidence at the size that the model
works at.
"""

import base64
import json
import pathlib
import urllib.error
import urllib.request

import numpy as np
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.exported import CLASSES_FILE, versions
from dmls_tf.inference import Segmentation

SIGNATURE, INPUT = "serving_default", "image_bytes"
OUTPUTS = "mask_png_bytes", "confidence"
MAX_MESSAGE = 512 * 2**20  # bytes; gRPC's default of 4 MiB is less than the confidence of a frame


def saved_model(directory):
    """A segmenter by an exported model.

    Args:
        directory: `EXPORT_DIR/<version>`, or `EXPORT_DIR`, of which the highest version is taken.

    Returns:
        A function from a `Photo` to a `Segmentation`.

    Raises:
        UserError: there is no such model.
    """
    directory = version_of(directory)
    try:
        signature = tf.saved_model.load(str(directory)).signatures[SIGNATURE]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{directory}: not an exported model ({error})") from error

    def answer(content):
        outputs = signature(**{INPUT: tf.constant([content])})
        return [outputs[name][0].numpy() for name in OUTPUTS]

    return _segmenter(answer)


def rest(address, model, timeout=60.0):
    """A segmenter by the REST port of TF Serving, 8501 by default.

    Args:
        address: "host:port".
        model: its name on the server.
        timeout: seconds to wait for an answer.

    Returns:
        A function from a `Photo` to a `Segmentation`.

    Raises:
        UserError: by that function: no such server or model, or an answer that is an error.
    """
    url = f"http://{address}/v1/models/{model}:predict"

    def answer(content):
        encoded = base64.b64encode(content).decode()
        body = {"signature_name": SIGNATURE, "instances": [{INPUT: {"b64": encoded}}]}
        request = urllib.request.Request(url, json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                prediction = json.load(response)["predictions"][0]
        except urllib.error.HTTPError as error:
            raise UserError(f"{url}: {_reason(error)}") from error
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{url}: no answer of TF Serving ({error})") from error
        mask = base64.b64decode(prediction["mask_png_bytes"]["b64"])
        return mask, np.array(prediction["confidence"], np.float32)

    return _segmenter(answer)


def grpc(address, model, timeout=60.0):
    """A segmenter by the gRPC port of TF Serving, 8500 by default; see `rest`.

    Raises:
        UserError: tensorflow-serving-api is not installed.
    """
    try:
        from grpc import RpcError, insecure_channel
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        raise UserError('gRPC needs its stubs: pip install -e ".[serving]"') from error
    limits = [(f"grpc.max_{way}_message_length", MAX_MESSAGE) for way in ("send", "receive")]
    stub = prediction_service_pb2_grpc.PredictionServiceStub(insecure_channel(address, limits))

    def answer(content):
        request = predict_pb2.PredictRequest(output_filter=OUTPUTS)
        request.model_spec.name, request.model_spec.signature_name = model, SIGNATURE
        request.inputs[INPUT].CopyFrom(tf.make_tensor_proto([content]))
        try:
            outputs = stub.Predict(request, timeout).outputs
        except RpcError as error:
            raise UserError(f"{address}, model {model}: {error.details()}") from error
        mask, confidence = (tf.make_ndarray(outputs[name])[0] for name in OUTPUTS)
        return mask, confidence

    return _segmenter(answer)


def version_of(directory):
    """The highest version in a model's base path, or the directory itself."""
    found = versions(directory)
    return found[max(found)] if found else pathlib.Path(directory)


def read_classes(path):
    """Names and colours of the classes, from `assets.extra/classes.json` of an exported model.

    Args:
        path: of that file, or of the exported model.

    Raises:
        UserError: there is no such file, or it is another one.
    """
    path = pathlib.Path(path)
    path = version_of(path) / CLASSES_FILE if path.is_dir() else path
    try:
        content = json.loads(path.read_text())
        return content["classes"], content["palette"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the classes.json of an exported model") from error


def _segmenter(answer):
    def segment(photo):
        mask, confidence = answer(photo.content)
        labels = tf.io.decode_png(mask)[..., 0]
        enlarged = tf.image.resize(confidence[..., None], labels.shape)[..., 0]
        return Segmentation(labels.numpy(), enlarged.numpy())

    return segment


def _reason(error):
    """What the server says of an error, in its JSON or at least as a status."""
    try:
        return json.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {error.reason}"
