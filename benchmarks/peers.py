"""Inference of our networks beside those of others: time, memory, parameters, operations.

    .venv/bin/python -m pip install -e ".[bench]"
    python3.11 -m venv .venv-segmentation-models
    .venv-segmentation-models/bin/python -m pip install -r requirements/segmentation_models.txt
    .venv/bin/python -m benchmarks.peers

One float32 image in a TF graph, random weights, each network in a process of its own. Times are
medians of rounds in which all processes take turns, the environment of segmentation_models, with
its older TensorFlow, among them. Memory is the peak of the process, frameworks included, and how
much of it the calls have added to what the process held with the network loaded.
"""

import contextlib
import functools
import json
import sys

from absl import app, flags

from benchmarks.networks import SEGMENTATION_MODELS_MULTIPLE
from benchmarks.timing import ROOT, Child, hardware, in_turn, table

FLAGS = flags.FLAGS

flags.DEFINE_list("num_classes", ["19", "150"], "N of the tables.")
flags.DEFINE_integer("size", 512, "Height and width, pixels.")
flags.DEFINE_integer("rounds", 3, "Rounds of the timing.")

OTHER_PYTHON = ROOT / ".venv-segmentation-models/bin/python"
BASE = "DeepLabV3+, KerasHub, output stride 16 (last stage not dilated)"
COLUMNS = [
    "ms",
    "to DeepLabV3+ at 16",
    "peak MiB",
    "beyond the loaded network",
    "M parameters",
    "GFLOPs",
]


def main(_):
    print(hardware(), flush=True)
    if not OTHER_PYTHON.exists():
        print("No .venv-segmentation-models: its PSPNet and FPN are left out", flush=True)
    for num_classes in map(int, FLAGS.num_classes):
        rows = measure(num_classes)
        table(f"1 x {FLAGS.size} x {FLAGS.size}, {num_classes} classes, ResNet-50", COLUMNS, rows)


def measure(num_classes):
    """Rows of the table: (name, numbers)."""
    with contextlib.ExitStack() as stack:
        children = {
            name: stack.enter_context(child)
            for name, child in (our_children(num_classes) | peers(num_classes)).items()
        }
        calls = {name: functools.partial(each.ask, "call") for name, each in children.items()}
        seconds = in_turn(calls, FLAGS.rounds)
        rows = []
        for name, each in children.items():
            memory = [each.ask("peak"), each.ask("rise")]  # before operations are counted
            times = [1e3 * seconds[name], seconds[name] / seconds[BASE]]
            rows.append((name, [*times, *memory, *each.ask("size")]))
    return rows


def our_children(num_classes):
    """{name: child} of the networks of this repository."""
    start = functools.partial(child, "dmls", num_classes)
    found = {f"DMLS, K = {k}": start(num_steps=k) for k in (1, 2, 3, 4)}
    late = start(num_steps=4, prior_entry="decoder")
    found["DMLS, K = 4, prior_entry=decoder"] = late
    for name, backbone in (("ResNet-50", "resnet50"), ("VGG-16", "vgg16")):
        found[f"FCN-8s, ours, {name}"] = child("fcn8s", num_classes, backbone=backbone)
    return found


def peers(num_classes):
    """{name: child} of the networks of others."""
    found = {
        "DeepLabV3+, KerasHub, output stride 32": child("deeplab", num_classes, output_stride=32),
        BASE: child("deeplab", num_classes, output_stride=16),
    }
    if OTHER_PYTHON.exists():
        start = functools.partial(child, "segmentation_models", num_classes, python=OTHER_PYTHON)
        found["FPN, segmentation_models"] = start(architecture="FPN")
        side = SEGMENTATION_MODELS_MULTIPLE * round(FLAGS.size / SEGMENTATION_MODELS_MULTIPLE)
        name = f"PSPNet, segmentation_models, output stride 8, {side} x {side}"
        found[name] = start(architecture="PSPNet", size=side)
    return found


def child(builder, num_classes, size=None, python=sys.executable, **settings):
    """A process of one network, see `network_alone`."""
    size = size or FLAGS.size
    settings |= {"shape": (1, size, size, 3), "num_classes": num_classes}
    script = ROOT / "benchmarks" / "network_alone.py"
    return Child(script, builder, json.dumps(settings), python=python)


if __name__ == "__main__":
    app.run(main)
