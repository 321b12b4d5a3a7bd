"""A dense conditional random field on a network's probabilities, the level set's peer.

Krähenbühl and Koltun, *Efficient inference in fully connected CRFs with Gaussian edge potentials*,
2011, by pydensecrf: pixels that are near each other and of similar colour should agree.
"""

import numpy as np
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.inference.segmenter import to_size
from dmls_tf.models.outputs import Output

ITERATIONS = 5
NEAR, NEAR_WEIGHT = 1, 1  # pixels; of the term that smooths
WIDE, COLOUR, WIDE_WEIGHT = 0.1, 5, 5  # of the longer side; of 255; of the term with colours


def with_crf(predict, model, config):
    """The function `predict` (see `scored_images`) with one more output, `crf_K`.

    Args:
        predict: from an example to {`Output`: class ids}.
        model: a `DMLS`, whose prediction becomes the unary term.
        config: an `InferenceConfig`; windows, scales and mirrored images are left out.

    Raises:
        UserError: pydensecrf is not installed.
    """
    try:
        import pydensecrf.densecrf as densecrf
    except ImportError as error:
        raise UserError('--crf needs pydensecrf2: pip install -e ".[crf]"') from error

    size = config.sized_for(model.metadata).working_size

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    def probabilities(image):
        images = to_size(image[None], size)
        found = tf.nn.softmax(model(images, training=False)[model.final_output])
        return tf.image.resize(found, tf.shape(image)[:2])[0]

    def refined(example):
        image = np.array(example["image"])  # pydensecrf wants to be able to write
        unary = -np.log(np.maximum(probabilities(image).numpy(), 1e-8))
        height, width, num_classes = unary.shape
        field = densecrf.DenseCRF2D(width, height, num_classes)
        field.setUnaryEnergy(np.ascontiguousarray(unary.reshape(-1, num_classes).T))
        field.addPairwiseGaussian(sxy=NEAR, compat=NEAR_WEIGHT)
        wide = WIDE * max(height, width)
        field.addPairwiseBilateral(sxy=wide, srgb=COLOUR, rgbim=image, compat=WIDE_WEIGHT)
        found = np.array(field.inference(ITERATIONS)).argmax(0)
        return found.reshape(height, width).astype(np.uint8)

    output = Output("crf", model.config.recurrent_steps)
    return lambda example: predict(example) | {output: refined(example)}
