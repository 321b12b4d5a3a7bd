"""A network applied to an image of any size: class ids and confidence of the same size.

    image -> windows -> views (scales, mirrored) -> network -> mean -> full size -> argmax

Class logits of a full-size frame take gigabytes (4000 x 3000 pixels, 65 classes: 3.1), so they are
never held: a row of windows is done before the next begins, and logits that are enlarged are
reduced to class ids strip by strip.
"""

import numpy as np
import tensorflow as tf

from dmls_tf.errors import DamagedFile, UserError
from dmls_tf.inference.segmentation import Segmentation

STRIP_PIXELS = 2**18
MAX_LOGITS = 50_000_000  # of a window: 1024 x 2048 pixels of 23 classes, 877 x 877 of 65


def make_segmenter(network, num_classes, config, confidence=False, check_size=None):
    """A function from an image, uint8 `[H, W, 3]`, and its name to {output: `Segmentation`}.

    Args:
        network: a function from an image, float32 `[1, h, w, 3]`, 0..255, to a dict of logits
            `[1, h, w, N]`.
        num_classes: N.
        config: an `InferenceConfig`, whose `image_size` is not "model".
        confidence: whether it is asked for.
        check_size: `ModelConfig.check_size` of the network: the working size is checked at once,
            else the size of each image. None: no check.

    Raises:
        UserError: the working size is too small. The function that is returned raises
            `DamagedFile` if an image is.

    >>> from dmls_tf.config import InferenceConfig
    >>> def bright(images):
    ...     return {"bright": tf.stack([127.5 - images[..., 0], images[..., 0] - 127.5], -1)}
    >>> segment = make_segmenter(bright, 2, InferenceConfig(image_size="native"))
    >>> segment(np.full((1, 3, 3), [[[9], [200], [255]]], np.uint8))["bright"].labels.tolist()
    [[0, 1, 1]]
    """
    working_size = config.working_size
    image_type = tf.TensorSpec([None, None, 3], tf.uint8)

    @tf.function(autograph=False, input_signature=[image_type])
    def whole(image):
        images = to_size(image[None], working_size)
        size = tf.shape(image)[:2]
        return _reduced(mean_of_views(network, images, config), size, confidence)

    @tf.function(autograph=False, input_signature=[image_type])
    def window(image):
        return mean_of_views(network, to_size(image[None]), config)

    @tf.function(autograph=False, reduce_retracing=True)
    def reduce(logits):
        size = tf.shape(next(iter(logits.values())))[1:3]
        return _reduced(logits, size, confidence)

    def check(seen):
        if check_size:
            check_size([min(config.scales) * side for side in seen])

    if working_size:
        check(working_size)

    def segment(image, name="image"):
        size = window_size(image.shape[:2], num_classes, config)
        if not working_size:
            try:
                check(np.minimum(image.shape[:2], size))
            except UserError as error:
                raise DamagedFile(f"{name}: {error}") from error
        if working_size or all(np.less_equal(image.shape[:2], size)):
            return _joined([whole(image)])
        return _joined(map(reduce, _rows(window, image, size, config.overlap)))

    return segment


def to_size(images, size=None):
    """Images as float32, bilinearly resized where a (height, width) is given."""
    images = tf.image.resize(images, size) if size else images
    return tf.cast(images, tf.float32)


def mean_of_views(network, images, config):
    """{output: logits} at the size of the images.

    With one view they are the network's, with several the mean of its log-probabilities.
    """
    views = [
        (scale, flip)
        for scale in config.scales
        for flip in (False, True)[: 1 + config.test_time_flip]
    ]
    if views == [(1.0, False)]:
        return network(images)
    size = tf.shape(images)[1:3]
    total = {}
    for scale, flip in views:
        scaled = tf.cast(tf.round(scale * tf.cast(size, tf.float32)), tf.int32)
        view = images if scale == 1 else tf.image.resize(images, scaled)
        for name, logits in network(_mirrored(view, flip)).items():
            log_probability = tf.nn.log_softmax(_mirrored(logits, flip))
            if scale != 1:
                log_probability = tf.image.resize(log_probability, size)
            total[name] = total.get(name, 0.0) + log_probability / len(views)
    return total


def _mirrored(images, flip):
    return tf.reverse(images, [2]) if flip else images


