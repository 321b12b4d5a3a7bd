"""Joint transformations of an image and its label map, stateless: a seed gives one result.

Images are uint8 or float32 `[H, W, 3]`, 0..255; labels uint8 `[H, W]`. Labels are never
interpolated, and what lies outside an image is black and ignored.
"""

import tensorflow as tf

from dmls_tf import IGNORE_LABEL


def augment(image, label, config, seed):
    """Scales, crops, flips and jitters as a `DataConfig` says.

    Args:
        image: uint8 `[H, W, 3]`.
        label: uint8 `[H, W]`.
        config: a `DataConfig`.
        seed: integers `[2]`, which decide everything.

    Returns:
        The image, float32 if it was resized, else uint8, and the label.
    """
    draws = tf.random.stateless_uniform((4,), seed)
    if config.crop_size:
        low, high = config.scale_range
        window = window_size(label, config, low + (high - low) * draws[0])
        image, label = cut(image, label, window, draws[2:])
        if config.image_size or not low == high == 1:
            part = tf.cast(tf.shape(label) * config.crop_size, tf.float32)
            size = tf.cast(tf.round(part / tf.cast(window, tf.float32)), tf.int32)
            image, label = resize(image, label, tf.unstack(tf.maximum(size, 1)))
        image, label = pad(image, label, config.crop_size)
    else:
        image, label = resize(image, label, config.image_size)
    if config.random_flip:
        image, label = flip_if(draws[1] < 0.5, image, label)
    if config.jitter:
        image = jitter(image, config.jitter, seed)
    return image, label


def resize(image, label, size):
    """Bilinear for the image, nearest for the label, both with half-pixel centres."""
    # Rows, then columns as rows: a fifth of the time of tf.image.resize, and the same pixels.
    for side in size:
        scale = tf.cast(tf.shape(label)[0] / side, tf.float32)
        centres = (tf.cast(tf.range(side), tf.float32) + 0.5) * scale
        label = tf.transpose(tf.gather(label, tf.cast(centres, tf.int32)))
    # TensorFlow interpolates float32 faster than uint8; where many pixels become few, the
    # conversion costs more than that.
    image = tf.cond(
        tf.size(image) < 3 * size[0] * size[1],
        lambda: tf.image.resize(tf.cast(image, tf.float32), size),
        lambda: tf.image.resize(image, size),
    )
    return image, label


def window_size(label, config, scale):
    """The part of an image that becomes a crop: (height, width) in the image's own pixels.

    Cutting it before resizing it to `crop_size` gives the crop of an image that was resized to
    `image_size` (if there is one) and then by `scale`, without making all of that.
    """
    shape = tf.cast(tf.shape(label), tf.float32)
    full_size = tf.constant(config.image_size, tf.float32) if config.image_size else shape
    window = tf.constant(config.crop_size, tf.float32) * shape / (full_size * scale)
    return tf.maximum(tf.cast(tf.round(window), tf.int32), 1)


def cut(image, label, size, place):
    """A window of `size` (height, width), or what there is of it if the image is smaller.

    Args:
        image, label: see above.
        size: integers `[2]`.
        place: float `[2]` in [0, 1), from the first to the last place where it fits.
    """
    size = tf.minimum(size, tf.shape(label))
    room = tf.cast(tf.shape(label) - size + 1, tf.float32)
    corner = tf.cast(place * room, tf.int32)
    image = tf.slice(image, tf.pad(corner, [[0, 1]]), tf.concat([size, [3]], 0))
    return image, tf.slice(label, corner, size)


def pad(image, label, size):
    """Adds what an image lacks of `size` (height, width), below and right."""
    height, width = tf.unstack(size - tf.shape(label))
    image = tf.pad(image, [[0, height], [0, width], [0, 0]])
    label = tf.pad(label, [[0, height], [0, width]], constant_values=IGNORE_LABEL)
    return tf.ensure_shape(image, [*size, 3]), tf.ensure_shape(label, size)


def flip_if(condition, image, label):
    """Mirrors left to right."""
    return tf.cond(
        condition,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def jitter(image, strength, seed):
    """Random brightness, contrast, saturation and hue, as in SSD's training at strength 1.

    Args:
        image: uint8 or float32 `[H, W, 3]`, 0..255.
        strength: 0 (none) to 1 (brightness by up to 32 of 255, contrast and saturation by factors
            of 0.5 to 1.5, hue by up to 18 degrees).
        seed: integers `[2]`.

    Returns:
        float32 `[H, W, 3]`, 0..255.
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    low, high = 1 - 0.5 * strength, 1 + 0.5 * strength
    image = tf.cast(image, tf.float32) / 255
    image = tf.image.stateless_random_brightness(image, 32 / 255 * strength, seeds[0])
    image = tf.image.stateless_random_contrast(image, low, high, seeds[1])
    image = tf.clip_by_value(image, 0, 1)
    image = tf.image.stateless_random_saturation(image, low, high, seeds[2])
    image = tf.image.stateless_random_hue(image, 0.05 * strength, seeds[3])
    return 255 * tf.clip_by_value(image, 0, 1)
