"""Requests that TF Serving runs before it sends clients to a new version.

The first run of a graph takes seconds, to allocate memory and choose kernels. The server reads
these requests from a file beside the model, and refuses a version that fails one of them.
"""

import numpy as np
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.records.schema import write_records


def warm_up_requests(config):
    """[(signature, input name, array)], with one or two images per signature that takes them."""
    height, width = config.image_size
    ramp = np.linspace(0, 255, height * width * 3).astype(np.uint8)
    image = ramp.reshape(height, width, 3)
    files = [tf.io.encode_jpeg(image).numpy(), tf.io.encode_png(image).numpy()][: config.max_batch]
    requests = [("about", "fields", [b"classes"])]
    for name in ("serving_default", "masks", "overlay"):
        requests += [(name, "image_bytes", files[:1]), (name, "image_bytes", files)]
    requests = [(name, key, np.array(value, object)) for name, key, value in requests]
    for name, dtype in (("tensors", np.float32), ("tensors_uint8", np.uint8)):
        requests.append((name, "images", image[None].astype(dtype)))
    return requests


def write_warm_up(path, requests):
    """Writes requests as TF Serving reads them.

    Raises:
        UserError: the messages of TF Serving are not installed.
    """
    log = _messages().PredictionLog
    records = []
    for signature, key, value in requests:
        record = log()
        request = record.predict_log.request
        request.model_spec.name = "dmls"
        request.model_spec.signature_name = signature
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        records.append(record.SerializeToString())
    write_records(path, records)


def read_warm_up(path):
    """The requests in a file of `write_warm_up`."""
    requests = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = _messages().PredictionLog.FromString(record).predict_log.request
        ((key, value),) = request.inputs.items()
        requests.append((request.model_spec.signature_name, key, tf.make_ndarray(value)))
    return requests


def _messages():
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise UserError(
            'warm-up requests need the messages of TF Serving: pip install -e ".[serving]", '
            "or pass --nowarm_up"
        ) from error
    return prediction_log_pb2
