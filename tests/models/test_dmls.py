import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.config import ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.models import build_dfcn, build_dmls, load_dmls

SMALL = {
    "num_classes": 5,
    "backbone": "mobilenetv2",
    "width": 0.25,
    "decoder_channels": 32,
    "num_steps": 2,
}


def images_of(rng, height=40, width=56, batch=1):
    return rng.uniform(0, 255, (batch, height, width, 3)).astype(np.float32)


def randomise_prior(model, rng):
    (kernel,) = model.dfcn.prior_convolution.weights
    kernel.assign(rng.normal(size=kernel.shape) * 0.1)


def values(outputs):
    return {key: ops.convert_to_numpy(value) for key, value in outputs.items()}


@pytest.mark.parametrize("backbone", ["vgg16", "resnet50", "mobilenetv2"])
def test_outputs_are_full_size_float32_logits(backbone, rng):
    config = ModelConfig(**SMALL | {"backbone": backbone})
    model = build_dmls(config)
    outputs = model(images_of(rng, 45, 53))
    assert list(outputs) == model.output_keys
    assert model.output_keys == [
        f"{kind}_{k}" for k in (1, 2) for kind in ("coarse", "likelihood", "evolved")
    ]
    for output in outputs.values():
        assert output.shape == (1, 45, 53, 5)
        assert output.dtype == tf.float32
        assert np.isfinite(output).all()


@pytest.mark.parametrize(
    ("settings", "kinds", "final"),
    [
        ({"force": "scores"}, ["coarse", "evolved"], "evolved_2"),
        ({"level_set": False}, ["coarse"], "coarse_2"),
    ],
)
def test_outputs_follow_the_settings(settings, kinds, final, rng):
    model = build_dmls(ModelConfig(**SMALL | settings))
    outputs = model(images_of(rng))
    assert list(outputs) == [f"{kind}_{k}" for k in (1, 2) for kind in kinds]
    assert model.final_output == final


def test_the_first_step_has_no_prior_and_the_second_the_first_prediction(rng):
    config = ModelConfig(**SMALL)
    model = build_dmls(config)
    randomise_prior(model, rng)
    images = images_of(rng)
    outputs = model(images)
    dfcn = build_dfcn(config)
    dfcn.get_layer("dfcn").set_weights(model.dfcn.get_weights())
    image = ops.convert_to_tensor(images)
    first = dfcn({"image": image, "prior": ops.zeros((1, 40, 56, 5))})
    prior = ops.softmax(outputs["evolved_1"])
    second = dfcn({"image": image, "prior": prior})
    np.testing.assert_allclose(outputs["coarse_1"], first, atol=1e-4)
    np.testing.assert_allclose(outputs["coarse_2"], second, atol=1e-4)
    assert np.abs(first - second).max() > 1e-3


def test_the_image_is_convolved_once(rng):
    model = build_dmls(ModelConfig(**SMALL | {"num_steps": 4}))
    function = tf.function(lambda x: model(x, training=False))
    graph = function.get_concrete_function(tf.TensorSpec([1, 64, 64, 3])).graph
    convolutions = [op for op in graph.get_operations() if op.type == "Conv2D"]
    stem = [
        op for op in convolutions if op.inputs[0].shape[-1] == 3 and op.inputs[0].shape[1] == 64
    ]
    assert len(stem) == 1


def test_any_number_of_steps_loads_the_same_weights(tmp_path, rng):
    two, four = (build_dmls(ModelConfig(**SMALL | {"num_steps": k})) for k in (2, 4))
    randomise_prior(two, rng)
    path = str(tmp_path / "two.weights.h5")
    two.save_weights(path)
    one = build_dmls(ModelConfig(**SMALL | {"num_steps": 1}))
    one.load_weights(path)
    four.load_weights(path)
    images = images_of(rng)
    expected, found = values(two(images)), values(four(images))
    np.testing.assert_allclose(values(one(images))["coarse_1"], expected["coarse_1"], atol=1e-5)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4)


def test_saved_model_describes_itself(tmp_path, rng):
    metadata = {"classes": list("abcde"), "palette": [[1, 2, 3]] * 5, "image_size": [40, 56]}
    model = build_dmls(ModelConfig(**SMALL, rho=0.5), metadata)
    path = tmp_path / "model.keras"
    model.save(path)
    again = load_dmls(path)
    assert again.config == model.config
    assert again.metadata == metadata
    images = images_of(rng)
    expected, found = values(model(images)), values(again(images))
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])


def test_files_that_are_no_model_are_named(tmp_path):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(other)
    for path, reason in (
        (tmp_path / "none.keras", "no such model file"),
        (text, "not a readable Keras model file"),
        (other, "holds a Sequential, not a DMLS model"),
    ):
        with pytest.raises(UserError, match=reason) as caught:
            load_dmls(path)
        assert str(path) in str(caught.value)


def test_every_weight_that_trains_gets_a_gradient(rng):
    model = build_dmls(ModelConfig(**SMALL))
    randomise_prior(model, rng)
    for layer in model.likelihood.layers[-3:]:
        for weight in layer.weights:  # the zero-initialised correction blocks those before it
            weight.assign(rng.normal(size=weight.shape))
    labels = rng.integers(0, 5, (1, 40, 56))
    with tf.GradientTape() as tape:
        outputs = model(images_of(rng), training=True)
        loss = sum(
            tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output))
            for output in outputs.values()
        )
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path


def test_the_likelihoods_loss_leaves_the_decoders_scores_alone(rng):
    model = build_dmls(ModelConfig(**SMALL | {"num_steps": 1}))
    with tf.GradientTape() as tape:
        outputs = model(images_of(rng), training=True)
        loss = tf.reduce_sum(outputs["likelihood_1"] ** 2)
    (kernel, bias) = model.dfcn.decoder.get_layer("scores").trainable_variables
    assert tape.gradient(loss, [kernel.value, bias.value]) == [None, None]


def test_configs_check_themselves():
    for settings, message in (
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"output_stride": 4}, "output_stride must be 8 or 16, got 4"),
        ({"force": "gravity"}, "force must be one of head, scores, got 'gravity'"),
        ({"num_steps": 0}, "num_steps must be positive, got 0"),
    ):
        with pytest.raises(UserError, match=message):
            ModelConfig(**SMALL | settings)


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [19, 150])
def test_resnet50_at_full_size_with_four_steps_is_finite(num_classes, rng):
    model = build_dmls(ModelConfig(num_classes=num_classes, backbone="resnet50"))
    outputs = tf.function(lambda x: model(x, training=False))(images_of(rng, 512, 512))
    answer = outputs[model.final_output]
    assert answer.shape == (1, 512, 512, num_classes)
    assert np.isfinite(answer).all()
