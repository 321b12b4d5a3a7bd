"""What the recurrence costs: time at inference, time and memory in training, by its steps.

    python -m benchmarks.network

One image of 512 x 512, ResNet-50, 19 classes by default. Times of inference are medians of rounds
in which all take turns, in one process; each training has a process of its own.
"""

import functools

import numpy as np
from absl import app, flags

from benchmarks.timing import ROOT, in_turn, measure_in_child, table

FLAGS = flags.FLAGS

flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py.")
flags.DEFINE_integer("num_classes", 19, "N.")
flags.DEFINE_integer("size", 512, "Height and width, pixels.")
flags.DEFINE_integer("rounds", 7, "Rounds of the timing.")

STEPS = (1, 2, 3, 4)
VARIANTS = ((1,), (1, "jit_compile"), (4,), (4, "remat"))


def main(_):
    title = f"{FLAGS.backbone}, {FLAGS.num_classes} classes, 1 x {FLAGS.size} x {FLAGS.size}"
    times = inference_times()
    rows = [(f"K = {k}", [1e3 * times[k], times[k] / times[1]]) for k in STEPS]
    table(f"{title}, inference", ["ms", "to K = 1"], rows)
    numbers = {variant: training(*variant) for variant in VARIANTS}
    rows = []
    for variant, (milliseconds, peak) in numbers.items():
        ratios = milliseconds / numbers[1,][0], peak / numbers[1,][1]
        rows.append(
            (" ".join(["K =", *map(str, variant)]), [milliseconds, ratios[0], peak, ratios[1]])
        )
    table(f"{title}, a training step", ["ms", "to K = 1", "peak MiB", "to K = 1"], rows)


def inference_times():
    """{K: median seconds} of a call that returns the last prediction."""
    image = np.random.default_rng(0).uniform(0, 255, (1, FLAGS.size, FLAGS.size, 3))
    runs = {k: functools.partial(network(k), image.astype(np.float32)) for k in STEPS}
    return in_turn(runs, FLAGS.rounds)


def network(num_steps):
    """A compiled network of so many steps, whose prior counts."""
    import tensorflow as tf

    from dmls_tf.config import ModelConfig
    from dmls_tf.models import build_dmls

    config = ModelConfig(FLAGS.num_classes, backbone=FLAGS.backbone, num_steps=num_steps)
    model = build_dmls(config)
    (kernel,) = model.dfcn.prior_convolution.weights
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape) / 100)
    function = tf.function(lambda image: model(image, training=False)[model.final_output])
    return lambda image: function(image).numpy()


def training(num_steps, *options):
    """[milliseconds of a step, peak MiB]."""
    settings = (FLAGS.backbone, FLAGS.num_classes, FLAGS.size, num_steps, *options)
    return measure_in_child(ROOT / "benchmarks" / "network_training.py", *settings)


if __name__ == "__main__":
    app.run(main)
