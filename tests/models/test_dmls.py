import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.config import LevelSetConfig, ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.models import build_dfcn, build_dmls, load_dmls, with_settings

SMALL = {
    "num_classes": 5,
    "backbone": "vgg16",
    "width_multiplier": 0.125,
    "decoder_channels": 16,
    "recurrent_steps": 2,
    "level_set": LevelSetConfig(evolution_steps=3),
    "prior_evolution_steps": 3,  # so that all recurrent steps are alike
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
    assert list(outputs) == [output.name for output in model.step_outputs]
    assert list(outputs) == [
        f"{kind}_{k}" for k in (1, 2) for kind in ("coarse", "likelihood", "evolved")
    ]
    for output in outputs.values():
        assert output.shape == (1, 45, 53, 5)
        assert output.dtype == tf.float32
        assert np.isfinite(output).all()


@pytest.mark.parametrize(
    ("settings", "kinds", "final"),
    [
        ({"likelihood": "scores"}, ["coarse", "evolved"], "evolved_2"),
        ({"likelihood": "gaussian"}, ["coarse", "evolved"], "evolved_2"),
        ({"likelihood": "scores+adaptive", "network": "fcn8s"}, ["coarse", "evolved"], "evolved_2"),
        ({"level_set": None}, ["coarse"], "coarse_2"),
    ],
)
def test_outputs_follow_the_settings(settings, kinds, final, rng):
    model = build_dmls(ModelConfig(**SMALL | settings))
    outputs = model(images_of(rng))
    assert list(outputs) == [f"{kind}_{k}" for k in (1, 2) for kind in kinds]
    assert model.final_output == final


def test_the_first_step_has_no_prior_and_the_second_the_first_prediction(rng):
    # Takes P at full size, where the level sets are.
    config = ModelConfig(**SMALL | {"backbone": "vgg16", "level_set_stride": 1})
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


def test_priors_may_evolve_less_than_the_prediction(rng):
    model = build_dmls(ModelConfig(**SMALL))
    fewer = with_settings(model, prior_evolution_steps=0)
    images = images_of(rng)
    outputs, changed = model(images), fewer(images)
    assert np.abs(changed["evolved_1"] - outputs["evolved_1"]).max() > 1e-3
    np.testing.assert_allclose(
        with_settings(fewer, recurrent_steps=1)(images)["evolved_1"],
        outputs["evolved_1"],
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"backbone": "vgg16", "level_set": None},
        {"backbone": "resnet50", "level_set_stride": 1, "output_stride": 8},
    ],
)
def test_a_prior_at_the_decoder_runs_the_encoder_once(settings, rng):
    settings = SMALL | settings | {"prior_entry": "decoder"}
    one, four = (build_dmls(ModelConfig(**settings | {"recurrent_steps": k})) for k in (1, 4))
    four.set_weights(one.get_weights())
    randomise_prior(four, rng)
    images = images_of(rng, 45, 53)
    expected, found = values(one(images)), values(four(images))
    np.testing.assert_allclose(found["coarse_1"], expected["coarse_1"], atol=1e-4)
    assert np.abs(found["coarse_2"] - found["coarse_1"]).max() > 1e-3
    parts = [four.dfcn.decoder, four.dfcn.prior_convolution]
    parts += [four.likelihood.step_part] if four.level_set else []
    again = [layer for part in parts for layer in part.layers]
    again = [layer for layer in again if isinstance(layer, keras.layers.Conv2D)]
    assert num_convolutions(four) == num_convolutions(one) + 3 * len(again)


@pytest.mark.parametrize("prior_entry", ["image", "decoder"])
@pytest.mark.parametrize("level_set_stride", [1, 2])
def test_the_dfcn_may_see_a_smaller_image_than_the_level_sets(prior_entry, level_set_stride, rng):
    settings = SMALL | {"prior_entry": prior_entry, "level_set_stride": level_set_stride}
    whole, half = (build_dmls(ModelConfig(network_stride=n, **settings)) for n in (1, 2))
    half.set_weights(whole.get_weights())
    randomise_prior(half, rng)
    images = images_of(rng, 48, 64)
    averaged = images.reshape(1, 24, 2, 32, 2, 3).mean((2, 4))
    expected = whole.dfcn(whole.dfcn.encode(averaged)).logits
    np.testing.assert_allclose(half.dfcn(half.dfcn.encode(images)).logits, expected, atol=1e-4)
    outputs = values(half(images))
    assert all(output.shape == (1, 48, 64, 5) for output in outputs.values())
    assert np.abs(outputs["coarse_2"] - outputs["coarse_1"]).max() > 1e-3
    with pytest.raises(UserError, match="at least 34 pixels high and wide for this network, got 3"):
        half(images[:, :33])


