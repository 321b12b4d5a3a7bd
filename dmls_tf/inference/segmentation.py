"""What is found in an image, wherever the network runs."""

from typing import NamedTuple

import numpy as np


class Segmentation(NamedTuple):
    """What is found in an image.

    Attributes:
        labels: class ids, uint8 `[H, W]`.
        confidence: probability of that class, float32 `[H, W]`; None where it was not asked for.
    """

    labels: np.ndarray
    confidence: np.ndarray | None = None
