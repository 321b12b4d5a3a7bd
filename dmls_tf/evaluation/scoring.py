"""Predictions of a split, by a model or from files, counted image by image against its labels."""

import dataclasses
import functools
import itertools

import numpy as np
from tqdm import tqdm

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.evaluation.boundary_counts import BoundaryCounts, TrueBoundaries
from dmls_tf.evaluation.pixel_counts import PixelCounter, PixelCounts, columns_of
from dmls_tf.evaluation.scores import benchmark_scores, boundary_scores
from dmls_tf.evaluation.submissions import Submission
from dmls_tf.evaluation.summable import Summable
from dmls_tf.inference.parallel import in_order
from dmls_tf.inference.segmenter import make_segmenter
from dmls_tf.metrics import scores_of
from dmls_tf.models.outputs import Output
from dmls_tf.records.reading import faults_named, name_of, read_split

FROM_FILES = Output("prediction")


@dataclasses.dataclass(frozen=True)
class Counts(Summable):
    """All that is counted of one output, in one image or in several: can be added."""

    pixels: PixelCounts
    boundaries: BoundaryCounts


@dataclasses.dataclass(frozen=True)
class ScoredImage:
    """An image of a split, its predictions and what was counted.

    Attributes:
        example: a dict of `dmls_tf.records.schema.parse_record`, NumPy values.
        predictions: {`Output`: columns of the confusion matrix `[H, W]`}.
        counts: {`Output`: `Counts`}.
    """

    example: dict
    predictions: dict
    counts: dict

    @property
    def name(self):
        """The file name of the image."""
        return name_of(self.example)


def model_predictor(models, records_dir, config):
    """A function from an example to {`Output`: class ids}, for `scored_images`.

    Args:
        models: `DMLS` networks, whose outputs must have different names: the same for several K.
        records_dir: whose classes must be theirs.
        config: an `InferenceConfig`.

    Raises:
        UserError: records and model have different classes.
    """
    info = DatasetInfo.load(records_dir)
    for model in models:
        if list(info.class_names) != list(model.metadata["classes"]):
            raise UserError(
                f"{records_dir}: its {info.num_classes} classes ({info.name}) are not the model's "
                f"{model.config.num_classes} ({model.metadata['dataset']})"
            )

    def last_of(model):
        return [o for o in model.step_outputs if o.step == model.config.recurrent_steps]

    def network(images):
        results = {}
        for model in models:
            found = model(images, training=False)
            results |= {output.name: found[output.name] for output in last_of(model)}
        return results

    outputs = {output.name: output for model in models for output in last_of(model)}
    config, check_size = config.sized_for(models[0].metadata), models[0].config.check_size
    segment = make_segmenter(network, info.num_classes, config, check_size=check_size)

    def predict(example):
        found = segment(example["image"], name_of(example))
        return {output: found[name].labels for name, output in outputs.items()}

    return predict


def scored_images(records_dir, split, predict, num_threads=1, worker=(0, 1)):
    """Yields a `ScoredImage` for each image of a split, in the order of the records.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        predict: a function from an example to {`Output`: columns of the confusion matrix}, see
            `dmls_tf.evaluation.pixel_counts.PixelCounter`.
        num_threads: images that are worked on at a time.
        worker: (index, count): only every count-th image, from this index on.

    Raises:
        UserError: see `read_split`.
    """
    (index, count), info = worker, DatasetInfo.load(records_dir)
    instances = bool(info.spec.scoring.instance_sizes)
    examples = read_split(records_dir, split, instances, worker).as_numpy_iterator()
    score = functools.partial(_score, PixelCounter(info.spec), predict)
    total = len(range(index, info.split(split).num_images, count))
    bar = tqdm(total=total, desc=split, unit="image", dynamic_ncols=True)
    with bar, faults_named(records_dir, split):
        for scored in in_order(score, examples, num_threads):
            bar.update()
            yield scored


def submission_predictor(path, records_dir):
    """A function from an example to its prediction in files, for `scored_images`.

    Args:
        path: of a directory or zip archive, see `dmls_tf.evaluation.submissions`.
        records_dir: a directory with `dataset.json`, which knows the values of the files.

    Raises:
        UserError: there is no such thing; by the function, a file is missing or wrong.
    """
    spec = DatasetInfo.load(records_dir).spec
    submission, table = Submission(path, spec), columns_of(spec).astype(np.uint8)

    def predict(example):
        name = name_of(example)
        return {FROM_FILES: table[submission.read(name, example["label"].shape)]}

    return predict


def _score(counter, predict, example):
    predictions = predict(example)
    label, instances = example["label"], example.get("instance")
    boundaries = TrueBoundaries(label, counter.spec.num_classes)
    counts = {
        output: Counts(counter.count(label, prediction, instances), boundaries.compare(prediction))
        for output, prediction in predictions.items()
    }
    return ScoredImage(example, predictions, counts)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is found out about the predictions of a split.

    Attributes:
        info: the `DatasetInfo` of the records.
        split: its name.
        final_output: the `Output` that is the prediction.
        scores: {`Output`: all scores}: those of `benchmark_scores`, and `boundary`.
        confusion: int64 `[N, N]` of the final output, row true, column predicted.
        images: (file name, pixel accuracy, mean IoU) of the final output, one per image.
    """

    info: DatasetInfo
    split: str
    final_output: Output
    scores: dict
    confusion: np.ndarray
    images: list


@dataclasses.dataclass(frozen=True)
class Tally:
    """What was counted of the images of a split, or of a worker's share of them.

    Attributes:
        totals: {`Output`: `Counts`}; the last output is the final one.
        images: (file name, pixel accuracy, mean IoU) of the final output, one per image.
    """

    totals: dict
    images: list


def tally(scored, watch=None):
    """Adds up `scored_images`; returns a `Tally`.

    Args:
        scored: an iterable of `ScoredImage`.
        watch: a function of each one, its final output and that one's mean IoU.
    """
    totals, images = {}, []
    for one in scored:
        totals = _sums(totals, one.counts)
        output, counts = list(one.counts.items())[-1]
        found = scores_of(counts.pixels.confusion)
        images.append((one.name, found.pixel_accuracy, found.mean_iou))
        if watch:
            watch(one, output, found.mean_iou)
    return Tally(totals, images)


def _sums(one, other):
    """Both dicts, values of the same key added."""
    return one | {key: one[key] + value if key in one else value for key, value in other.items()}


def evaluation_of(records_dir, split, tallies):
    """Scores from the `Tally` of each worker, in their order; returns an `Evaluation`."""
    info = DatasetInfo.load(records_dir)
    totals = functools.reduce(_sums, (one.totals for one in tallies))
    scores = {
        output: benchmark_scores(counts.pixels, info.spec)
        | {"boundary": boundary_scores(counts.boundaries)}
        for output, counts in totals.items()
    }
    final = list(totals)[-1]
    confusion = totals[final].pixels.confusion[:, : info.num_classes]
    in_turn = itertools.zip_longest(*(one.images for one in tallies))
    images = [image for turn in in_turn for image in turn if image]
    return Evaluation(info, split, final, scores, confusion, images)


def evaluate(records_dir, split, predict, watch=None, num_threads=1):
    """Scores the predictions of a whole split.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        predict: see `scored_images`; its last output is the final one.
        watch: see `tally`.
        num_threads: see `scored_images`.

    Returns:
        An `Evaluation`.

    Raises:
        UserError: see `scored_images`.
    """
    counted = tally(scored_images(records_dir, split, predict, num_threads), watch)
    return evaluation_of(records_dir, split, [counted])
