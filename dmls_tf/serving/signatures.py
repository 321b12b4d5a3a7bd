"""The signatures of a served model: stock TensorFlow operations around a network.

| signature | takes | returns |
|---|---|---|
| `serving_default` | files | label maps; one bad file fails the request, which names its index |
| `masks` | files | files only; a bad file has an `error`, the others have results |
| `overlay` | files | pictures |
| `tensors`, `tensors_uint8` | pixels | labels and logits, at the size of the input |
| `about` | names of fields of the model card | their JSON |

All have a batch axis, so that the server can join requests. It then also joins their errors: only
`masks` keeps one user's bad file from failing another's request. Every fault of a request is an
InvalidArgument with a clear message, raised before the network runs.
"""

import json
import math

import tensorflow as tf

from dmls_tf.images.decoding import read_image
from dmls_tf.images.drawing import LINE_PER_PIXELS
from dmls_tf.inference.segmenter import reduce_logits, to_size

FILES = tf.TensorSpec([None], tf.string, name="image_bytes")
FIELDS = tf.TensorSpec([None], tf.string, name="fields")


def make_signatures(network, card, config):
    """All signatures, {name: (function, its one input)}.

    Args:
        network: a function from images, float32 `[B, h, w, 3]`, 0..255, to logits `[B, h, w, N]`.
        card: the model card, {field: JSON types}, with `classes`, `palette` and `min_side`.
        config: a `ServingConfig`.
    """
    palette = tf.constant(card["palette"], tf.uint8)

    def segment(image_bytes, tolerant=False):
        images, sizes, errors = _read_files(image_bytes, config)
        if not tolerant:
            images = _checked(images, tf.reduce_all(errors == ""), _listed(errors))
        return network(images), sizes, errors

    def serving_default(image_bytes):
        logits, sizes, _ = segment(image_bytes)
        return {
            "labels": tf.argmax(logits, axis=-1, output_type=tf.int32),
            "confidence": tf.reduce_max(tf.nn.softmax(logits), axis=-1),
            "mask_png_bytes": _encoded(logits, sizes)[0],
            "height": sizes[:, 0],
            "width": sizes[:, 1],
        }

    def masks(image_bytes):
        logits, sizes, errors = segment(image_bytes, tolerant=True)
        mask, confidence = _encoded(logits, sizes, confidence=True)
        return {
            "mask_png_bytes": mask,
            "confidence_png_bytes": confidence,
            "height": sizes[:, 0],
            "width": sizes[:, 1],
            "error": errors,
        }

    def overlay(image_bytes):
        logits, sizes, _ = segment(image_bytes)

        def draw(one):
            content, logits, size = one
            image, _ = read_image(content, config.max_pixels)
            (labels,) = reduce_logits(logits[None], size)
            return tf.io.encode_png(_overlay(image, labels, palette))

        drawn = tf.map_fn(draw, (image_bytes, logits, sizes), fn_output_signature=tf.string)
        return {"overlay_png_bytes": drawn, "height": sizes[:, 0], "width": sizes[:, 1]}

    def tensors(images):
        logits = network(_checked_pixels(images, config, card["min_side"]))
        return {"labels": tf.argmax(logits, axis=-1, output_type=tf.int32), "logits": logits}

    def about(fields):
        # The field, too: REST leaves out the name of an output that is the only one.
        return {"field": fields, "json": _looked_up(fields, card)}

    def pixels(dtype):
        return tf.TensorSpec([None, None, None, 3], dtype, name="images")

    signatures = {
        "serving_default": (serving_default, FILES),
        "masks": (masks, FILES),
        "overlay": (overlay, FILES),
        "tensors": (tensors, pixels(tf.float32)),
        "tensors_uint8": (tensors, pixels(tf.uint8)),
        "about": (about, FIELDS),
    }
    return {name: (_of_shape(*pair), pair[1]) for name, pair in signatures.items()}


def _of_shape(function, specification):
    """The function, for inputs of this shape only.

    TensorFlow's C++ runtime does not compare ranks, and oneDNN ends the whole process at an image
    without batch axis.
    """
    return lambda value: function(tf.ensure_shape(value, specification.shape))