@pytest.mark.parametrize(
    "settings", [{"backbone": "mobilenetv2"}, {"network": "fcn8s", "level_set": None}]
)
def test_images_may_be_reduced_to_a_quarter(settings, rng):
    model = build_dmls(ModelConfig(**SMALL | settings | {"network_stride": 4}))
    outputs = values(model(images_of(rng, 131, 150)))
    for output in outputs.values():
        assert output.shape == (1, 131, 150, 5)
        assert np.isfinite(output).all()


def num_convolutions(model):
    function = tf.function(lambda x: model(x, training=False)[model.final_output])
    graph = function.get_concrete_function(tf.TensorSpec([1, 64, 64, 3])).graph
    return sum(op.type == "Conv2D" for op in graph.get_operations())


def test_the_image_is_convolved_once(rng):
    model = build_dmls(ModelConfig(**SMALL | {"recurrent_steps": 4}))
    function = tf.function(lambda x: model(x, training=False))
    graph = function.get_concrete_function(tf.TensorSpec([1, 64, 64, 3])).graph
    convolutions = [op for op in graph.get_operations() if op.type == "Conv2D"]
    stem = [
        op for op in convolutions if op.inputs[0].shape[-1] == 3 and op.inputs[0].shape[1] == 64
    ]
    assert len(stem) == 1


def test_any_number_of_steps_loads_the_same_weights(tmp_path, rng):
    two, four = (build_dmls(ModelConfig(**SMALL | {"recurrent_steps": k})) for k in (2, 4))
    randomise_prior(two, rng)
    path = str(tmp_path / "two.weights.h5")
    two.save_weights(path)
    one = build_dmls(ModelConfig(**SMALL | {"recurrent_steps": 1}))
    one.load_weights(path)
    four.load_weights(path)
    images = images_of(rng)
    expected, found = values(two(images)), values(four(images))
    np.testing.assert_allclose(values(one(images))["coarse_1"], expected["coarse_1"], atol=1e-5)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-4)


def test_the_number_of_steps_can_be_changed_afterwards(tmp_path, rng):
    model = build_dmls(ModelConfig(**SMALL))
    randomise_prior(model, rng)
    model.save(tmp_path / "two.keras")
    four = load_dmls(tmp_path / "two.keras", recurrent_steps=4)
    assert four.final_output == "evolved_4"
    images = images_of(rng)
    expected, found = values(model(images)), values(four(images))
    np.testing.assert_allclose(found["evolved_2"], expected["evolved_2"], atol=1e-4)
    with pytest.raises(UserError, match="the weights of its part 'dfcn' do not fit"):
        load_dmls(tmp_path / "two.keras", num_classes=6)


def test_one_model_runs_at_any_size(rng):
    model = build_dmls(ModelConfig(**SMALL))
    function = tf.function(lambda x: model(x, training=False)[model.final_output])
    signature = tf.TensorSpec([None, None, None, 3])
    function = function.get_concrete_function(signature)
    for size in ((375, 500), (512, 512), (1024, 2048)):
        assert function(tf.constant(images_of(rng, *size))).shape == (1, *size, 5)


def test_at_inference_only_the_prediction_costs_anything():
    model = build_dmls(ModelConfig(**SMALL))
    function = tf.function(lambda x: model(x, training=False)[model.final_output])
    graph = function.get_concrete_function(tf.TensorSpec([1, 64, 64, 3])).graph
    answer = graph.outputs[0].op.name
    needed = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), [answer]).node
    kinds = [node.op for node in needed]
    # One prior from the first step; no straight-through term, no softmax of any output.
    assert kinds.count("Softmax") == 1


def test_adjustments_add_to_the_logits_at_inference_only(rng):
    weights = [0.5, 1.0, 2.0, 4.0, 1.0]
    metadata = {"class_weights": weights}
    plain = build_dmls(ModelConfig(**SMALL | {"recurrent_steps": 1}), metadata)
    changes = {"coarse_adjustment": -0.5, "likelihood_adjustment": 0.25}
    adjusted = with_settings(plain, **changes)
    images = images_of(rng)
    before, after = plain(images), adjusted(images)
    for kind, factor in (("coarse", -0.5), ("likelihood", 0.25)):
        shifted = before[f"{kind}_1"] + factor * np.log(weights).astype(np.float32)
        np.testing.assert_allclose(
            tf.nn.softmax(after[f"{kind}_1"]), tf.nn.softmax(shifted), atol=1e-5
        )
    np.testing.assert_array_equal(
        adjusted(images, training=True)["coarse_1"], plain(images, training=True)["coarse_1"]
    )
    with pytest.raises(UserError, match="class_weights"):
        build_dmls(adjusted.config)(images)


