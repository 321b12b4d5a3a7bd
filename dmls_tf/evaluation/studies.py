"""A study: rows of flags, each trained with several seeds, their scores as a table and a figure.

A file of rows has a line each, `NAME | FLAGS OF train.py | FLAGS OF evaluate.py`; rows with the
same flags of train.py share a training. Lines that start with # are comments.
"""

import csv
import dataclasses
import hashlib
import json
import pathlib
import re
import statistics

from dmls_tf.errors import UserError
from dmls_tf.evaluation.figures import dots
from dmls_tf.files import replacing

DISTANCE = "3"  # pixels, of the boundary scores
SCORES = ("pixel_accuracy", "mean_iou", "boundary_accuracy", "boundary_mean_iou", "boundary_f1")
COLUMNS = ("row", "seed", "settings", "kind", "step", "is_final", *SCORES, "train_seconds")


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a file of rows.

    Attributes:
        name: of the row.
        training: a name for the directory of its training, shared by rows that train alike.
        train_flags, evaluate_flags: lists of words.
    """

    name: str
    training: str
    train_flags: tuple[str, ...]
    evaluate_flags: tuple[str, ...]

    @property
    def directory(self):
        """A name for the directory of its evaluation."""
        return _file_name(self.name)


def read_rows(path):
    """The rows of a file.

    Raises:
        UserError: there is no such file, or no row in it; a line has another form, or a name twice.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file of rows")
    rows, trainings = [], {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) > 3 or not parts[0]:
            raise UserError(f"{path}, line {number}: not of the form NAME | FLAGS | FLAGS")
        name, train, evaluate = (parts + ["", ""])[:3]
        if any(_file_name(name) == row.directory for row in rows):
            raise UserError(f"{path}, line {number}: a row is called {name!r} already")
        training = trainings.setdefault(train, _file_name(name))
        rows.append(Row(name, training, tuple(train.split()), tuple(evaluate.split())))
    if not rows:
        raise UserError(f"{path}: holds no rows, lines NAME | FLAGS | FLAGS")
    return rows


def _file_name(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", " plus ")).strip("-")


def settings_hash(row, base, split):
    """A short hash of all that decides a row's scores but the records and the seed.

    Args:
        row: a `Row`.
        base: words, the flags of train.py that all rows share.
        split: the name of the one that is scored.
    """
    words = json.dumps([base, row.train_flags, row.evaluate_flags, split])
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def results_of(row, seed, settings, metrics_path, seconds):
    """Dicts of `COLUMNS`, one an output that was scored.

    Args:
        row: a `Row`.
        seed: of its training.
        settings: of `settings_hash`.
        metrics_path: `metrics.json` of its evaluation.
        seconds: of its training, None where they are not known.
    """
    metrics = json.loads(pathlib.Path(metrics_path).read_text())
    results = []
    for name, scores in metrics["outputs"].items():
        near = scores["boundary"][DISTANCE]
        found = (scores["pixel_accuracy"], scores["mean_iou"])
        found += (near["accuracy"], near["mean_iou"], near["f1"])
        output = {key: scores[key] for key in ("kind", "step")}
        output["is_final"] = int(name == metrics["final_output"])
        results.append(
            {"row": row.name, "seed": seed, "settings": settings}
            | output
            | dict(zip(SCORES, found, strict=True))
            | {"train_seconds": seconds}
        )
    return results


def write_results(results, path):
    """Writes dicts of `COLUMNS` as CSV, shares in [0, 1]."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(results)


def read_results(path):
    """Reads the file of `write_results`; an empty list if it is missing.

    Raises:
        UserError: it has other columns, or is damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return []
    try:
        with open(path, newline="") as file:
            table = csv.DictReader(file)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ValueError("its columns differ")
            return [_typed(result) for result in table]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not the results of a study ({error}); move it away") from error


def _typed(result):
    types = {"seed": int, "step": int, "is_final": int, "train_seconds": int}
    types |= dict.fromkeys(SCORES, float)
    return result | {
        name: known(result[name]) if result[name] else None for name, known in types.items()
    }


def merged(results, new, rows):
    """Results with newer ones in the place of the old, those of the same row and seed.

    Args:
        results, new: lists of dicts of `COLUMNS`.
        rows: a list of `Row`, whose order is that of the result; other rows come last.
    """
    replaced = {(result["row"], result["seed"]) for result in new}
    kept = [result for result in results if (result["row"], result["seed"]) not in replaced]
    place = {row.name: i for i, row in enumerate(rows)}
    return sorted(
        [*kept, *new], key=lambda result: (place.get(result["row"], len(rows)), result["seed"])
    )


def markdown(results):
    """A table of percentages, mean and range over the seeds: predictions, and what they evolve."""
    lines = [
        "| | seeds | pixel accuracy | mean IoU | boundary accuracy, 3 px | mean IoU before "
        "| boundary before |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, final, before in _grouped(results):
        cells = [name, str(len(final))]
        cells += [_spread(final, score) for score in SCORES[:3]]
        cells += [_spread(before, score) for score in SCORES[1:3]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(results):
    """Mean IoU and boundary accuracy of every row and seed, before and after, as PNG bytes."""
    panels = {}
    for score, title in (("mean_iou", "mean IoU, %"), ("boundary_accuracy", "boundary, 3 px, %")):
        panels[title] = {
            name: {
                "before": _percentages(before, score),
                "prediction": _percentages(final, score),
            }
            for name, final, before in _grouped(results)
        }
    return dots(panels)


def _grouped(results):
    """(row, its final outputs, the coarse ones they evolved from), in the order of the results."""
    for name in dict.fromkeys(result["row"] for result in results):
        mine = [result for result in results if result["row"] == name]
        final = [result for result in mine if result["is_final"]]
        steps = {result["step"] for result in final}
        coarse = [r for r in mine if r["kind"] == "coarse" and not r["is_final"]]
        yield name, final, [result for result in coarse if result["step"] in steps]


def _percentages(results, score):
    return [100 * result[score] for result in results if result[score] is not None]


def _spread(results, score):
    """`56.7`, or with several results `56.7 (56.1 to 57.3)`; nothing for none."""
    values = _percentages(results, score)
    if not values:
        return ""
    mean = f"{statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f} to {max(values):.1f})"
