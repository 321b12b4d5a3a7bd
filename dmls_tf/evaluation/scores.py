"""From counts to the scores that a benchmark reports: shares in [0, 1], NaN for what is undefined.

    iIoU = iTP / (iTP + FP + iFN)

where iTP and iFN are the hit and missed pixels of instances, each weighted with the average size
of its class over its own, so that small instances count as much as large ones; FP is not weighted
(Cordts et al., *The Cityscapes dataset*, CVPR 2016, section 4.1).
"""

from dmls_tf.evaluation.boundary_counts import DISTANCES
from dmls_tf.evaluation.pixel_counts import category_columns
from dmls_tf.metrics import mean_of, ratio, scores_of

SUMMARY = {
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_iou": "mean IoU",
    "frequency_weighted_iou": "frequency-weighted IoU",
    "final_score": "final score",
    "mean_iiou": "mean iIoU",
    "mean_category_iou": "mean category IoU",
    "mean_category_iiou": "mean category iIoU",
}  # the scores that are one number


def benchmark_scores(counts, spec):
    """The scores of a data set's benchmark.

    Args:
        counts: a `PixelCounts` of a whole split.
        spec: its `DatasetSpec`.

    Returns:
        A dict: the scores of `dmls_tf.metrics.Scores`, by class as dicts; for some data sets
        `final_score`, `category_iou`, `class_iiou`, `category_iiou` and their means.
    """
    scoring, names = spec.scoring, spec.class_names
    matrix = counts.confusion
    if scoring.drop_unevaluated:
        matrix = matrix[:, : spec.num_classes]
    plain = scores_of(matrix, scoring.absent_iou)
    scores = {key: getattr(plain, key) for key in SUMMARY if hasattr(plain, key)}
    if scoring.final_score:
        scores["final_score"] = 0.5 * (plain.pixel_accuracy + plain.mean_iou)
    scores["class_accuracy"] = dict(zip(names, plain.class_accuracy, strict=True))
    scores["class_iou"] = dict(zip(names, plain.class_iou, strict=True))
    if scoring.categories:
        categories = {name: _category_iou(matrix, spec, name) for name in scoring.categories}
        scores |= {"category_iou": categories, "mean_category_iou": _mean(categories)}
    if scoring.instance_sizes:
        by_class = _class_iiou(matrix, counts.instances, spec)
        scores |= {"class_iiou": by_class, "mean_iiou": _mean(by_class)}
    if scoring.instance_categories:
        by_category = _category_iiou(matrix, counts.categories, spec)
        scores |= {"category_iiou": by_category, "mean_category_iiou": _mean(by_category)}
    return scores


def boundary_scores(counts):
    """Scores near boundaries.

    Args:
        counts: a `BoundaryCounts` of a whole split.

    Returns:
        {distance in pixels, as a string: {"accuracy", "mean_iou", "f1"}}; the first two of the
        pixels within that distance, F1 with that tolerance, averaged over images, then classes.
    """
    scores = {}
    for i, distance in enumerate(DISTANCES):
        near = scores_of(counts.trimap[i])
        f1 = mean_of(ratio(counts.f1[i], counts.images))
        named = {"accuracy": near.pixel_accuracy, "mean_iou": near.mean_iou, "f1": f1}
        scores[str(distance)] = named
    return scores


def _category_iou(matrix, spec, name):
    """A pixel is right if the predicted class is one of the category that its class is of."""
    members, _ = category_columns(spec, name)
    hits = matrix[members][:, members].sum()
    union = matrix[members].sum() + matrix[:, members].sum() - hits
    return float(ratio(hits, union))


def _class_iiou(matrix, instances, spec):
    hits, misses = instances
    false = matrix[:, : spec.num_classes].sum(0) - matrix.diagonal()
    iiou = ratio(hits, hits + misses + false)
    return {spec.class_names[c]: float(iiou[c]) for c in spec.scoring.instance_sizes}


def _category_iiou(matrix, categories, spec):
    """As the official script has it: unevaluated labels of a category are of the category, too."""
    scores = {}
    for i, name in enumerate(spec.scoring.instance_categories):
        members, columns = category_columns(spec, name)
        hits, misses = categories[:, i]
        false = matrix[:, columns].sum() - matrix[members][:, columns].sum()
        scores[name] = float(ratio(hits, hits + misses + false))
    return scores


def _mean(scores):
    return mean_of(list(scores.values()))
