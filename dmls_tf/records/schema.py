"""The record schema: DeepLab's feature keys, so that existing tools and files interoperate.

A record is an encoded image as it was on disk, and a PNG of class ids with 255 for ignored. The
PNG of instances is an addition to that schema, which its readers pass over.
"""

import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.images.decoding import decode_image

IMAGE = "image/encoded"
FILENAME = "image/filename"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
LABEL = "image/segmentation/class/encoded"
LABEL_FORMAT = "image/segmentation/class/format"
INSTANCE = "image/segmentation/instance/encoded"

NAME_FEATURE = tf.io.FixedLenFeature((), tf.string, default_value="")  # empty where it lacks


def encode_record(image_bytes, image_format, filename, shape, label_png, instance_png=None):
    """Serialises one record.

    Args:
        image_bytes: of a JPEG or PNG file.
        image_format: "jpeg" or "png".
        filename: a name that identifies the image within its data set, without directory.
        shape: (height, width, channels) of the image.
        label_png: bytes of an 8-bit PNG of class ids.
        instance_png: bytes of a 16-bit PNG, values as the data set has them; optional.

    Returns:
        bytes of a `tf.train.Example`, the same for the same arguments.
    """
    height, width, channels = shape
    features = {
        IMAGE: _bytes(image_bytes),
        FILENAME: _bytes(filename.encode()),
        FORMAT: _bytes(image_format.encode()),
        HEIGHT: _int(height),
        WIDTH: _int(width),
        CHANNELS: _int(channels),
        LABEL: _bytes(label_png),
        LABEL_FORMAT: _bytes(b"png"),
    }
    if instance_png is not None:
        features[INSTANCE] = _bytes(instance_png)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def write_records(path, records):
    """Writes serialised records to a TFRecord file.

    Raises:
        UserError: the disk is full, or the file cannot be written.
    """
    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
    except tf.errors.OpError as error:
        raise UserError(f"{path}: cannot be written ({error.message})") from error


def parse_record(serialized, instances=False):
    """Decodes one record inside a `tf.data` map.

    Args:
        serialized: a scalar string.
        instances: whether to decode the instance map, which the record must then have.

    Returns:
        A dict of `image` uint8 `[H, W, 3]`, `label` uint8 `[H, W]`, `filename`, a string, and, if
        asked for, `instance` uint16 `[H, W]`.
    """
    required = tf.io.FixedLenFeature((), tf.string)
    features = {IMAGE: required, LABEL: required}
    features[FILENAME] = NAME_FEATURE
    if instances:
        features[INSTANCE] = required
    parsed = tf.io.parse_single_example(serialized, features)
    example = {
        "image": decode_image(parsed[IMAGE]),
        "label": tf.io.decode_png(parsed[LABEL], channels=1)[..., 0],
        "filename": parsed[FILENAME],
    }
    if instances:
        instance = tf.io.decode_png(parsed[INSTANCE], channels=1, dtype=tf.uint16)
        example["instance"] = instance[..., 0]
    return example


def parse_name(serialized):
    """The name of a record's image file, a scalar string, empty where it has none."""
    return tf.io.parse_single_example(serialized, {FILENAME: NAME_FEATURE})[FILENAME]


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
