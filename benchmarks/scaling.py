"""How time and memory of inference grow with image size, N, K and batch, each varied alone.

    .venv/bin/python -m benchmarks.scaling --output=docs/scaling.png

ResNet-50, float32, random weights, around one image of 512 x 512, N = 19, K = 1. Each point is a
process of its own; those of an axis take turns, so that ratios mean something beside other work.
The figure shows by how much a call raises the memory of a process that has loaded the network.
"""

import contextlib
import functools
import json

from absl import app, flags

from benchmarks.timing import ROOT, Child, hardware, in_turn, table

FLAGS = flags.FLAGS

flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py.")
flags.DEFINE_list("sizes", ["128", "256", "512", "1024"], "Sides of the images, pixels.")
flags.DEFINE_integer("size", 512, "Side where something else varies.")
flags.DEFINE_integer("rounds", 3, "Rounds of the timing.")
flags.DEFINE_string("output", None, "A PNG of the curves; none where it is left out.")

SIZE = "image, pixels"
COUNTS = {
    "classes, N": ("num_classes", (2, 8, 19, 50, 150)),
    "recurrent steps, K": ("num_steps", (1, 2, 3, 4)),
    "images in a batch": ("batch", (1, 2, 4, 8)),
}
UNITS = ("ms", "MiB beyond the loaded network")


def main(_):
    print(hardware(), flush=True)
    sides = [int(side) for side in FLAGS.sizes]
    curves = {SIZE: measure(SIZE, {side**2: {"side": side} for side in sides})}
    for axis, (setting, values) in COUNTS.items():
        curves[axis] = measure(axis, {value: {setting: value} for value in values})
    if FLAGS.output:
        draw(curves, FLAGS.output)


def measure(axis, points):
    """[(x, milliseconds, rise of memory in MiB)] of {x: arguments of `child`}, also as a table."""
    with contextlib.ExitStack() as stack:
        children = {x: stack.enter_context(child(**given)) for x, given in points.items()}
        calls = {x: functools.partial(each.ask, "call") for x, each in children.items()}
        seconds = in_turn(calls, FLAGS.rounds)
        curve = [(x, 1e3 * seconds[x], each.ask("rise")) for x, each in children.items()]
        peaks = [each.ask("peak") for each in children.values()]
    rows = []
    for (x, ms, rise), peak in zip(curve, peaks, strict=True):
        ratios = [float(value / first) for value, first in zip((x, ms), curve[0][:2], strict=True)]
        rows.append((str(x), [*ratios, ms, rise, peak]))
    table(f"By {axis}", ["times the first", "time, times the first", *UNITS, "peak MiB"], rows)
    return curve


def child(side=None, batch=1, **settings):
    """A process of one network, see `network_alone`; around N = 19 and K = 1."""
    side = side or FLAGS.size
    settings = {"num_classes": 19, "num_steps": 1, "backbone": FLAGS.backbone} | settings
    settings["shape"] = (batch, side, side, 3)
    return Child(ROOT / "benchmarks" / "network_alone.py", "dmls", json.dumps(settings))


def draw(curves, path):
    """Writes a log-log figure: time and memory over each axis, beside lines of slope 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.3 * len(curves), 6), layout="constrained")
    panels = figure.subplots(len(UNITS), len(curves), sharex="col", sharey="row")
    lines = [
        (panel, axis, [point[0] for point in curve], [point[row] for point in curve])
        for row, some in enumerate(panels, start=1)
        for panel, (axis, curve) in zip(some, curves.items(), strict=True)
    ]
    for panel, axis, x, y in lines:
        panel.loglog(x, y, "o-", label="measured")
        panel.grid(alpha=0.4)
        label_ticks(panel, axis, x)
    for panel, _, x, y in lines:  # last: the measured points set the limits
        linear = [y[-1] * value / x[-1] for value in x]
        panel.plot(x, linear, "--", color="gray", label="slope 1", scalex=False, scaley=False)
    for some, unit in zip(panels, UNITS, strict=True):
        some[0].set_ylabel(unit)
    for panel, axis in zip(panels[-1], curves, strict=True):
        panel.set_xlabel(axis)
    panels[0, 0].legend(loc="upper left")
    figure.savefig(path, dpi=110)


def label_ticks(panel, axis, x):
    """The measured points below, plain numbers at the side."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    names = [f"{value**0.5:g}²" if axis == SIZE else str(value) for value in x]
    panel.set_xticks(x, names)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_locator(NullLocator())


if __name__ == "__main__":
    app.run(main)
