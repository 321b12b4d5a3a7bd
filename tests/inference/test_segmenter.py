"""Windows, scales and mirrors around toy networks whose right answer is known."""

import contextlib
import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import InferenceConfig, ModelConfig
from dmls_tf.errors import DamagedFile, UserError
from dmls_tf.inference import segmenter
from dmls_tf.inference.segmenter import (
    edge_weights,
    make_segmenter,
    reduce_logits,
    window_size,
    window_starts,
)
from tests.helpers import ROOT

NATIVE = InferenceConfig(image_size="native")


def channels(images):
    """The network whose logits are the image's colours."""
    return {"logits": images / 20.0}


def step_of(images):
    """Two classes: which side of grey 100 the first channel is on, a ramp in the image."""
    side = (images[..., :1] - 100.0) / 10.0
    return {"logits": tf.concat([-side, side], -1)}


def photo(rng, height=100, width=140):
    small = rng.integers(0, 256, (1, 6, 8, 3)).astype(np.float32)
    return tf.cast(tf.image.resize(small, (height, width)), tf.uint8).numpy()[0]


def ramp(height, width, edge):
    """Columns that pass grey 100 at x = `edge`, in pixels, counted from the first one's centre."""
    row = np.clip(100 + 4.0 * (np.arange(width) - edge), 0, 255)
    return np.broadcast_to(np.round(row)[None, :, None], (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("window", [(100, 140), (40, 60), (64, 140), (98, 32)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_windows_leave_no_seams(rng, window, overlap):
    """A network that sees nothing beyond a pixel gives the same in windows as without them."""
    image = photo(rng)
    (expected,) = make_segmenter(channels, 3, NATIVE, True)(image).values()
    config = dataclasses.replace(NATIVE, window=window, overlap=overlap)
    (found,) = make_segmenter(channels, 3, config, True)(image).values()
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)
    np.testing.assert_array_equal(found.labels, image.argmax(-1))


def test_a_constant_network_is_constant_whatever_the_views():
    image = np.zeros((74, 106, 3), np.uint8)
    scales = (0.5, 0.75, 1.0, 1.25, 1.75)
    config = InferenceConfig("native", window=(32, 40), scales=scales, test_time_flip=True)
    logits = tf.constant([0.3, -1.0, 2.0])

    def constant(images):
        return {"logits": tf.zeros_like(images) + logits}

    (found,) = make_segmenter(constant, 3, config, confidence=True)(image).values()
    assert (found.labels == 2).all()
    np.testing.assert_allclose(found.confidence, tf.nn.softmax(logits)[2], rtol=1e-5)


VIEWS = {
    "half": {"scales": (0.5,)},
    "one and three quarters": {"scales": (1.75,)},
    "many": {"scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), "test_time_flip": True},
    "windows": {"scales": (0.5, 1.75), "test_time_flip": True, "window": (40, 64), "overlap": 0.5},
    "other size": {"image_size": (32, 45)},
}


def columns_of_the_second_class(views, edge):
    image = ramp(48, 120, edge)
    config = dataclasses.replace(NATIVE, **views)
    (found,) = make_segmenter(step_of, 2, config)(image).values()
    assert (found.labels == found.labels[:1]).all()
    return np.flatnonzero(found.labels[0])


# Between columns 59 and 60; half a pixel to the left, or to the right, one of them is elsewhere.
EDGES = 59.25, 59.75


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_no_view_shifts_an_edge(views, edge):
    assert columns_of_the_second_class(views, edge).tolist() == list(range(60, 120))


def test_an_edge_that_is_half_a_pixel_off_is_noticed(monkeypatch):
    """The same test with logits resized by the corners of pixels instead of their centres."""
    resize = tf.image.resize

    def misaligned(images, size):
        if images.shape[-1] == 3:
            return resize(images, size)
        return tf.raw_ops.ResizeBilinear(images=images, size=size)

    monkeypatch.setattr(segmenter.tf.image, "resize", misaligned)
    found = [columns_of_the_second_class(VIEWS["half"], edge)[0] for edge in EDGES]
    assert found != [60, 60]


def test_views_are_averaged_as_log_probabilities(rng):
    """Mirrored and plain views of a network that depends on the place."""
    image = photo(rng, 8, 9)
    place = rng.normal(size=(1, 8, 9, 4)).astype(np.float32)

    def by_place(images):
        return {"logits": tf.constant(place) + 0.0 * images[..., :1]}

    config = dataclasses.replace(NATIVE, test_time_flip=True)
    (found,) = make_segmenter(by_place, 4, config, True)(image).values()
    log_p = np.log(np.exp(place[0]) / np.exp(place[0]).sum(-1, keepdims=True))
    mean = 0.5 * (log_p + log_p[:, ::-1])
    np.testing.assert_array_equal(found.labels, mean.argmax(-1))
    shares = np.exp(mean) / np.exp(mean).sum(-1, keepdims=True)
    np.testing.assert_allclose(found.confidence, shares.max(-1), rtol=1e-5)


@pytest.mark.parametrize("size", [(37, 53), (700, 900), (1, 1)])
def test_strips_are_the_whole(rng, size):
    logits = rng.normal(size=(1, 33, 41, 5)).astype(np.float32)
    labels, confidence = reduce_logits(tf.constant(logits), tf.constant(size), confidence=True)
    whole = tf.image.resize(logits, size)[0]
    assert (labels.numpy() == tf.argmax(whole, -1).numpy()).mean() > 0.9999
    np.testing.assert_allclose(confidence, tf.reduce_max(tf.nn.softmax(whole), -1), atol=1e-4)


def test_window_starts_cover_the_length_in_equal_windows():
    assert window_starts(100, 40, 0.5) == ([0, 20, 40, 60], 40)
    assert window_starts(100, 40, 0.0) == ([0, 40, 60], 40)
    assert window_starts(30, 40, 0.25) == ([0], 30)
    assert edge_weights(6, 0.5).tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3])
    assert edge_weights(4, 0.0).tolist() == [1, 1, 1, 1]


def test_windows_are_as_large_as_the_logits_may_be():
    assert window_size((1024, 2048), 19, NATIVE) == (1024, 2048)
    assert window_size((3000, 4000), 65, NATIVE) == (877, 877)
    assert window_size((3000, 4000), 65, InferenceConfig(window=(90, 99))) == (90, 99)
    assert window_size((1024, 2048), 19, InferenceConfig(scales=(0.5, 2.0))) == (811, 811)


@pytest.mark.parametrize(
    ("size", "changes", "is_large_enough"),
    [
        ((34, 40), {}, True),
        ((33, 40), {}, False),
        ((40, 60), {"scales": (1.0, 0.75)}, False),
        ((80, 80), {"window": (32, 64)}, False),
        ((20, 20), {"image_size": (40, 40)}, True),
        ((40, 40), {"image_size": (32, 40)}, False),
    ],
)
def test_views_are_as_large_as_the_network_needs(size, changes, is_large_enough):
    check_size = ModelConfig(num_classes=3, network_stride=2).check_size
    config = dataclasses.replace(NATIVE, **changes)
    with contextlib.nullcontext() if is_large_enough else pytest.raises(UserError, match="34 pix"):
        segment = make_segmenter(channels, 3, config, check_size=check_size)
        segment(np.zeros((*size, 3), np.uint8))


def test_a_small_image_is_named():
    check_size = ModelConfig(num_classes=3).check_size
    segment = make_segmenter(channels, 3, NATIVE, check_size=check_size)
    with pytest.raises(DamagedFile, match="a.png: images must be at least 17 pixels high"):
        segment(np.zeros((17, 16, 3), np.uint8), "a.png")


def test_a_size_is_needed():
    """That of the training is known to those who have a model."""
    with pytest.raises(UserError, match="image_size must be native or height,width, got 'model'"):
        make_segmenter(channels, 3, InferenceConfig())


@pytest.mark.parametrize(
    "wrong", [{"overlap": 1.0}, {"scales": ()}, {"scales": (0.0,)}, {"window": (0, 5)}]
)
def test_wrong_settings(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        InferenceConfig(**wrong)


MEMORY = """
import pathlib, re
import numpy as np, tensorflow as tf
from dmls_tf.config import InferenceConfig
from dmls_tf.inference.segmenter import make_segmenter
def network(images):
    return {"logits": tf.tile(images[..., :1], [1, 1, 1, 65])}
config = InferenceConfig("native", window=(512, 512), test_time_flip=True)
segment = make_segmenter(network, 65, config)
labels = segment(np.zeros((3000, 2000, 3), np.uint8))["logits"].labels
# Not ru_maxrss, which begins with the memory of the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text()).group(1)
print(labels.shape, int(peak) // 1024)
"""


@pytest.mark.slow
def test_logits_of_a_large_frame_are_never_held():
    """65 classes of 6 megapixels would take 1500 MiB, besides the 740 of TensorFlow."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    *shape, mebibytes = done.stdout.split()
    assert " ".join(shape) == "(3000, 2000)", done.stderr
    assert int(mebibytes) < 2000