def _read_files(image_bytes, config):
    """Images float32 `[B, h, w, 3]`, their own sizes int32 `[B, 2]`, error messages `[B]`."""
    count = tf.size(image_bytes)
    image_bytes = _checked(
        image_bytes,
        (count > 0) & (count <= config.max_batch),
        _text("a request holds 1 to ", config.max_batch, " images, this one ", count),
    )

    def read(content):
        image, error = read_image(content, config.max_pixels)
        shape = [*config.image_size, 3]
        resized = tf.cond(
            error == "",
            lambda: to_size(image[None], config.image_size)[0],
            lambda: tf.zeros(shape),
        )
        return tf.ensure_shape(resized, shape), tf.shape(image)[:2], error

    types = tf.TensorSpec([*config.image_size, 3]), tf.TensorSpec([2], tf.int32)
    types += (tf.TensorSpec([], tf.string),)
    return tf.map_fn(read, image_bytes, fn_output_signature=types)


def _checked_pixels(images, config, min_side):
    """The images as float32, if their number, size and values are valid."""
    count, limit = tf.size(images) // 3, config.max_batch * math.prod(config.image_size)
    side = tf.reduce_min(tf.shape(images)[1:3])
    images = _checked(
        images,
        (count > 0) & (count <= limit) & (side >= min_side),
        _text(
            f"images are at least {min_side} pixels high and wide and have at most {limit} in all, "
            "these are ",
            tf.strings.reduce_join(tf.strings.as_string(tf.shape(images)), separator=" x "),
        ),
    )
    if images.dtype != tf.float32:
        return tf.cast(images, tf.float32)
    valid = tf.reduce_all((images >= 0) & (images <= 255))
    return _checked(images, valid, "images hold values in 0..255, these others or NaN")


def _encoded(logits, sizes, confidence=False):
    """PNGs of class ids and, if asked for, of confidence, at these sizes; empty for size 0."""

    def encode(one):
        logits, size = one

        def files():
            labels, *probability = reduce_logits(logits[None], size, confidence)
            greys = [labels] + [tf.cast(tf.round(255.0 * p), tf.uint8) for p in probability]
            return tuple(tf.io.encode_png(grey[..., None]) for grey in greys)

        return tf.cond(size[0] > 0, files, lambda: ("",) * (1 + confidence))

    types = (tf.TensorSpec([], tf.string),) * (1 + confidence)
    return tf.map_fn(encode, (logits, sizes), fn_output_signature=types)


def _overlay(image, labels, palette):
    """The same as `drawing.overlay`, in a graph, in the memory of one more image."""
    colors = tf.gather(palette, tf.cast(labels, tf.int32))
    odd = tf.bitwise.bitwise_xor(image, colors)
    mean = tf.bitwise.bitwise_or(image, colors) - tf.bitwise.right_shift(odd, 1)  # rounded up
    across = tf.pad(labels[:, 1:] != labels[:, :-1], [[0, 0], [1, 0]])
    border = across | tf.pad(labels[1:] != labels[:-1], [[1, 0], [0, 0]])

    def wider(step, border):
        border |= tf.pad(border[:, :-1], [[0, 0], [1, 0]])
        return step + 1, border | tf.pad(border[:-1], [[1, 0], [0, 0]])

    steps = tf.reduce_min(tf.shape(labels)) // LINE_PER_PIXELS
    _, border = tf.while_loop(lambda step, _: step < steps, wider, [0, border])
    return tf.where(border[..., None], tf.constant(255, tf.uint8), mean)


def _looked_up(fields, card):
    """The JSON of fields of the card."""
    names = tf.constant(list(card))
    equal = fields[:, None] == names
    known = tf.reduce_all(tf.reduce_any(equal, axis=1))
    equal = _checked(equal, known, f"the fields of the model card are {', '.join(card)}")
    texts = tf.constant([json.dumps(value) for value in card.values()])
    return tf.gather(texts, tf.argmax(equal, axis=1))


def _listed(errors):
    """The errors of a batch, each with its index, as one string."""
    bad = tf.where(errors != "")[:, 0]
    lines = _text("image_bytes[", bad, "]: ", tf.gather(errors, bad))
    return tf.strings.reduce_join(lines, separator="; ")


def _text(*parts):
    tensors = map(tf.convert_to_tensor, parts)
    return tf.strings.join(
        [part if part.dtype == tf.string else tf.strings.as_string(part) for part in tensors]
    )


def _checked(value, condition, message):
    """The value; operations that use it do not run unless the condition holds."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(value)