@pytest.mark.parametrize("prior_gradient", [False, True])
def test_a_later_step_teaches_an_earlier_one_if_asked(prior_gradient, rng):
    settings = {"prior_gradient": prior_gradient, "level_set": None}
    model = build_dmls(ModelConfig(**SMALL | settings))
    randomise_prior(model, rng)
    predictions = []
    prior_of = model.dfcn.prior_of

    def remembered(prediction, *where):
        predictions.append(prediction)
        return prior_of(prediction, *where)

    model.dfcn.prior_of = remembered
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images_of(rng), training=True)["coarse_2"] ** 2)
    assert (tape.gradient(loss, predictions[0]) is not None) == prior_gradient


@pytest.mark.parametrize("settings", [{}, {"level_set": None}, {"likelihood": "adaptive"}])
def test_recomputing_activations_changes_neither_gradients_nor_statistics(settings, rng):
    models = [build_dmls(ModelConfig(**SMALL | settings)) for _ in range(2)]
    randomise_prior(models[0], rng)
    models[1].set_weights(models[0].get_weights())
    models[1].remat = True
    images = images_of(rng)

    def results(model):
        @tf.function
        def run():
            with tf.GradientTape() as tape:
                loss = tf.add_n(
                    [tf.reduce_mean(x**2) for x in model(images, training=True).values()]
                )
            return tape.gradient(loss, [v.value for v in model.trainable_variables])

        return [tf.convert_to_tensor(gradient) for gradient in run()]

    for one, two in zip(*map(results, models), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4 * max(1, np.abs(one).max()))
    for one, two in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6, err_msg=one.path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_logits_and_level_sets_in_float32(policy, rng):
    exact = build_dmls(ModelConfig(**SMALL | {"backbone": "mobilenetv2"}))
    keras.config.set_dtype_policy(policy)
    try:
        mixed = build_dmls(exact.config)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(exact.get_weights())
    assert mixed.dfcn.encode(images_of(rng)).image_features.dtype == policy.removeprefix("mixed_")
    images = images_of(rng)
    expected, found = exact(images), mixed(images)
    for key in ("coarse_1", "likelihood_1", "evolved_1"):
        assert found[key].dtype == tf.float32
    scale = np.abs(expected["coarse_1"]).max()
    np.testing.assert_allclose(found["coarse_1"], expected["coarse_1"], atol=0.1 * scale)


def test_saved_model_describes_itself(tmp_path, rng):
    metadata = {"classes": list("abcde"), "palette": [[1, 2, 3]] * 5, "image_size": [40, 56]}
    config = ModelConfig(**SMALL | {"level_set": LevelSetConfig(rho=0.5)})
    model = build_dmls(config, metadata)
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
    for layer in model.likelihood.step_part.layers[-3:]:
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


def test_the_likelihoods_loss_leaves_the_decoders_logits_alone(rng):
    model = build_dmls(ModelConfig(**SMALL | {"recurrent_steps": 1}))
    with tf.GradientTape() as tape:
        outputs = model(images_of(rng), training=True)
        loss = tf.reduce_sum(outputs["likelihood_1"] ** 2)
    (kernel, bias) = model.dfcn.decoder.get_layer("logits").trainable_variables
    assert tape.gradient(loss, [kernel.value, bias.value]) == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize(("num_classes", "size"), [(19, 256), (150, 512)])
def test_resnet50_with_four_steps_is_finite(num_classes, size, rng):
    model = build_dmls(ModelConfig(num_classes=num_classes, backbone="resnet50"))
    outputs = tf.function(lambda x: model(x, training=False))(images_of(rng, size, size))
    answer = outputs[model.final_output]
    assert answer.shape == (1, size, size, num_classes)
    assert np.isfinite(answer).all()


def test_a_model_of_another_version_is_refused_in_one_line(tmp_path):
    model = build_dmls(ModelConfig(**SMALL))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["config.json"] = files["config.json"].replace(b'"recurrent_steps"', b'"num_steps"')
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match="old.keras: saved by another version of dmls.*num_steps"):
        load_dmls(tmp_path / "old.keras")


def test_the_summary_of_a_model_that_has_been_called(capsys, rng):
    model = build_dmls(ModelConfig(**SMALL | {"recurrent_steps": 1}))
    model.predict(images_of(rng), verbose=0)
    model.summary(expand_nested=True)
    assert "ResizeLike" in capsys.readouterr().out
