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

import functools

from benchmarks.networks import SEGMENTATION_MODELS_MULTIPLE, alone
from benchmarks.options import run
from benchmarks.processes import ROOT, Child, time_in_turn
from benchmarks.timing import hardware, table

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


def main(size: int = 512, num_classes: tuple[int, ...] = (19, 150), rounds: int = 3):
    print(hardware(), flush=True)
    if not OTHER_PYTHON.exists():
        print("No .venv-segmentation-models: its PSPNet and FPN are left out", flush=True)
    for count in num_classes:
        children = networks(size, count)
        requests = ("peak", "rise", "parameters", "GFLOPs")  # memory before operations are counted
        found = time_in_turn(children, rounds, *requests)
        rows = [(name, [ms, ms / found[BASE][0], *rest]) for name, (ms, *rest) in found.items()]
        table(f"1 x {size} x {size}, {count} classes, ResNet-50", COLUMNS, rows)


def networks(size, num_classes):
    """{name: process} of one network each."""

    def start(builder, size=size, **settings):
        shape = (1, size, size, 3)
        return Child(alone, builder, shape=shape, num_classes=num_classes, **settings)

    found = {f"DMLS, K = {k}": start("dmls", recurrent_steps=k) for k in (1, 2, 3, 4)}
    found |= {
        "DMLS, K = 4, prior_entry=decoder": start("dmls", recurrent_steps=4, prior_entry="decoder"),
        "FCN-8s, ours, ResNet-50": start("fcn8s", backbone="resnet50"),
        "FCN-8s, ours, VGG-16": start("fcn8s", backbone="vgg16"),
        "DeepLabV3+, KerasHub, output stride 32": start("deeplab", output_stride=32),
        BASE: start("deeplab", output_stride=16),
    }
    if OTHER_PYTHON.exists():
        start = functools.partial(start, "segmentation_models", python=str(OTHER_PYTHON))
        side = SEGMENTATION_MODELS_MULTIPLE * round(size / SEGMENTATION_MODELS_MULTIPLE)
        name = f"PSPNet, segmentation_models, output stride 8, {side} x {side}"
        found["FPN, segmentation_models"] = start(architecture="FPN")
        found[name] = start(architecture="PSPNet", size=side)
    return found


if __name__ == "__main__":
    run(main)
