"""Counts and scores against the benchmarks' own computations."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import contingency_table

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets import CAMVID, CITYSCAPES, ade20k, mapillary
from dmls_tf.errors import UserError
from dmls_tf.evaluation.pixel_counts import PixelCounter, columns_of, run_lengths
from dmls_tf.evaluation.scores import benchmark_scores
from dmls_tf.metrics import confusion_counts

ADE20K = ade20k([f"class {i}" for i in range(150)])


def raw_map(path):
    return np.asarray(Image.open(path))


def class_ids(raw, spec):
    table = np.full(256, IGNORE_LABEL, np.uint8)
    for value, class_id in spec.raw_to_class.items():
        table[value] = class_id
    return table[raw]


def disturbed(raw, values, rng, noise=0.03):
    """Label values, shifted and with noise, as a prediction of all that the data set knows."""
    shifted = np.roll(raw, (3, 7), (0, 1))
    return np.where(rng.random(raw.shape) < noise, rng.choice(values, raw.shape), shifted)


def total(spec, triples):
    """Counts of (true raw values, predicted raw values, instances) of several images."""
    table, counter = columns_of(spec), PixelCounter(spec)
    counts = [counter.count(class_ids(t, spec), table[p], i) for t, p, i in triples]
    return sum(counts[1:], counts[0])


def test_run_lengths_by_hand():
    (a, b), lengths = run_lengths(
        np.array([[1, 1, 1], [1, 2, 2]]), np.array([[5, 5, 6], [6, 6, 6]])
    )
    assert (a.tolist(), b.tolist(), lengths.tolist()) == ([1, 1, 2], [5, 6, 6], [2, 2, 2])


def test_confusion_is_that_of_scikit_image_and_of_the_metric(rng):
    label = rng.choice(np.array([*range(11), 255], np.uint8), (40, 30)).repeat(3, 1)
    prediction = rng.integers(0, 12, label.shape, np.uint8)
    found = PixelCounter(CAMVID).count(label, prediction).confusion
    table = contingency_table(label, prediction, ignore_labels=[255]).toarray()
    np.testing.assert_array_equal(found, table[:11, :12])
    prediction %= 11
    found = PixelCounter(CAMVID).count(label, prediction).confusion
    np.testing.assert_array_equal(found[:, :11], confusion_counts(label, prediction, 11))


def test_values_out_of_range_are_errors():
    good = np.zeros((2, 2), np.uint8)
    with pytest.raises(UserError, match="a label beyond the 11 classes"):
        PixelCounter(CAMVID).count(good + 11, good)
    with pytest.raises(UserError, match="a prediction of 12; 12 are known"):
        PixelCounter(CAMVID).count(good, good + 12)
    assert columns_of(CAMVID)[[0, 10, 11, 12]].tolist() == [0, 10, 11, -1]


@pytest.fixture(scope="module")
def official():
    """The official script of Cityscapes, and its arguments, quiet."""
    # It uses a function that NumPy has dropped.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "in1d", lambda a, b: np.isin(a, b).ravel(), raising=False)
        script = pytest.importorskip(
            "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
            reason="needs pip install --no-deps -r requirements/cityscapes.txt",
        )
        script.args.quiet, script.args.JSONOutput = True, False
        yield script


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.5])
def test_cityscapes_scores_are_those_of_the_official_script(
    noise, official, real_data, tmp_path, rng
):
    root = real_data("cityscapes_sample")
    truths = sorted(root.rglob("*_gtFine_labelIds.png"))
    predictions, triples = [], []
    for truth in truths:
        raw = raw_map(truth)
        prediction = disturbed(raw, np.arange(34, dtype=np.uint8), rng, noise)
        predictions.append(str(tmp_path / truth.name))
        Image.fromarray(prediction).save(predictions[-1])
        instances = raw_map(str(truth).replace("labelIds", "instanceIds")).astype(np.uint16)
        triples.append((raw, prediction, instances))
    expected = official.evaluateImgLists(predictions, list(map(str, truths)), official.args)
    found = benchmark_scores(total(CITYSCAPES, triples), CITYSCAPES)
    for theirs, ours in (
        ("classScores", "class_iou"),
        ("classInstScores", "class_iiou"),
        ("categoryScores", "category_iou"),
        ("categoryInstScores", "category_iiou"),
    ):
        for name, value in found[ours].items():
            assert value == pytest.approx(expected[theirs][name], abs=1e-9, nan_ok=True), name
        others = expected[theirs].keys() - found[ours].keys()
        assert np.isnan([expected[theirs][name] for name in others]).all()
    for theirs, ours in (
        ("averageScoreClasses", "mean_iou"),
        ("averageScoreInstClasses", "mean_iiou"),
        ("averageScoreCategories", "mean_category_iou"),
        ("averageScoreInstCategories", "mean_category_iiou"),
    ):
        assert 0 < found[ours] == pytest.approx(expected[theirs], abs=1e-9)


def official_ade20k(pairs):
    """The development kit's computation: predictions are zeroed where the label is 0."""
    intersection, union, correct, labelled = np.zeros(150), np.zeros(150), 0, 0
    for label, prediction in pairs:
        prediction = prediction * (label > 0)
        hits = prediction[(prediction == label) & (label > 0)]
        area_hits, area_label, area_prediction = (
            np.histogram(values, bins=150, range=(1, 151))[0]
            for values in (hits, label, prediction)
        )
        intersection += area_hits
        union += area_label + area_prediction - area_hits
        correct += hits.size
        labelled += np.count_nonzero(label)
    iou = intersection / (np.spacing(1) + union)
    return iou, correct / labelled


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_ade20k_scores_are_those_of_the_development_kit(noise, real_data, rng):
    root = real_data("ade20k_sample") / "ADEChallengeData2016" / "annotations" / "validation"
    labels = [raw_map(path) for path in sorted(root.iterdir())]
    pairs = [(raw, disturbed(raw, np.arange(151, dtype=np.uint8), rng, noise)) for raw in labels]
    iou, accuracy = official_ade20k(pairs)
    found = benchmark_scores(total(ADE20K, [(*pair, None) for pair in pairs]), ADE20K)
    np.testing.assert_allclose(list(found["class_iou"].values()), iou, rtol=1e-12)
    assert found["mean_iou"] == pytest.approx(iou.mean(), rel=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(accuracy, rel=1e-12)
    assert found["final_score"] == pytest.approx((iou.mean() + accuracy) / 2, rel=1e-12)


def official_mapillary(labels, triples):
    """IoU of classes and of the first parts of their names, and iIoU, from 16-bit instances."""
    count = len(labels)
    matrix = np.zeros((count, count))
    hits, misses = np.zeros(count), np.zeros(count)
    sizes = mapillary(labels).scoring.instance_sizes
    sizes = {mapillary(labels).class_to_raw[c]: size for c, size in sizes.items()}
    for truth, prediction, _ in triples:
        matrix += np.histogramdd(
            np.stack([(truth // 256).ravel(), prediction.ravel()], 1),
            bins=(count, count),
            range=[(0, count), (0, count)],
        )[0]
        for instance in np.unique(truth):
            label = instance // 256
            if label in sizes:
                inside = truth == instance
                weight = sizes[label] / inside.sum()
                right = np.count_nonzero(prediction[inside] == label)
                hits[label] += weight * right
                misses[label] += weight * (inside.sum() - right)
    evaluated = [i for i, label in enumerate(labels) if label["evaluate"]]
    matrix = matrix[evaluated][:, evaluated]
    false = matrix.sum(0) - matrix.diagonal()
    iiou = hits[evaluated] / (hits[evaluated] + misses[evaluated] + false)
    names = [labels[i]["name"].split("--")[0] for i in evaluated]
    groups = [np.array(names) == name for name in dict.fromkeys(names)]
    merged = np.array([[matrix[a][:, b].sum() for b in groups] for a in groups])
    return intersection_over_union(matrix), intersection_over_union(merged), iiou, sizes


def intersection_over_union(matrix):
    return matrix.diagonal() / (matrix.sum(0) + matrix.sum(1) - matrix.diagonal())


def test_mapillary_scores_are_those_of_the_official_computation(real_data, rng):
    root = real_data("mapillary_layout")
    labels = json.loads((root / "config_v1.2.json").read_text())["labels"]
    spec, triples, ours = mapillary(labels), [], []
    for path in sorted(root.rglob("instances/*.png")):
        instances = raw_map(path).astype(np.uint16)
        raw = (instances // 256).astype(np.uint8)
        prediction = disturbed(raw, np.arange(66, dtype=np.uint8), rng)
        triples.append((instances, prediction, None))
        ours.append((raw, prediction, instances))
    with np.errstate(invalid="ignore"):
        iou, category_iou, iiou, sizes = official_mapillary(labels, triples)
    found = benchmark_scores(total(spec, ours), spec)
    np.testing.assert_allclose(list(found["class_iou"].values()), iou, rtol=1e-12)
    np.testing.assert_allclose(list(found["category_iou"].values()), category_iou, rtol=1e-12)
    assert found["mean_iou"] == pytest.approx(np.nanmean(iou), rel=1e-12)
    expected = {labels[raw]["name"]: iiou[spec.raw_to_class[raw]] for raw in sizes}
    assert len(expected) == 37
    for name, value in found["class_iiou"].items():
        assert value == pytest.approx(expected[name], rel=1e-9, nan_ok=True), name


def test_conventions_by_hand():
    """Three pixels of the first class, predicted as values 0, 1 and 2."""
    label, prediction = np.zeros((1, 3), np.uint8), np.array([[0, 1, 2]], np.uint8)
    labels = [
        {"name": name, "color": (0, 0, 0), "evaluate": name != "void", "instances": False}
        for name in ("a", "b", "void")
    ]
    dropping = benchmark_scores(
        PixelCounter(mapillary(labels)).count(label, prediction), mapillary(labels)
    )
    assert dropping["class_iou"] == {"a": 1 / 2, "b": 0}
    counting = benchmark_scores(
        PixelCounter(ADE20K).count(label, columns_of(ADE20K)[prediction]), ADE20K
    )
    # Values 0, 1, 2 of ADE20K are no class, class 0 and class 1; the other 148 count 0.
    assert counting["class_iou"]["class 0"] == 1 / 3
    assert counting["mean_iou"] == pytest.approx(1 / 3 / 150)
    cityscapes = benchmark_scores(PixelCounter(CITYSCAPES).count(label, prediction), CITYSCAPES)
    assert cityscapes["mean_iou"] == pytest.approx((1 / 3 + 0 + 0) / 3)


def test_an_image_without_instances_adds_none():
    label = np.zeros((4, 5), np.uint8)
    counts = PixelCounter(CITYSCAPES).count(label, label + 11, np.full((4, 5), 7, np.uint16))
    assert counts.confusion[0, 11] == 20
    assert not counts.instances.any()
    assert not counts.categories.any()
