"""Level sets to look at: the evolution of a label map over an image, frame by frame."""

import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

from dmls_tf.errors import UserError
from dmls_tf.files import local_path, replacing, writing
from dmls_tf.images.drawing import overlay
from dmls_tf.ops.banded_distance import signed_distance
from dmls_tf.ops.level_set import assign, evolve, region_force
from dmls_tf.ops.region_statistics import gaussian_log_likelihood

STRIP_COLUMNS = 5


def shrink(image, label, max_side):
    """Image and label map, scaled down where a side is longer than `max_side`."""
    height, width = label.shape
    if image.shape[:2] != (height, width):
        sizes = f"{image.shape[1]} x {image.shape[0]} and {width} x {height}"
        raise UserError(f"image and label map differ in size: {sizes} pixels")
    scale = max_side / max(height, width)
    if scale >= 1:
        return image, label
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small), np.asarray(
        Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
    )


def evolve_labels(image, label, num_frames, steps_per_frame=5, dt=0.4, epsilon=1.0, band=8):
    """Lets the regions of a label map compete for an image; yields the label map as it moves.

    The force is that of Gaussian region statistics, estimated again for every frame, as the
    signed distances are.

    Args:
        image: uint8 `[H, W, 3]`.
        label: integers `[H, W]`, at least two different ones.
        num_frames: frames after the first, which is the label map itself.
        steps_per_frame, dt, epsilon: see `dmls_tf.ops.level_set.evolve`.
        band: pixels.

    Yields:
        Integers `[H, W]`, among those of `label`.
    """
    values, label = np.unique(label, return_inverse=True)
    if len(values) < 2:
        raise UserError(f"the label map holds one value only, {values[0]}: no contour to evolve")
    labels = ops.convert_to_tensor(label.reshape(1, *image.shape[:2]), dtype="int32")
    features = ops.convert_to_tensor(image.transpose(2, 0, 1)[None] / 255.0, dtype="float32")

    @tf.function(autograph=False)
    def advance(labels):
        phi = ops.transpose(signed_distance(labels, len(values), band), (0, 3, 1, 2))
        membership = ops.cast(phi < 0, "float32")
        force = region_force(gaussian_log_likelihood(features, membership))
        return assign(evolve(phi, force, steps_per_frame, dt, epsilon))

    yield values[ops.convert_to_numpy(labels)[0]]
    for _ in range(num_frames):
        labels = advance(labels)
        yield values[ops.convert_to_numpy(labels)[0]]


def save_evolution(image, labels, palette, path, milliseconds=120):
    """Writes overlays of label maps as an animated GIF or, by the suffix, one PNG sheet.

    Args:
        image: uint8 `[H, W, 3]`.
        labels: label maps, integers `[H, W]`.
        palette: an RGB colour a class id.
        path: `*.gif` or `*.png`; its directory is made if need be.
        milliseconds: a frame of the GIF.

    Raises:
        UserError: it cannot be written.
    """
    frames = [overlay(image, label, palette, opacity=0.35) for label in labels]
    path = local_path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            _save(frames, temporary, path.suffix, milliseconds)


def _save(frames, path, suffix, milliseconds):
    if suffix == ".gif":
        first, *others = [Image.fromarray(frame) for frame in frames]
        timing = {"duration": milliseconds, "loop": 0}
        first.save(path, "gif", save_all=True, append_images=others, **timing)
        return
    chosen = np.linspace(0, len(frames) - 1, min(STRIP_COLUMNS, len(frames))).round().astype(int)
    Image.fromarray(np.concatenate([frames[i] for i in chosen], axis=1)).save(path, "png")