def reduce_logits(logits, size, confidence=False):
    """Logits, bilinearly resized, to the best class of each pixel, strip by strip.

    Args:
        logits: logits `[1, h, w, N]`.
        size: (height, width), int32 `[2]`.
        confidence: whether to compute it.

    Returns:
        Class ids uint8 `[height, width]`, and, if asked for, their probabilities, float32.
    """
    height, width = size[0], size[1]
    rows = tf.clip_by_value(STRIP_PIXELS // width, 1, height)
    scale = tf.cast(size, tf.float32) / tf.cast(tf.shape(logits)[1:3], tf.float32)

    def strip(top):
        enlarged = tf.raw_ops.ScaleAndTranslate(
            images=logits,
            size=tf.stack([rows, width]),
            scale=scale,
            translation=tf.stack([-tf.cast(top, tf.float32), 0.0]),
            kernel_type="triangle",
            antialias=False,
        )[0]
        labels = tf.cast(tf.argmax(enlarged, axis=-1), tf.uint8)
        if not confidence:
            return (labels,)
        log_total = tf.reduce_logsumexp(enlarged, axis=-1)
        return labels, tf.exp(tf.reduce_max(enlarged, axis=-1) - log_total)

    types = (tf.uint8, tf.float32)[: 1 + confidence]
    strips = tf.map_fn(
        strip, tf.range(0, height, rows), fn_output_signature=types, parallel_iterations=1
    )
    return tuple(tf.reshape(part, [-1, width])[:height] for part in strips)


def _reduced(logits, size, confidence):
    return {name: reduce_logits(value, size, confidence) for name, value in logits.items()}


def _joined(parts):
    """{output: `Segmentation`} of the parts of an image, from above to below."""
    parts = [{name: [x.numpy() for x in pair] for name, pair in part.items()} for part in parts]
    return {
        name: Segmentation(*map(np.concatenate, zip(*(part[name] for part in parts), strict=True)))
        for name in parts[0]
    }


def window_size(size, num_classes, config):
    """(height, width) of the windows for an image of this size; see `InferenceConfig`."""
    if config.window:
        return config.window
    pixels = MAX_LOGITS / num_classes / max(1.0, *config.scales) ** 2
    if size[0] * size[1] <= pixels:
        return size
    return (int(pixels**0.5),) * 2


def _rows(logits_of, image, window, overlap):
    """Averages overlapping windows; yields {output: logits `[1, rows, W, N]`} of finished rows.

    A window counts less towards its edges, where it sees less around a pixel.
    """
    height, width = image.shape[:2]
    tops, high = window_starts(height, window[0], overlap)
    lefts, wide = window_starts(width, window[1], overlap)
    down, across = edge_weights(high, overlap), edge_weights(wide, overlap)
    weight_across = _accumulated(across, lefts, width)
    weight_down = _accumulated(down, tops, height)
    sums = {}
    for top, next_top in zip(tops, [*tops[1:], height], strict=True):
        for left in lefts:
            cut = image[top : top + high, left : left + wide]
            for name, logits in logits_of(cut).items():
                if name not in sums:
                    sums[name] = np.zeros((high, width, logits.shape[-1]), np.float32)
                part = sums[name][:, left : left + wide]
                part += down[:, None, None] * across[:, None] * logits[0].numpy()
        done = next_top - top
        weights = weight_down[top:next_top, None, None] * weight_across[:, None]
        step = max(1, STRIP_PIXELS // width)
        for rows in (slice(row, min(row + step, done)) for row in range(0, done, step)):
            yield {name: (total[rows] / weights[rows])[None] for name, total in sums.items()}
        for total in sums.values():
            total[: high - done] = total[done:]
            total[high - done :] = 0


def window_starts(length, window, overlap):
    """Where windows along an axis begin, and how long they are: all the same.

    >>> window_starts(100, 40, overlap=0.25)
    ([0, 30, 60], 40)
    """
    window = min(length, window)
    step = max(1, round(window * (1 - overlap)))
    return [*range(0, length - window, step), length - window], window


def edge_weights(window, overlap):
    """Weights along a window that rise from its edges over the overlap: float32 `[window]`."""
    ramp = max(1.0, overlap * window)
    from_edge = np.minimum(np.arange(window), np.arange(window)[::-1]) + 1.0
    return np.minimum(1.0, from_edge / ramp).astype(np.float32)


def _accumulated(weights, starts, length):
    total = np.zeros(length, np.float32)
    for start in starts:
        total[start : start + len(weights)] += weights
    return total
