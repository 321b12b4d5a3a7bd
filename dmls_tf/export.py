"""A SavedModel for TF Serving: encoded image bytes in, label maps out, stock operations only."""

import json
import pathlib
import shutil

import keras
import tensorflow as tf

from dmls_tf.data.records import decode_image
from dmls_tf.errors import UserError
from dmls_tf.exported import CLASSES_FILE, versions
from dmls_tf.inference import reduce_scores, to_size


def export(model, export_dir, size=None, version=None):
    """Writes `EXPORT_DIR/<version>/`, complete or not at all.

    The signature `serving_default` takes `image_bytes`, a batch of JPEG or PNG files, and returns

    - `labels`: int32 `[B, h, w]`, class ids at the working size;
    - `confidence`: float32 `[B, h, w]`, the probability of that class;
    - `mask_png_bytes`: `[B]`, 8-bit PNGs of class ids at each image's own size;
    - `height`, `width`: int32 `[B]`, of each image.

    `assets.extra/classes.json` names the classes and their colours.

    Args:
        model: a `DMLS`.
        export_dir: the model's base path in TF Serving.
        size: working (height, width); the model's training size where it is left out.
        version: a positive integer; one more than the highest there where it is left out.

    Returns:
        The path of the version.

    Raises:
        UserError: no working size is known, or the version exists.
    """
    size = size or model.metadata.get("image_size")
    if size is None:
        raise UserError("this model was trained at no fixed size; pass --height and --width")
    base = pathlib.Path(export_dir)
    version = version or 1 + max(versions(base), default=0)
    target = base / str(version)
    if target.exists():
        raise UserError(f"{target}: exists; choose another --version")
    # TF Serving looks at directories whose names are numbers.
    partial = base / f".{version}.partial"
    try:
        _write(model, size, partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def make_serving_function(model, size):
    """The function behind `serving_default`; see `export`."""

    def serve(image_bytes):
        def prepare(content):
            image = decode_image(content)
            return to_size(image[None], size)[0], tf.shape(image)[:2]

        def finish(one):
            logits, shape = one
            (labels,) = reduce_scores(logits[None], shape)
            return tf.io.encode_png(labels[..., None])

        images = tf.TensorSpec([*size, 3], tf.float32), tf.TensorSpec([2], tf.int32)
        images, shapes = tf.map_fn(prepare, image_bytes, fn_output_signature=images)
        logits = model(images, training=False)[model.final_output]
        return {
            "labels": tf.argmax(logits, axis=-1, output_type=tf.int32),
            "confidence": tf.reduce_max(tf.nn.softmax(logits), axis=-1),
            "mask_png_bytes": tf.map_fn(finish, (logits, shapes), fn_output_signature=tf.string),
            "height": shapes[:, 0],
            "width": shapes[:, 1],
        }

    return serve


def _write(model, size, directory):
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        make_serving_function(model, size),
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
    )
    archive.write_out(str(directory), verbose=False)
    path = directory / CLASSES_FILE
    path.parent.mkdir()
    classes = {key: model.metadata[key] for key in ("classes", "palette")}
    path.write_text(json.dumps(classes, indent=1) + "\n")
