"""What serving costs: an exported network against Keras, a peer's export, and bytes in and out.

    python -m benchmarks.serving

ResNet-50, 19 classes, 512 x 512 by default; fresh weights. Medians of rounds in which all take
turns, in one process. The peer is KerasHub's DeepLabV3+ with ResNet-50 (output stride 32).
"""

import functools
import pathlib
import tempfile

import keras
import tensorflow as tf

from benchmarks.networks import deeplab, dmls, random_images
from benchmarks.options import run
from benchmarks.timing import in_turn, table
from dmls_tf.config import ServingConfig
from dmls_tf.datasets import color_wheel
from dmls_tf.serving.export import export

BATCH = 8  # images of a joined request
PEER = "DeepLabV3+, exported"


def main(
    backbone: str = "resnet50",
    num_classes: int = 19,
    size: int = 512,
    rounds: int = 5,
    recurrent_steps: tuple[int, ...] = (1, 4),
    image: str | None = None,
):
    pixels = picture(image, size)
    with tempfile.TemporaryDirectory() as directory:
        runs = {PEER: peer(f"{directory}/peer", pixels, num_classes)}
        for k in recurrent_steps:
            network = {"num_classes": num_classes, "backbone": backbone, "recurrent_steps": k}
            calls = ours(pathlib.Path(directory) / str(k), pixels, network)
            runs |= {f"K = {k}, {name}": call for name, call in calls.items()}
        ms = in_turn(runs, rounds)
    rows = [(name, [ms[name], ms[name] / ms[PEER]]) for name in runs]
    title = f"{backbone}, {num_classes} classes, {size} x {size}"
    table(f"{title}, one request", ["ms", "to DeepLabV3+"], rows)
    rows = []
    for k in recurrent_steps:
        alone, masks, overlay, batch = (
            ms[f"K = {k}, {name}"] for name in ("tensors_uint8", "masks", "overlay", "batch")
        )
        rows.append((f"K = {k}, masks", [masks / alone]))
        rows.append((f"K = {k}, overlay", [overlay / alone]))
        rows.append((f"K = {k}, {BATCH} images at once", [batch / (BATCH * masks)]))
    table("Files instead of pixels; images at once, to one by one", ["ratio"], rows)


def picture(path, size):
    """The image of a JPEG file, or a drawn one, uint8 `[size, size, 3]`."""
    if path:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    else:
        image = random_images((size // 32, size // 32, 3))
    image = tf.image.resize(image, (size, size), "bicubic", antialias=True)
    return tf.saturate_cast(image, tf.uint8)


def ours(directory, image, settings):
    """{name: function} for a network; `settings` are fields of `ModelConfig`."""
    classes = [f"class {i}" for i in range(settings["num_classes"])]
    metadata = {"classes": classes, "palette": color_wheel(len(classes))}
    model, _ = dmls((1, *image.shape), metadata=metadata, **settings)
    loaded = {}
    for optimize in ("none", "float32", "bfloat16"):
        config = ServingConfig(tuple(image.shape[:2]), optimize=optimize, warm_up=False)
        path = export(model, directory / optimize, config)
        size = sum(path.stat().st_size for path in path.rglob("*") if path.is_file())
        print(f"K = {directory.name}, {optimize}: {size / 2**20:.0f} MiB", flush=True)
        loaded[optimize] = tf.saved_model.load(str(path)).signatures
    plain, pixels, file = loaded["none"], image[None], tf.io.encode_jpeg(image, quality=92)[None]
    floats, files = tf.cast(pixels, tf.float32).numpy(), tf.repeat(file, BATCH)
    return {
        "Keras predict": lambda: model.predict(floats, verbose=0),
        "tensors_uint8": lambda: plain["tensors_uint8"](images=pixels),
        "tensors_uint8, float32": lambda: loaded["float32"]["tensors_uint8"](images=pixels),
        "tensors_uint8, bfloat16": lambda: loaded["bfloat16"]["tensors_uint8"](images=pixels),
        "serving_default": lambda: plain["serving_default"](image_bytes=file),
        "masks": lambda: plain["masks"](image_bytes=file),
        "overlay": lambda: plain["overlay"](image_bytes=file),
        "batch": lambda: plain["masks"](image_bytes=files),
    }


def peer(path, image, num_classes):
    """A call of KerasHub's DeepLabV3+, exported by Keras."""
    model, call = deeplab((1, *image.shape), num_classes, output_stride=32)
    print(f"DeepLabV3+: {model.count_params() / 1e6:.1f} M parameters", flush=True)

    def labels_and_logits(images):
        logits = call(tf.cast(images, tf.float32))
        return {"labels": tf.argmax(logits, -1, tf.int32), "logits": logits}

    archive = keras.export.ExportArchive()
    archive.track(model)
    specification = tf.TensorSpec([None, *image.shape], tf.uint8, name="images")
    archive.add_endpoint("serving_default", labels_and_logits, [specification])
    archive.write_out(path, verbose=False)
    exported = tf.saved_model.load(path).signatures["serving_default"]
    return functools.partial(exported, images=image[None])


if __name__ == "__main__":
    run(main, tensorflow=True)
