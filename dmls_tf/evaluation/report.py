"""An evaluation as one HTML page that needs nothing but itself."""

import datetime
import math

from dmls_tf import __version__
from dmls_tf.evaluation import figures, paper
from dmls_tf.evaluation.markup import bar, image, legend, note, page, row, section, swatch, table
from dmls_tf.evaluation.results import percent
from dmls_tf.evaluation.scores import SUMMARY
from dmls_tf.files import replacing
from dmls_tf.images.label_maps import png_bytes

SHOTS = ("image", "truth", "prediction", "errors")
NEAR = "3"  # pixels, where one distance must do


def check():
    """Raises a `UserError` where the report cannot be made."""
    figures.figure_class()


def write_report(evaluation, gallery, title, path):
    """Writes the page.

    Args:
        evaluation: an `Evaluation`.
        gallery: a `Gallery` that has seen its images.
        title: what was evaluated.
        path: of the HTML file.
    """
    info = evaluation.info
    made = f"dmls {__version__}, {datetime.date.today()}"
    confusion = figures.confusion(evaluation.confusion, info.class_names)
    colors = [*zip(info.class_names, info.palette, strict=True), ("ignored", (0, 0, 0))]
    content = page(
        f"{info.name}, {evaluation.split}",
        note(f"{title}; {len(evaluation.images)} images; {made}"),
        section("Scores", *_summary(evaluation)),
        section("Classes", *_classes(evaluation)),
        section("Boundaries", *_boundaries(evaluation)),
        section("Steps, before and after the level set", *_steps(evaluation)),
        section("Confusion", image(confusion, "figure")),
        section("Worst images", *_shots(gallery.worst), legend(colors)),
        section("Best images", *_shots(gallery.best)),
    )
    with replacing(path) as temporary:
        temporary.write_text(content)


def _summary(evaluation):
    """The scores that are one number, under the paper's where it has some."""
    scores, name = evaluation.scores[evaluation.final_output], evaluation.info.name
    keys = [key for key in SUMMARY if key in scores]
    rows = []
    for model, values in paper.ROWS.get(name, {}).items():
        known = dict(zip(paper.COLUMNS[name], values, strict=True))
        rows.append((model, *(f"{known[key]:.1f}" if key in known else "" for key in keys)))
    ours = ("this evaluation", *(percent(scores[key]) for key in keys))
    yield table(("%", *(SUMMARY[key] for key in keys)), [*rows, ours], marked=len(rows))
    if rows:
        yield note(f"Others: the paper's {paper.TABLES[name]}.")


def _classes(evaluation):
    scores, palette = evaluation.scores[evaluation.final_output], evaluation.info.palette
    iiou = scores.get("class_iiou")
    rows = []
    for (name, iou), color in zip(scores["class_iou"].items(), palette, strict=True):
        share = 0.0 if math.isnan(iou) else iou
        cells = [bar(share, color), percent(iou), percent(scores["class_accuracy"][name])]
        cells += [percent(iiou.get(name, math.nan))] if iiou else []
        rows.append((swatch(color, name), *cells))
    yield table(("class", "", "IoU %", "accuracy %", *(["iIoU %"] if iiou else [])), rows)
    if "category_iou" in scores:
        iiou = scores.get("category_iiou", {})
        rows = [
            (name, percent(iou), percent(iiou.get(name, math.nan)))
            for name, iou in scores["category_iou"].items()
        ]
        yield table(("category", "IoU %", "iIoU %"), rows)


def _boundaries(evaluation):
    """Curves over the distance, of the last step's outputs."""
    panels = {}
    for key, title in (
        ("accuracy", "pixel accuracy near boundaries, %"),
        ("mean_iou", "mean IoU near boundaries, %"),
        ("f1", "boundary F1, %"),
    ):
        panels[title] = {
            output.name: [
                (int(distance), 100 * near[key]) for distance, near in scores["boundary"].items()
            ]
            for output, scores in evaluation.scores.items()
            if output.step == evaluation.final_output.step
        }
    yield note(
        "Of the pixels within so many pixels on each side of a true boundary; "
        "F1 with so many pixels of tolerance."
    )
    yield image(figures.curves(panels, "distance, pixels"), "figure")


def _steps(evaluation):
    """One row per output; with several K, curves over it."""
    rows = []
    for output, scores in evaluation.scores.items():
        near = scores["boundary"][NEAR].values()
        rows.append(
            (output.name, *map(percent, (scores["pixel_accuracy"], scores["mean_iou"], *near)))
        )
    head = ("output", "pixel accuracy %", "mean IoU %")
    head += tuple(f"boundary {key}, {NEAR} px" for key in ("accuracy", "mean IoU", "F1"))
    yield table(head, rows, marked=list(evaluation.scores).index(evaluation.final_output))
    yield note(
        "coarse_k: the decoder's logits at step k; likelihood_k: the learned likelihood's own; "
        "evolved_k: after the level set, the prediction for K = k."
    )
    panels = _by_step(evaluation)
    if any(len(line) > 1 for lines in panels.values() for line in lines.values()):
        yield image(figures.curves(panels, "K"), "figure")


def _by_step(evaluation):
    panels = {}
    for title, value in (
        ("mean IoU, %", lambda scores: scores["mean_iou"]),
        ("pixel accuracy, %", lambda scores: scores["pixel_accuracy"]),
        (f"boundary F1, {NEAR} px, %", lambda scores: scores["boundary"][NEAR]["f1"]),
    ):
        lines = panels[title] = {}
        for output, scores in evaluation.scores.items():
            lines.setdefault(output.kind, []).append((output.step or 0, 100 * value(scores)))
    return panels


def _shots(exhibits):
    yield row(*SHOTS)
    for exhibit in exhibits:
        yield note(f"{exhibit.name}: mean IoU {percent(exhibit.mean_iou)} %")
        yield row(*(image(png_bytes(getattr(exhibit, shot))) for shot in SHOTS))
