"""The best and the worst images of a split, kept as small pictures while they pass."""

import dataclasses

import numpy as np
from PIL import Image

from dmls_tf import IGNORE_LABEL
from dmls_tf.images.drawing import colorize

RIGHT, WRONG, IGNORED = (225, 235, 225), (215, 30, 30), (0, 0, 0)


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """Pictures of one image, uint8 `[h, w, 3]`, and its mean IoU."""

    name: str
    mean_iou: float
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    errors: np.ndarray


class Gallery:
    """Keeps the `size` images with the highest and those with the lowest mean IoU.

    Args:
        size: of each.
        palette: an RGB colour a class.
        width: of the pictures, pixels.
    """

    def __init__(self, size, palette, width=320):
        self.size, self.palette, self.width = size, palette, width
        self.best, self.worst = [], []

    def __call__(self, scored, output, mean_iou):
        """Looks at a `ScoredImage`; see `dmls_tf.evaluation.scoring.tally`."""
        if np.isnan(mean_iou):
            return
        full = len(self.best) == self.size
        if full and (not self.size or self.worst[-1].mean_iou < mean_iou < self.best[-1].mean_iou):
            return
        exhibit = self._exhibit(scored, output, mean_iou)
        self._keep([exhibit], [exhibit])

    def add(self, other):
        """Looks at what another `Gallery` has kept."""
        self._keep(other.best, other.worst)

    def _keep(self, good, bad):
        self.best = sorted(self.best + good, key=lambda e: (-e.mean_iou, e.name))[: self.size]
        self.worst = sorted(self.worst + bad, key=lambda e: (e.mean_iou, e.name))[: self.size]

    def _exhibit(self, scored, output, value):
        image, label = scored.example["image"], scored.example["label"]
        height = max(1, round(label.shape[0] * self.width / label.shape[1]))
        prediction = _small(scored.predictions[output], (self.width, height))
        label = _small(label, (self.width, height))
        errors = np.where((prediction == label)[..., None], RIGHT, WRONG)
        errors[label == IGNORE_LABEL] = IGNORED
        small = Image.fromarray(image).resize((self.width, height), Image.Resampling.LANCZOS)
        return Exhibit(
            scored.name,
            value,
            np.asarray(small),
            colorize(label, self.palette),
            colorize(prediction, self.palette),
            errors.astype(np.uint8),
        )


def _small(label, size):
    return np.asarray(Image.fromarray(label).resize(size, Image.Resampling.NEAREST))
