"""Predictions of a split, by a model or from files, counted image by image against its labels."""

import dataclasses
import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from dmls_tf.data.pipeline import faults_named, read_split
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.evaluation.boundary_counts import BoundaryCounts, TrueBoundaries
from dmls_tf.evaluation.pixel_counts import PixelCounter, PixelCounts, columns_of
from dmls_tf.evaluation.scores import benchmark_scores, boundary_scores
from dmls_tf.evaluation.submissions import Submission
from dmls_tf.evaluation.summable import Summable
from dmls_tf.inference import make_segmenter
from dmls_tf.metrics import scores_of


@dataclasses.dataclass(frozen=True)
class Counts(Summable):
    """All that is counted of one output, in one image or in several: can be added."""

    pixels: PixelCounts
    boundaries: BoundaryCounts


@dataclasses.dataclass(frozen=True)
class ScoredImage:
    """An image of a split, its predictions and what was counted.

    Attributes:
        example: a dict of `dmls_tf.data.records.parse_record`, NumPy values.
        predictions: {output: columns of the confusion matrix `[H, W]`}.
        counts: {output: `Counts`}.
    """

    example: dict
    predictions: dict
    counts: dict

    @property
    def name(self):
        """The file name of the image."""
        return self.example["filename"].decode(errors="replace")


def model_answer(models, records_dir, config):
    """A function from an example to {output: class ids}, for `scored_images`.

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

    def network(images):
        outputs = {}
        for model in models:
            step = f"_{model.config.num_steps}"
            found = model(images, training=False)
            outputs |= {name: found[name] for name in model.output_keys if name.endswith(step)}
        return outputs

    segment = make_segmenter(network, info.num_classes, config)
    return lambda example: {name: found.labels for name, found in segment(example["image"]).items()}


def scored_images(records_dir, split, answer, num_threads=1):
    """Yields a `ScoredImage` for each image of a split, in the order of the records.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        answer: a function from an example to {output: columns of the confusion matrix}, see
            `dmls_tf.evaluation.pixel_counts.PixelCounter`.
        num_threads: images that are worked on at a time.

    Raises:
        UserError: see `read_split`.
    """
    info = DatasetInfo.load(records_dir)
    instances = bool(info.spec.scoring.instance_sizes)
    examples = read_split(records_dir, split, instances).as_numpy_iterator()
    score = functools.partial(_score, PixelCounter(info.spec), answer)
    bar = tqdm(total=info.split(split).num_images, desc=split, unit="image", dynamic_ncols=True)
    with bar, faults_named(records_dir, split), ThreadPoolExecutor(num_threads) as pool:
        waiting = []
        for example in examples:
            waiting.append(pool.submit(score, example))
            if len(waiting) > num_threads:
                yield waiting.pop(0).result()
                bar.update()
        for future in waiting:
            yield future.result()
            bar.update()


def submission_answer(path, records_dir):
    """A function from an example to its prediction in files, for `scored_images`.

    Args:
        path: of a directory or zip archive, see `dmls_tf.evaluation.submissions`.
        records_dir: a directory with `dataset.json`, which knows the values of the files.

    Raises:
        UserError: there is no such thing; by the function, a file is missing or wrong.
    """
    spec = DatasetInfo.load(records_dir).spec
    submission, table = Submission(path, spec), columns_of(spec).astype(np.uint8)

    def answer(example):
        name = example["filename"].decode(errors="replace")
        return {"prediction": table[submission.read(name, example["label"].shape)]}

    return answer


def _score(counter, answer, example):
    predictions = answer(example)
    label, instances = example["label"], example.get("instance")
    boundaries = TrueBoundaries(label, counter.spec.num_classes)
    counts = {
        name: Counts(counter.count(label, prediction, instances), boundaries.compare(prediction))
        for name, prediction in predictions.items()
    }
    return ScoredImage(example, predictions, counts)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is found out about the predictions of a split.

    Attributes:
        info: the `DatasetInfo` of the records.
        split: its name.
        answer: the output that is the predictor's answer.
        scores: {output: all scores}: those of `benchmark_scores`, and `boundary`.
        confusion: int64 `[N, N]` of the answer, row true, column predicted.
        images: a (file name, pixel accuracy, mean IoU) of the answer for each image.
    """

    info: DatasetInfo
    split: str
    answer: str
    scores: dict
    confusion: np.ndarray
    images: list


def evaluate(records_dir, split, answer, watch=None, num_threads=1):
    """Scores the predictions of a whole split.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        answer: see `scored_images`; its last output is the answer.
        watch: a function of each `ScoredImage`, the answer's name and its mean IoU.
        num_threads: images that are worked on at a time.

    Returns:
        An `Evaluation`.

    Raises:
        UserError: see `scored_images`.
    """
    info, totals, images = DatasetInfo.load(records_dir), {}, []
    for one in scored_images(records_dir, split, answer, num_threads):
        for output, counts in one.counts.items():
            totals[output] = totals[output] + counts if output in totals else counts
        found = scores_of(counts.pixels.confusion)
        images.append((one.name, found.pixel_accuracy, found.mean_iou))
        if watch:
            watch(one, output, found.mean_iou)
    scores = {
        name: benchmark_scores(counts.pixels, info.spec)
        | {"boundary": boundary_scores(counts.boundaries)}
        for name, counts in totals.items()
    }
    confusion = totals[output].pixels.confusion[:, : info.num_classes]
    return Evaluation(info, split, output, scores, confusion, images)
