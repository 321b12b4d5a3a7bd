"""The dense CRF, on an image whose parts differ in colour."""

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import InferenceConfig, ModelConfig
from dmls_tf.evaluation.crf import with_crf
from dmls_tf.models.outputs import Output

COARSE, CRF = Output("coarse", 1), Output("crf", 1)


class Noisy:
    """A network that is right, but for a tenth of the pixels."""

    final_output, metadata = COARSE.name, {}
    config = ModelConfig(num_classes=2, recurrent_steps=1)

    def __init__(self, truth, rng):
        right = np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth)
        self.logits = tf.constant(2.0 * np.eye(2)[right][None], tf.float32)

    def __call__(self, images, training):
        return {"coarse_1": self.logits}


def test_pixels_agree_with_those_of_their_colour(rng):
    pytest.importorskip("pydensecrf", reason="needs pydensecrf2")
    truth = (np.hypot(*np.mgrid[-20:20, -30:30]) < 14).astype(np.uint8)
    image = np.where(truth[..., None], (200, 80, 40), (40, 90, 160)).astype(np.uint8)
    network = Noisy(truth, rng)
    predict = with_crf(lambda example: {COARSE: None}, network, InferenceConfig())
    found = predict({"image": image})
    assert list(found) == [COARSE, CRF]
    assert found[CRF].dtype == np.uint8
    assert (np.argmax(network.logits[0], -1) == truth).mean() < 0.95
    assert (found[CRF] == truth).mean() > 0.995
