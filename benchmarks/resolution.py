"""Scores of the networks of a study over the time that they take for an image.

.venv/bin/python -m benchmarks.resolution --work_dir=runs/resolution \\
    --rows=configs/resolution.rows --output=docs/results/resolution.png

One image of the size that the networks work at, TF graph; all take turns. Scores are those of
WORK_DIR/results.csv, means of the seeds, of the predictions and of likelihoods used directly.
"""

import pathlib
import re
import statistics

import numpy as np

from benchmarks.options import run
from benchmarks.timing import hardware, in_turn, table
from dmls_tf.errors import UserError

SCORES = {
    "pixel accuracy": "pixel_accuracy",
    "mean IoU": "mean_iou",
    "boundary accuracy, 3 px": "boundary_accuracy",
}


def main(work_dir: str, rows: str, rounds: int = 9, output: str | None = None):
    from dmls_tf.evaluation.studies import read_results, read_rows

    found, results = read_rows(rows), read_results(f"{work_dir}/results.csv")
    first = {row.training: row for row in reversed(found)}  # whose likelihood is that of all
    named = [(row.name, row, "is_final", 1) for row in found]
    named += [(f"{row.name}: its likelihood", row, "kind", "likelihood") for row in first.values()]
    calls, scores = {}, {}
    for name, row, key, value in named:
        mine = [one for one in results if one["row"] == row.name and one[key] == value]
        if not mine and key == "is_final":
            raise UserError(f"{work_dir}/results.csv: has no results of the row {row.name!r}")
        if mine:
            calls[name] = network_of(row, work_dir, mine[0])
            means = (statistics.mean(one[score] for one in mine) for score in SCORES.values())
            scores[name] = [100 * mean for mean in means]
    ms = in_turn(calls, rounds)
    points = {name: [ms[name], *scores[name]] for name in sorted(calls)}
    print(hardware())
    table("One image", ["ms", *SCORES], points.items())
    if output:
        draw(points, output)


def network_of(row, work_dir, result):
    """A function without arguments that segments an image by the network and output of a row."""
    import tensorflow as tf

    from dmls_tf.config import InferenceConfig
    from dmls_tf.models import load_dmls
    from dmls_tf.models.outputs import Output

    overrides = {}
    for flag in row.evaluate_flags:
        if not (found := re.fullmatch(r"--evolution_steps=(\d+)", flag)):
            raise UserError(f"the row {row.name!r}: only --evolution_steps may be set, not {flag}")
        overrides["evolution_steps"] = int(found[1])
    model = pathlib.Path(work_dir) / row.training / "seed0" / "model.keras"
    network = load_dmls(str(model), **overrides)
    size = InferenceConfig().sized_for(network.metadata).working_size
    image = np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype(np.float32)
    name = Output(result["kind"], result["step"]).name
    call = tf.function(lambda given: network(given, training=False)[name], autograph=False)
    return lambda: call(image)


def draw(points, path):
    """Writes a figure: each score over the milliseconds, a point per network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.4), layout="constrained")
    panels = figure.subplots(1, len(SCORES) - 1)
    for panel, (place, score) in zip(panels, list(enumerate(SCORES, 1))[1:], strict=True):
        for number, (name, numbers) in enumerate(points.items()):
            panel.plot(numbers[0], numbers[place], "osD^vP*X"[number % 8], markersize=8, label=name)
        panel.set(xlabel="ms per image", ylabel=f"{score}, %")
        panel.set_xlim(left=0)
        panel.grid(alpha=0.4)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main)
