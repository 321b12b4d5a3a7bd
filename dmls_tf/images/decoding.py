"""JPEG and PNG files of unknown origin, decoded upright in a graph of stock operations.

The decoders of TensorFlow fail the whole graph on a damaged file, allocate what its header claims,
and leave a photograph as the camera was held. Here the size is read before anything is decoded,
what cannot be decoded becomes an empty image and a reason, and EXIF orientation is obeyed.

    >>> file = tf.io.encode_png(np.zeros((20, 30, 3), np.uint8))
    >>> image, error = read_image(file, max_pixels=500)
    >>> tuple(image.shape), error.numpy()
    ((0, 0, 3), b'20 x 30 pixels, more than 500')
"""

import tensorflow as tf

from dmls_tf.images.formats import JPEG, PNG

START_OF_SCAN, ORIENTATION = 0xDA, 0x0112  # of JPEG; of TIFF
MAX_BLOCKS = 100  # that are searched for EXIF, and entries of it
TIFF_BYTES = 2**16  # of EXIF that are read; a JPEG has no more


def decode_image(content):
    """JPEG or PNG bytes to uint8 `[H, W, 3]`, grey images included."""
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def read_image(content, max_pixels):
    """Decodes a file, the first image of an animated PNG, without its transparency.

    Args:
        content: a scalar string, the file.
        max_pixels: larger images are not decoded.

    Returns:
        image: uint8 `[H, W, 3]`, upright; `[0, 0, 3]` where there is an error.
        error: a scalar string, empty or what is wrong with the file.
    """
    is_jpeg = tf.strings.substr(content, 0, len(JPEG)) == JPEG
    is_png = tf.strings.substr(content, 0, len(PNG)) == PNG
    nothing = tf.zeros([0, 0, 3], tf.uint8)

    def decode(content):
        size = tf.cond(is_jpeg, lambda: _jpeg_size(content), lambda: _png_size(content))
        taken = (is_jpeg | is_png) & (tf.reduce_prod(size) <= max_pixels)
        return tf.cond(taken, lambda: _upright(content, is_jpeg), lambda: nothing), size

    default = nothing, tf.zeros([2], tf.int64)
    image, size = _result_or(decode, content, default)
    size = tf.strings.as_string(size)
    error = tf.case(
        [
            (tf.size(image) > 0, lambda: ""),
            (tf.strings.length(content) == 0, lambda: "an empty file"),
            (~(is_jpeg | is_png), lambda: "not a readable JPEG or PNG image"),
            (size[0] == "0", lambda: "a damaged JPEG or PNG image"),
        ],
        lambda: tf.strings.join([size[0], " x ", size[1], f" pixels, more than {max_pixels}"]),
    )
    return image, error


def _result_or(function, argument, default):
    """`function(argument)`, or where an operation of it fails, `default`, as a `tf.data` set."""
    done = tf.data.Dataset.from_tensors(argument).map(function).ignore_errors()
    return done.concatenate(tf.data.Dataset.from_tensors(default)).take(1).get_single_element()


def _jpeg_size(content):
    return tf.io.extract_jpeg_shape(content, output_type=tf.int64)[:2]


def _png_size(content):
    header = tf.strings.substr(content, 16, 8)  # width and height, below 2^31
    return tf.cast(tf.io.decode_raw(header, tf.int32, little_endian=False), tf.int64)[::-1]


def _upright(content, is_jpeg):
    image = decode_image(content)
    data = tf.io.decode_raw(content, tf.uint8)
    held = _orientation(data[_exif_start(data, is_jpeg) :][:TIFF_BYTES])

    def turned():
        transposed = tf.cond(held >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        axes = tf.reduce_any(held == [[3, 4, 7, 8], [2, 3, 6, 7]], axis=1)
        return tf.reverse(transposed, tf.boolean_mask([0, 1], axes))

    return tf.cond(held > 1, turned, lambda: image)


def _exif_start(data, is_jpeg):
    """Where the TIFF block of EXIF begins, or the end of the data.

    A JPEG is a row of segments (marker, length, ...), a PNG of chunks (length, name, ...).
    """
    end = tf.size(data, tf.int64)
    wanted = tf.where(is_jpeg, _word(b"Exif"), _word(b"eXIf"))

    def is_other(at):
        word = _number(data, at + 4, 4)
        pixels = tf.where(
            is_jpeg, _number(data, at + 1, 1) == START_OF_SCAN, word == _word(b"IDAT")
        )
        return (at + 12 < end) & ~pixels & (word != wanted)

    def following(at):
        return [at + tf.where(is_jpeg, 2 + _number(data, at + 2, 2), 12 + _number(data, at, 4))]

    first = tf.where(is_jpeg, tf.constant(2, tf.int64), len(PNG))
    (at,) = tf.while_loop(is_other, following, [first], maximum_iterations=MAX_BLOCKS)
    found = (at + 12 < end) & (_number(data, at + 4, 4) == wanted)
    return tf.where(found, at + tf.where(is_jpeg, tf.constant(10, tf.int64), 8), end)


def _orientation(tiff):
    """EXIF orientation, 1..8, of a TIFF block; 1 where it says nothing."""

    def read():
        little = tiff[0] == ord("I")
        start = _number(tiff, 4, 4, little)
        count = tf.minimum(_number(tiff, start, 2, little), MAX_BLOCKS)
        entries = start + 2 + 12 * tf.range(count)
        tags, values = (_number(tiff, entries + shift, 2, little) for shift in (0, 8))
        held = tf.reduce_max(tf.where(tags == ORIENTATION, values, 1))
        return tf.where(held <= 8, held, 1)

    return tf.cond(tf.size(tiff) > 0, read, lambda: tf.constant(1, tf.int64))


def _number(data, at, count, little=False):
    """The integers of `count` bytes at these places; beyond the end, the last byte is read."""
    steps = tf.range(count, dtype=tf.int64)
    places = tf.expand_dims(tf.cast(at, tf.int64), -1) + steps
    found = tf.gather(data, tf.clip_by_value(places, 0, tf.size(data, tf.int64) - 1))
    shifts = 8 * tf.where(little, steps, steps[::-1])
    return tf.reduce_sum(tf.bitwise.left_shift(tf.cast(found, tf.int64), shifts), axis=-1)


def _word(characters):
    return tf.constant(int.from_bytes(characters, "big"), tf.int64)
