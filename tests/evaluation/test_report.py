"""The files and the page that an evaluation leaves."""

import base64
import csv
import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image

from dmls_tf.datasets import CITYSCAPES, DatasetInfo, ShardInfo, SplitInfo
from dmls_tf.evaluation import paper, results
from dmls_tf.evaluation.gallery import IGNORED, RIGHT, WRONG, Gallery
from dmls_tf.evaluation.report import SHOTS, write_report
from dmls_tf.evaluation.scoring import FROM_FILES, Evaluation, evaluate
from dmls_tf.models.outputs import Output
from dmls_tf.records.reading import read_split

COARSE_1, EVOLVED_1, COARSE_2, EVOLVED_2 = (
    Output(kind, step) for step in (1, 2) for kind in ("coarse", "evolved")
)


def shifted(example):
    """The truth moved by one pixel more for the coarse output, and for K = 1."""
    label = np.where(example["label"] == 255, 0, example["label"])
    shifts = {COARSE_1: 4, EVOLVED_1: 3, COARSE_2: 3, EVOLVED_2: 2}
    return {output: np.roll(label, by, 1) for output, by in shifts.items()}


@pytest.fixture(scope="module")
def evaluated(synthetic_records):
    gallery = Gallery(1, DatasetInfo.load(synthetic_records).palette, width=64)
    return evaluate(synthetic_records, "val", shifted, gallery), gallery


def test_scores_of_all_outputs(evaluated):
    evaluation, _ = evaluated
    assert evaluation.final_output == EVOLVED_2
    accuracy = {output: scores["pixel_accuracy"] for output, scores in evaluation.scores.items()}
    assert accuracy[COARSE_1] < accuracy[EVOLVED_1] == accuracy[COARSE_2] < 1
    assert accuracy[EVOLVED_1] < accuracy[EVOLVED_2]
    f1 = evaluation.scores[EVOLVED_2]["boundary"]
    assert f1["1"]["f1"] < f1["3"]["f1"]


def test_metrics_and_images_as_files(evaluated, synthetic_records, tmp_path):
    evaluation, _ = evaluated
    results.write_metrics(evaluation, tmp_path / "metrics.json")
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["dataset"], found["split"], found["images"]) == ("synthetic", "val", 4)
    assert found["final_output"] == "evolved_2"
    scores = found["outputs"]
    names = [(name, one.pop("kind"), one.pop("step")) for name, one in scores.items()]
    assert names == [(output.name, *output) for output in evaluation.scores]
    for key, value in scores["evolved_2"].items():
        assert found[key] == value
    matrix = np.array(found["confusion_matrix"])
    assert found["pixel_accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    results.write_images(evaluation, tmp_path / "images.csv")
    rows = list(csv.DictReader((tmp_path / "images.csv").read_text().splitlines()))
    examples = read_split(synthetic_records, "val").as_numpy_iterator()
    for row, example in zip(rows, examples, strict=True):
        assert row["image"] == example["filename"].decode()
        right = shifted(example)[EVOLVED_2] == example["label"]
        share = right[example["label"] != 255].mean()
        assert float(row["pixel_accuracy"]) == pytest.approx(share)


def test_the_gallery_keeps_the_extremes(evaluated, synthetic_records):
    evaluation, gallery = evaluated
    best = max(evaluation.images, key=lambda row: row[2])
    worst = min(evaluation.images, key=lambda row: row[2])
    assert [(one.name, one.mean_iou) for one in gallery.best] == [(best[0], best[2])]
    assert [(one.name, one.mean_iou) for one in gallery.worst] == [(worst[0], worst[2])]
    wrong, right, ignored = (
        (gallery.worst[0].errors == color).all(-1) for color in (WRONG, RIGHT, IGNORED)
    )
    assert (wrong.astype(int) + right + ignored == 1).all()
    assert right.sum() / (right.sum() + wrong.sum()) == pytest.approx(worst[1])


def test_the_page_shows_everything_and_needs_nothing_else(evaluated, tmp_path):
    evaluation, gallery = evaluated
    write_report(evaluation, gallery, "a <model>", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "a &lt;model&gt;; 4 images" in page
    for name in (*evaluation.info.class_names, *(output.name for output in evaluation.scores)):
        assert f">{name}</" in page
    assert results.percent(evaluation.scores[EVOLVED_2]["mean_iou"]) in page
    # Boundary curves, curves over K, confusion matrix; four pictures of the best and the worst.
    assert page.count("class='figure'") == 3
    assert page.count("<img") == 3 + 2 * 4
    sources = re.findall(r"(?:src|href)='?([^ '>]*)", page)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in page.replace("&lt;", "")


def test_the_papers_scores_stand_beside(evaluated, tmp_path):
    """A Cityscapes evaluation; the paper's figures are percentages of its columns."""
    for name, rows in paper.ROWS.items():
        assert {len(row) for row in rows.values()} == {len(paper.COLUMNS[name])}, name
    evaluation, gallery = evaluated
    shard = SplitInfo((ShardInfo("x", 1, 1, ""),), *[(1,) * 19] * 3, 0)
    info = DatasetInfo(CITYSCAPES, {"val": shard})
    scores = {"class_iou": dict.fromkeys(CITYSCAPES.class_names, math.nan), "mean_iou": 0.5}
    scores |= {"class_accuracy": scores["class_iou"], "pixel_accuracy": 0.75, "mean_iiou": 0.25}
    scores["boundary"] = evaluation.scores[EVOLVED_2]["boundary"]
    found = Evaluation(info, "val", FROM_FILES, {FROM_FILES: scores}, np.eye(19), [])
    write_report(found, gallery, "files", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Table I, test set" in page
    assert "DMLS, ResNet-101" in page
    ours = page.split("this evaluation")[1].split("</tr>")[0]
    assert re.findall(r"[\d.]+", ours) == ["75.0", "50.0", "25.0"]


def test_pictures_in_the_page_are_pngs(evaluated, tmp_path):
    """Three figures, whole, and the pictures of the worst and the best image, pixel by pixel."""
    evaluation, gallery = evaluated
    write_report(evaluation, gallery, "", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    contents = [base64.b64decode(text) for text in re.findall(r"base64,([^']*)'", page)]
    pictures = [Image.open(io.BytesIO(content)) for content in contents]
    assert {picture.format for picture in pictures} == {"PNG"}
    for figure in pictures[:3]:
        assert np.asarray(figure).std() > 10  # something is drawn
    exhibits = (*gallery.worst, *gallery.best)
    shown = [getattr(one, shot) for one in exhibits for shot in SHOTS]
    for picture, expected in zip(pictures[3:], shown, strict=True):
        np.testing.assert_array_equal(picture, expected)
