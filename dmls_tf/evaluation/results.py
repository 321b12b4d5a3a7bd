"""An evaluation as files and text: `metrics.json`, `images.csv`, a table to print."""

import csv
import json
import math

from dmls_tf.evaluation.scores import SUMMARY
from dmls_tf.files import replacing


def write_metrics(evaluation, path):
    """Writes the scores as JSON: shares in [0, 1], null for what is undefined.

    The scores of the final output are on top; `outputs` has those of all, with their kind and step;
    `confusion_matrix` is the final output's, row true, column predicted.
    """
    content = {
        "dataset": evaluation.info.name,
        "split": evaluation.split,
        "images": len(evaluation.images),
        "final_output": evaluation.final_output.name,
        **evaluation.scores[evaluation.final_output],
        "outputs": {
            output.name: {"kind": output.kind, "step": output.step} | scores
            for output, scores in evaluation.scores.items()
        },
        "confusion_matrix": evaluation.confusion.tolist(),
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(content), indent=1) + "\n")


def write_images(evaluation, path):
    """Writes one row per image: its file name, pixel accuracy and mean IoU."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "pixel_accuracy", "mean_iou"])
        table.writerows(evaluation.images)


def table(evaluation):
    """The scores of the final output as lines of text, percentages; `-` for what is undefined."""
    scores = evaluation.scores[evaluation.final_output]
    instances = "class_iiou" in scores
    rows = [("class", "IoU %") + (("iIoU %",) if instances else ()), None]
    for kind in ("class", "category"):
        if f"{kind}_iou" not in scores:
            continue
        for name, iou in scores[f"{kind}_iou"].items():
            iiou = scores.get(f"{kind}_iiou", {}).get(name, math.nan)
            rows.append((name, percent(iou)) + ((percent(iiou),) if instances else ()))
        rows.append(None)
    rows += [(title, percent(scores[key])) for key, title in SUMMARY.items() if key in scores]
    for distance, near in scores["boundary"].items():
        for key, title in (("accuracy", "accuracy"), ("mean_iou", "mean IoU"), ("f1", "F1")):
            rows.append((f"boundary {title}, {distance} px", percent(near[key])))
    wide = max(len(row[0]) for row in rows if row)
    line = "-" * (wide + 9 * (1 + instances))
    return "\n".join(
        line if row is None else f"{row[0]:<{wide}}" + "".join(f"{cell:>9}" for cell in row[1:])
        for row in rows
    )


def percent(share):
    """`56.7`, or `-` for NaN."""
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _without_nan(content):
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    return None if isinstance(content, float) and math.isnan(content) else content
