"""Images in, label maps of the same size out: what evaluation, prediction and serving share.

image bytes -> decode -> resize to the training size -> network -> resize back -> argmax
"""

import pathlib

import tensorflow as tf

from dmls_tf.data.records import decode_image
from dmls_tf.drawing import legend, overlay
from dmls_tf.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def working_size(model):
    """(height, width) at which the model was trained, None for any."""
    size = model.metadata.get("image_size")
    return tuple(size) if size else None


def to_working_size(image, size):
    """float32 image or batch, bilinearly resized where a size is given."""
    image = tf.cast(image, tf.float32)
    return tf.image.resize(image, size) if size else image


def to_class_ids(logits, size):
    """Logits `[B, h, w, N]` to class ids uint8 `[B, *size]`."""
    return tf.cast(tf.argmax(tf.image.resize(logits, size), axis=-1), tf.uint8)


def make_segmenter(model):
    """A compiled function from one image, uint8 `[H, W, 3]`, to class ids, uint8 `[H, W]`.

    Args:
        model: a `DMLS`.
    """
    size = working_size(model)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    def segment(image):
        outputs = model(to_working_size(image[None], size), training=False)
        return to_class_ids(outputs[model.final_output], tf.shape(image)[:2])[0]

    return segment


def find_images(path):
    """The JPEG and PNG files that `path` names: itself, or those of a directory, sorted.

    Raises:
        UserError: there are none.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: no such file or directory")
    images = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise UserError(f"{path}: no images ({', '.join(IMAGE_SUFFIXES)})")
    return images


def read_image(path):
    """Reads an image file.

    Raises:
        UserError: it is no readable JPEG or PNG.
    """
    try:
        return decode_image(path.read_bytes())
    except (OSError, tf.errors.InvalidArgumentError) as error:
        raise UserError(f"{path}: not a readable JPEG or PNG image") from error


def predict_files(model, paths, output_dir):
    """Writes `STEM_label.png` and `STEM_overlay.png` for each image, and one `legend.png`.

    Labels are 8-bit PNGs of class ids at the image's own size.

    Args:
        model: a trained `DMLS`, which knows its classes and palette.
        paths: image files.
        output_dir: made if need be.

    Yields:
        The path of each overlay, when it is written.

    Raises:
        UserError: an unreadable image, or two of the same stem.
    """
    stems = [path.stem for path in paths]
    repeated = {stem for stem in stems if stems.count(stem) > 1}
    if repeated:
        raise UserError(f"several images are called {sorted(repeated)[0]}; predict them apart")
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    palette = [tuple(color) for color in model.metadata["palette"]]
    legend(model.metadata["classes"], palette).save(output_dir / "legend.png")
    segment = make_segmenter(model)
    for path in paths:
        image = read_image(path)
        label = segment(image).numpy()
        _write_png(output_dir / f"{path.stem}_label.png", label[..., None])
        overlay_path = output_dir / f"{path.stem}_overlay.png"
        _write_png(overlay_path, overlay(image.numpy(), label, palette))
        yield overlay_path


def _write_png(path, array):
    path.write_bytes(tf.io.encode_png(array).numpy())
