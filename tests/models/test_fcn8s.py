import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ModelConfig
from dmls_tf.models import build_dmls
from dmls_tf.models.dfcn import DFCN

VGG = ModelConfig(
    num_classes=19, network="fcn8s", backbone="vgg16", recurrent_steps=1, level_set=None
)


@pytest.mark.slow
def test_vgg16_has_the_parameters_of_the_papers_table():
    """Table VIII gives 134.5 M for FCN8s; ours has W_P, too, which is idle."""
    model = build_dmls(VGG)
    parameters = model.count_params() - model.dfcn.prior_convolution.count_params()
    assert parameters == pytest.approx(134.5e6, rel=2e-3)


def test_scores_of_three_strides_are_summed_from_coarse_to_fine(rng):
    dfcn = DFCN(
        ModelConfig(num_classes=3, network="fcn8s", backbone="mobilenetv2", width_multiplier=0.25)
    )
    decoder = dfcn.decoder
    features = [
        rng.normal(size=(1, *size, output.shape[-1])).astype(np.float32)
        for size, output in zip(((9, 13), (5, 7), (3, 4)), dfcn.body.outputs, strict=True)
    ]
    scores = {}
    for stride, feature in zip((8, 16, 32), features, strict=True):
        layer = decoder.get_layer(f"logits{stride}")
        kernel = rng.normal(size=layer.kernel.shape).astype(np.float32)
        layer.set_weights([kernel, np.full(3, stride, np.float32)])
        scores[stride] = feature @ kernel[0, 0] + stride
    fused = tf.image.resize(scores[32], (5, 7)) + scores[16]
    expected = tf.image.resize(fused, (9, 13)) + scores[8]
    logits, finest = decoder(features)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(finest, features[0])


def test_it_takes_any_size_and_drops_only_in_training(rng):
    small = ModelConfig(
        num_classes=5,
        network="fcn8s",
        backbone="vgg16",
        width_multiplier=0.0625,
        recurrent_steps=2,
        level_set_stride=1,
    )
    model = build_dmls(small)
    for stride in (8, 16, 32):
        layer = model.dfcn.decoder.get_layer(f"logits{stride}")
        layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    images = rng.uniform(0, 255, (1, 75, 101, 3)).astype(np.float32)
    one, two = model(images), model(images)
    assert one[model.final_output].shape == (1, 75, 101, 5)
    np.testing.assert_array_equal(one["coarse_1"], two["coarse_1"])
    dropped = model(images, training=True)["coarse_1"]
    assert np.abs(dropped - one["coarse_1"]).max() > 1e-3
