"""The record schema: DeepLab's feature keys, so that existing tools and files interoperate.

A record is an encoded image as it was on disk, and a PNG of class ids with 255 for ignored.
"""

import tensorflow as tf

IMAGE = "image/encoded"
FILENAME = "image/filename"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
LABEL = "image/segmentation/class/encoded"
LABEL_FORMAT = "image/segmentation/class/format"


def encode_record(image_bytes, image_format, filename, shape, label_png):
    """Serialises one record.

    Args:
        image_bytes: of a JPEG or PNG file.
        image_format: "jpeg" or "png".
        filename: a name that identifies the image within its data set, without directory.
        shape: (height, width, channels) of the image.
        label_png: bytes of an 8-bit PNG of class ids.

    Returns:
        bytes of a `tf.train.Example`.
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
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_records(path, records):
    """Writes serialised records to one TFRecord file; returns how many."""
    count = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
            count += 1
    return count


def parse_record(serialized):
    """Decodes one record inside a `tf.data` map.

    Returns:
        A dict of `image` uint8 `[H, W, 3]`, `label` int32 `[H, W]` and `filename`, a string.
    """
    required = tf.io.FixedLenFeature((), tf.string)
    optional = tf.io.FixedLenFeature((), tf.string, default_value="")
    parsed = tf.io.parse_single_example(
        serialized, {IMAGE: required, LABEL: required, FILENAME: optional}
    )
    image = decode_image(parsed[IMAGE])
    label = tf.io.decode_png(parsed[LABEL], channels=1)[..., 0]
    return {"image": image, "label": tf.cast(label, tf.int32), "filename": parsed[FILENAME]}


def decode_image(content):
    """JPEG or PNG bytes to uint8 `[H, W, 3]`, grey images included."""
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
