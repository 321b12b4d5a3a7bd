"""The flags of the commands that apply a network to images, and what they say."""

from absl import flags

from dmls_tf.config import MIN_SIDE, InferenceConfig
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a command lists them


def define():
    """Defines how a network is applied to an image."""
    flags.DEFINE_string(
        "image_size",
        "model",
        "Size at which images are segmented: model (that of the training), native (their own) or "
        "height,width.",
    )
    flags.DEFINE_list(
        "window",
        None,
        "height,width: native images beyond it are cut into windows; by default as large as 8 GB "
        "of memory allow.",
    )
    flags.DEFINE_float("overlap", 0.25, "Share of a window that the next one has in common.")
    flags.DEFINE_list("scales", ["1"], "Factors of the size, averaged, like 0.5,0.75,1,1.25,1.5.")
    flags.DEFINE_bool("flip", False, "Average with the mirrored image.")


def settings(model):
    """The `InferenceConfig` of the flags for a `DMLS`.

    Raises:
        UserError: a flag that does not hold numbers.
    """
    size = FLAGS.image_size
    if size == "model":
        trained = model.metadata.get("image_size")
        size = tuple(trained) if trained else None
    elif size == "native":
        size = None
    else:
        size = _numbers("image_size", size.split(","), int, 2)
    return InferenceConfig(
        image_size=size,
        window=_numbers("window", FLAGS.window, int, 2) if FLAGS.window else None,
        overlap=FLAGS.overlap,
        scales=_numbers("scales", FLAGS.scales, float),
        flip=FLAGS.flip,
    )


def _numbers(name, words, kind, count=None):
    try:
        numbers = tuple(map(kind, words))
    except ValueError:
        numbers = None
    got = ",".join(words)
    if numbers is None or count not in (None, len(numbers)):
        form = "height,width" if count else "numbers"
        raise UserError(f"--{name} must be {form}, got {got}")
    if count and 0 < min(numbers) < MIN_SIDE:
        raise UserError(f"--{name} must be at least {MIN_SIDE} a side, got {got}")
    return numbers
