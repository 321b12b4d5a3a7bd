"""What serving costs: an exported network against Keras, a peer's export, and bytes in and out.

    python -m benchmarks.serving

ResNet-50, 19 classes, 512 x 512 by default; fresh weights. Medians of rounds in which all take
turns, in one process. The peer is KerasHub's DeepLabV3+ with ResNet-50 (output stride 32).
"""

import pathlib
import tempfile

import numpy as np
from absl import app, flags

from benchmarks.networks import deeplab, dmls
from benchmarks.timing import in_turn, table

FLAGS = flags.FLAGS

flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py.")
flags.DEFINE_integer("num_classes", 19, "N.")
flags.DEFINE_integer("size", 512, "Height and width, pixels.")
flags.DEFINE_integer("rounds", 5, "Rounds of the timing.")
flags.DEFINE_list("steps", ["1", "4"], "K of the networks.")
flags.DEFINE_string("image", None, "A JPEG for the requests with files; drawn where left out.")
flags.DEFINE_integer("batch", 8, "Images of a joined request.")


def main(_):
    import tensorflow as tf

    image = picture()
    file = tf.constant(tf.io.encode_jpeg(image, quality=92).numpy())
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        runs = {"DeepLabV3+, exported": peer(directory / "peer", image)}
        for steps in FLAGS.steps:
            runs |= ours(directory / steps, int(steps), image, file)
        numbers = in_turn(runs, FLAGS.rounds)
    rows = [
        (name, [1e3 * numbers[name], numbers[name] / numbers[next(iter(runs))]]) for name in runs
    ]
    size = f"{FLAGS.backbone}, {FLAGS.num_classes} classes, {FLAGS.size} x {FLAGS.size}"
    table(f"{size}, one request", ["ms", "to DeepLabV3+"], rows)
    rows = []
    for steps in FLAGS.steps:
        alone = numbers[f"K = {steps}, tensors_uint8"]
        rows.append((f"K = {steps}, masks", [numbers[f"K = {steps}, masks"] / alone]))
        rows.append((f"K = {steps}, overlay", [numbers[f"K = {steps}, overlay"] / alone]))
        joined, single = (numbers[f"K = {steps}, {name}"] for name in ("batch", "masks"))
        rows.append((f"K = {steps}, {FLAGS.batch} images at once", [joined / single / FLAGS.batch]))
    table("Files instead of pixels; images at once, to one by one", ["ratio"], rows)


def picture():
    """A drawn image, uint8 `[size, size, 3]`, or the one that is named."""
    import tensorflow as tf

    if FLAGS.image:
        image = tf.io.decode_jpeg(tf.io.read_file(FLAGS.image), channels=3)
    else:
        rng = np.random.default_rng(0)
        image = rng.uniform(0, 255, (FLAGS.size // 32, FLAGS.size // 32, 3))
    resized = tf.image.resize(image, (FLAGS.size, FLAGS.size), "bicubic", antialias=True)
    return tf.saturate_cast(resized, tf.uint8)


def ours(directory, num_steps, image, file):
    """{name: function} for a network of K steps."""
    import tensorflow as tf

    from dmls_tf.config import ServingConfig
    from dmls_tf.datasets import color_wheel
    from dmls_tf.serving.export import export

    classes = [f"class {i}" for i in range(FLAGS.num_classes)]
    metadata = {"classes": classes, "palette": color_wheel(FLAGS.num_classes)}
    settings = {"backbone": FLAGS.backbone, "num_steps": num_steps}
    model, _ = dmls((1, *image.shape), FLAGS.num_classes, metadata, **settings)
    paths = {}
    for optimize in ("none", "float32", "bfloat16"):
        settings = ServingConfig((FLAGS.size,) * 2, optimize=optimize, warm_up=False)
        paths[optimize] = export(model, directory / optimize, settings)
        size = sum(path.stat().st_size for path in paths[optimize].rglob("*") if path.is_file())
        print(f"K = {num_steps}, {optimize}: {size / 2**20:.0f} MiB", flush=True)
    loaded = {name: tf.saved_model.load(str(path)).signatures for name, path in paths.items()}
    plain, pixels = loaded["none"], image[None]
    floats = tf.cast(pixels, tf.float32).numpy()
    runs = {
        "Keras predict": lambda: model.predict(floats, verbose=0),
        "tensors_uint8": lambda: plain["tensors_uint8"](images=pixels),
        "tensors_uint8, float32": lambda: loaded["float32"]["tensors_uint8"](images=pixels),
        "tensors_uint8, bfloat16": lambda: loaded["bfloat16"]["tensors_uint8"](images=pixels),
        "serving_default": lambda: plain["serving_default"](image_bytes=file[None]),
        "masks": lambda: plain["masks"](image_bytes=file[None]),
        "overlay": lambda: plain["overlay"](image_bytes=file[None]),
        "batch": lambda: plain["masks"](image_bytes=tf.repeat(file, FLAGS.batch)),
    }
    return {f"K = {num_steps}, {name}": run for name, run in runs.items()}


def peer(directory, image):
    """A call of KerasHub's DeepLabV3+, exported by Keras."""
    import keras
    import tensorflow as tf

    model, call = deeplab((1, *image.shape), FLAGS.num_classes, output_stride=32)
    print(f"DeepLabV3+: {model.count_params() / 1e6:.1f} M parameters", flush=True)
    archive = keras.export.ExportArchive()
    archive.track(model)
    specification = tf.TensorSpec([None, FLAGS.size, FLAGS.size, 3], tf.uint8, name="images")

    def labels_and_scores(images):
        scores = call(tf.cast(images, tf.float32))
        return {"labels": tf.argmax(scores, -1, tf.int32), "scores": scores}

    archive.add_endpoint("serving_default", labels_and_scores, [specification])
    archive.write_out(str(directory), verbose=False)
    exported = tf.saved_model.load(str(directory)).signatures["serving_default"]
    return lambda: exported(images=image[None])


if __name__ == "__main__":
    app.run(main)
