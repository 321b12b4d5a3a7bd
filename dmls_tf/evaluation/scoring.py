"""One confusion matrix over a split, at each label's own size, and its report."""

import json
import pathlib

import numpy as np
from tqdm import tqdm

from dmls_tf.data.pipeline import faults_named, read_split
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.metrics import ConfusionMatrix, scores_of
from dmls_tf.predict import make_segmenter


def evaluate(model, records_dir, split):
    """Segments every image of a split and counts the pixels.

    Args:
        model: a `DMLS`.
        records_dir: a directory with `dataset.json`.
        split: its name.

    Returns:
        int64 `[N, N]`, row true, column predicted.

    Raises:
        UserError: records and model have different classes; see `read_split`.
    """
    info = DatasetInfo.load(records_dir)
    if list(info.class_names) != list(model.metadata["classes"]):
        raise UserError(
            f"{records_dir}: its {info.num_classes} classes ({info.name}) are not the model's "
            f"{model.config.num_classes} ({model.metadata['dataset']})"
        )
    segment = make_segmenter(model)
    matrix = ConfusionMatrix(info.num_classes)
    examples = tqdm(
        read_split(records_dir, split),
        total=info.split(split).num_images,
        desc=split,
        unit="image",
        dynamic_ncols=True,
    )
    with faults_named(records_dir, split):
        for example in examples:
            matrix.update_state(example["label"], segment(example["image"]))
    return np.asarray(matrix.result())


def table(class_names, scores):
    """The scores as lines of text, percentages; `-` for a class that never occurs."""
    wide = max(len("pixel accuracy"), *(len(name) for name in class_names))
    lines = [f"{'class':<{wide}}  IoU %", "-" * (wide + 7)]
    for name, iou in zip(class_names, scores.class_iou, strict=True):
        value = "    -" if np.isnan(iou) else f"{100 * iou:5.1f}"
        lines.append(f"{name:<{wide}}  {value}")
    lines.append("-" * (wide + 7))
    lines.append(f"{'mean IoU':<{wide}}  {100 * scores.mean_iou:5.1f}")
    lines.append(f"{'pixel accuracy':<{wide}}  {100 * scores.pixel_accuracy:5.1f}")
    return "\n".join(lines)


def write_report(output_dir, class_names, split, matrix):
    """Writes `metrics.json` (shares in [0, 1], null for NaN, and the matrix) and returns scores."""
    scores = scores_of(matrix)
    iou = [None if np.isnan(value) else value for value in scores.class_iou]
    content = {
        "split": split,
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_iou": scores.mean_iou,
        "class_iou": dict(zip(class_names, iou, strict=True)),
        "confusion_matrix": np.asarray(matrix).tolist(),
    }
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "metrics.json").write_text(json.dumps(content, indent=1) + "\n")
    return scores
