import dataclasses

import keras
import numpy as np
import pytest

from dmls_tf.errors import UserError
from dmls_tf.models import backbones
from dmls_tf.models.backbones import (
    BACKBONES,
    build_backbone,
    dilate,
    load_backbone_weights,
)

SIZE = 64


def deepest(backbone, images):
    return keras.ops.convert_to_numpy(backbone.body(backbone.stem(images))[-1])


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", ["vgg16", "resnet50", "mobilenetv2"])
def test_maps_have_the_strides_they_say(name, output_stride):
    backbone = build_backbone(name, output_stride)
    features = backbone.body(backbone.stem(np.zeros((1, SIZE, SIZE, 3), "f")))
    assert backbone.strides[:3] == (2, 4, 8)
    assert backbone.strides[-1] == output_stride
    for stride, feature in zip(backbone.strides, features, strict=True):
        assert feature.shape[1:3] == (SIZE // stride, SIZE // stride)


def test_every_row_of_the_table_builds_with_its_taps():
    for name, spec in BACKBONES.items():
        assert build_backbone(name, 16, 0.125).strides == (2, 4, 8, 16, 16)[: len(spec.taps)]
        assert build_backbone(name, 32, 0.125).strides == (8, 16, 32)


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "mobilenetv2"])
def test_subsampled_it_equals_the_strided_network_with_the_same_weights(name, rng):
    spec = BACKBONES[name]
    strided = spec.constructor(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    published = keras.Model(strided.inputs[0], strided.get_layer(spec.taps[-1]).output)
    dilated = build_backbone(name, output_stride=8)
    dilated.network.set_weights(strided.get_weights())
    images = rng.normal(size=(1, SIZE, SIZE, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(published(images))
    step = SIZE // expected.shape[1] // 8
    assert step > 1
    found = deepest(dilated, images)[:, ::step, ::step]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_resnet101_has_its_published_parameters():
    assert build_backbone("resnet101").network.count_params() == 42_658_176


def test_a_seed_gives_the_same_weights_whatever_was_built_before():
    backbones._published.cache_clear()
    drawn = []
    for _ in range(2):  # the first one looks at the published network, too
        keras.utils.set_random_seed(5)
        drawn.append(build_backbone("vgg19", width_multiplier=0.125).network.get_weights())
    for one, two in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, two)


def test_width_scales_the_channels():
    half = build_backbone("mobilenetv2", width_multiplier=0.5)
    assert half.body.outputs[0].shape[-1] == 8
    assert half.network.count_params() < 0.5 * build_backbone("mobilenetv2").network.count_params()


def test_any_image_size(rng):
    backbone = build_backbone("mobilenetv2", width_multiplier=0.25)
    images = rng.normal(size=(1, 75, 101, 3)).astype(np.float32)
    assert deepest(backbone, images).shape[1:3] == (4, 6)


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_weights_are_loaded_from_a_file(suffix, tmp_path, rng):
    source = keras.applications.MobileNetV2(include_top=False, weights=None)
    for weight in source.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    path = str(tmp_path / f"weights{suffix}")
    if suffix == ".h5":
        from keras.src.legacy.saving import legacy_h5_format

        legacy_h5_format.save_weights_to_hdf5_group(_h5(path), source)
    else:
        source.save_weights(path)
    backbone = build_backbone("mobilenetv2", output_stride=8)
    load_backbone_weights(backbone, "mobilenetv2", path)
    for found, expected in zip(backbone.network.weights, source.weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def _h5(path):
    import h5py

    return h5py.File(path, "w")


def test_what_cannot_be_loaded_is_said(tmp_path):
    backbone = build_backbone("mobilenetv2", width_multiplier=0.25)
    wrong = tmp_path / "wrong.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(wrong)
    text = tmp_path / "text.h5"
    text.write_text("not a weight file")
    for path in (tmp_path / "missing.h5", wrong, text):
        with pytest.raises(UserError, match=path.name):
            load_backbone_weights(backbone, "mobilenetv2", str(path))


def pooled_by(layer):
    """A small network that a layer strides."""
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    return keras.Model(image, keras.layers.Conv2D(4, 3, padding="same")(layer(x)))


@pytest.mark.parametrize(
    "layer", [keras.layers.AveragePooling2D(2), keras.layers.UpSampling2D(2)], ids=type
)
def test_a_layer_that_cannot_be_dilated_is_refused(layer):
    network = pooled_by(layer)
    strides = {one.name: (1, 2) for one in network.layers}
    with pytest.raises(UserError, match=f"layer '{layer.name}': a {type(layer).__name__} cannot"):
        dilate(network.get_config(), strides, output_stride=2)


def test_a_map_at_another_stride_than_asked_for_is_refused(monkeypatch):
    finer = dataclasses.replace(BACKBONES["vgg16"], taps=BACKBONES["vgg16"].taps[:2])
    monkeypatch.setitem(BACKBONES, "vgg16", finer)
    with pytest.raises(UserError, match=r"dilated vgg16 has maps at strides \(2, 4\), not to 16"):
        build_backbone("vgg16", 16, 0.125)
