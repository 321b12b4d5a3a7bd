"""How time and memory of inference grow with image size, N, K and batch, each varied alone.

    .venv/bin/python -m benchmarks.scaling --output=docs/scaling.png

ResNet-50, float32, random weights, around one image of 512 x 512, N = 19, K = 1. Each point is a
process of its own; those of an axis take turns, so that ratios mean something beside other work.
The figure shows by how much a call raises the memory of a process that has loaded the network.
"""

import numpy as np

from benchmarks.networks import alone
from benchmarks.options import run
from benchmarks.processes import Child, time_in_turn
from benchmarks.timing import hardware, table

SIZE = "image, pixels"
COUNTS = {
    "classes, N": ("num_classes", (2, 8, 19, 50, 150)),
    "recurrent steps, K": ("recurrent_steps", (1, 2, 3, 4)),
    "images in a batch": ("batch", (1, 2, 4, 8)),
}
UNITS = ("ms", "MiB beyond the loaded network")


def main(
    backbone: str = "resnet50",
    sizes: tuple[int, ...] = (128, 256, 512, 1024),
    size: int = 512,
    rounds: int = 3,
    output: str | None = None,
):
    def start(side=size, batch=1, **varied):
        settings = {"num_classes": 19, "recurrent_steps": 1, "backbone": backbone} | varied
        return Child(alone, "dmls", shape=(batch, side, side, 3), **settings)

    print(hardware(), flush=True)
    axes = {SIZE: {side**2: {"side": side} for side in sizes}}
    for axis, (name, values) in COUNTS.items():
        axes[axis] = {value: {name: value} for value in values}
    curves = {}
    for axis, points in axes.items():
        children = {x: start(**varied) for x, varied in points.items()}
        curves[axis] = time_in_turn(children, rounds, "rise", "peak")
        first_x, (first_ms, *_) = next(iter(curves[axis].items()))
        rows = [
            (x, [x / first_x, numbers[0] / first_ms, *numbers])
            for x, numbers in curves[axis].items()
        ]
        table(f"By {axis}", ["times the first", "time, times the first", *UNITS, "peak MiB"], rows)
    if output:
        draw(curves, output)


def draw(curves, path):
    """Writes a log-log figure: time and memory over each axis, beside lines of slope 1."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    figure = Figure(figsize=(3.3 * len(curves), 6), layout="constrained")
    panels = figure.subplots(len(UNITS), len(curves), sharex="col", sharey="row")
    for row, column in np.ndindex(panels.shape):
        panel, (axis, curve) = panels[row, column], list(curves.items())[column]
        x, y = list(curve), [numbers[row] for numbers in curve.values()]
        panel.loglog(x, y, "o-", label="measured")
        # Between two points near the last, which do not change the limits.
        end, before = np.array([x[-1], y[-1]]), 0.99 * np.array([x[-1], y[-1]])
        panel.axline(end, before, linestyle="--", color="gray", label="slope 1")
        panel.grid(alpha=0.4)
        panel.set_xticks(x, [f"{value**0.5:g}²" if axis == SIZE else str(value) for value in x])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set(xlabel=axis, ylabel=UNITS[row])
        panel.label_outer()
    panels[0, 0].legend(loc="upper left")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main)
