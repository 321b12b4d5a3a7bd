"""Settings: checked when they are made, read from texts."""

import dataclasses
import re

import pytest

from dmls_tf import config, settings
from dmls_tf.config import (
    ConversionConfig,
    DataConfig,
    FileConfig,
    InferenceConfig,
    LevelSetConfig,
    ModelConfig,
    ServingConfig,
    Stage,
    TrainConfig,
)
from dmls_tf.errors import UserError
from dmls_tf.settings import as_text, parse

NEEDED = {ModelConfig: {"num_classes": 3}, Stage: {"name": "joint", "epochs": 1}}
CONFIGS = [
    *(ModelConfig, LevelSetConfig, DataConfig, TrainConfig, Stage),
    *(InferenceConfig, FileConfig, ServingConfig, ConversionConfig),
]


def made(kind, **fields):
    return kind(**NEEDED.get(kind, {}) | fields)


POSITIVE, NOT_NEGATIVE = "must be positive", "must be at least 0"
SIZE, WORKING_SIZE = "must be height,width, both positive", "height,width of at least 32 pixels"
OUTSIDE = [  # what a rule forbids, and its words
    (ModelConfig, "num_classes", [-1, 0, 1, 256], "must be from 2 to 255"),
    (ModelConfig, "network", ["unet", ""], "must be dfcn or fcn8s"),
    (ModelConfig, "backbone", ["alexnet", "VGG16"], "must be vgg16, vgg19, resnet50, resnet101,"),
    (ModelConfig, "output_stride", [0, 4, 32], "must be 8 or 16"),
    (ModelConfig, "width_multiplier", [0, -1.0, float("nan")], POSITIVE),
    (ModelConfig, "network_stride", [0, 3], "must be 1, 2 or 4"),
    (ModelConfig, "decoder_stride", [1, 8], "must be 2 or 4"),
    (ModelConfig, "decoder_channels", [1, 5000], "must be from 2 to 4096"),
    (ModelConfig, "recurrent_steps", [-1, 0, 101], "must be from 1 to 100"),
    (ModelConfig, "prior_entry", ["summit"], "must be image or decoder"),
    (ModelConfig, "level_set_stride", [0, 4], "must be 1 or 2"),
    (ModelConfig, "prior_evolution_steps", [-1], NOT_NEGATIVE),
    (ModelConfig, "likelihood", ["head"], "must be learned, gaussian, adaptive, scores or"),
    (ModelConfig, "batch_norm_momentum", [-0.1, 1, 1.5], "must be at least 0 and below 1"),
    (LevelSetConfig, "initial_phi", ["margins"], "must be distance or margin"),
    (LevelSetConfig, "band", [0, -8], POSITIVE),
    (LevelSetConfig, "evolution_steps", [-1], NOT_NEGATIVE),
    (LevelSetConfig, "dt", [0, 0.0, -0.1, float("nan")], POSITIVE),
    (LevelSetConfig, "epsilon", [-0.1, float("nan")], NOT_NEGATIVE),
    (LevelSetConfig, "force_scale", [0.0, -1], POSITIVE),
    (LevelSetConfig, "temperature", [0.0, -0.1, float("nan")], POSITIVE),
    (LevelSetConfig, "straight_through", [-1.0], NOT_NEGATIVE),
    (LevelSetConfig, "max_phases", [0, -24], POSITIVE),
    (DataConfig, "image_size", [(0, 9), (9, -1)], SIZE),
    (DataConfig, "crop_size", [(0, 9), (9, 0)], SIZE),
    (DataConfig, "scale_range", [(0, 1), (2, 1), (-2, -1)], "lowest,highest, both positive"),
    (DataConfig, "jitter", [-0.1, 1.1], "must be from 0 to 1"),
    (DataConfig, "batch_size", [0], POSITIVE),
    (DataConfig, "shuffle_buffer", [0], POSITIVE),
    (TrainConfig, "epochs", [0, -1], POSITIVE),
    (TrainConfig, "steps_per_epoch", [0], POSITIVE),
    (TrainConfig, "optimizer", ["SGD"], "must be sgd or adam"),
    (TrainConfig, "learning_rate", [0, -1e-3, float("nan")], POSITIVE),
    (TrainConfig, "schedule", ["cosine"], "must be constant, step or polynomial"),
    (TrainConfig, "warmup_steps", [-1], NOT_NEGATIVE),
    (TrainConfig, "new_parameter_rate", [0.0], POSITIVE),
    (TrainConfig, "weight_decay", [-5e-4], NOT_NEGATIVE),
    (TrainConfig, "clip_norm", [0.0], POSITIVE),
    (TrainConfig, "accumulate", [0], POSITIVE),
    (TrainConfig, "average", [0.0, 1.0], "must be above 0 and below 1"),
    (TrainConfig, "class_weighting", [-1.0], NOT_NEGATIVE),
    (TrainConfig, "boundary_weight", [-1.0], NOT_NEGATIVE),
    (TrainConfig, "coarse_weight", [-1.0], NOT_NEGATIVE),
    (TrainConfig, "evolved_weight", [-1.0], NOT_NEGATIVE),
    (TrainConfig, "likelihood_weight", [-1.0], NOT_NEGATIVE),
    (TrainConfig, "likelihood_band", [0], POSITIVE),
    (TrainConfig, "train_only", ["head"], "must be all or likelihood"),
    (TrainConfig, "freeze_batch_norm", ["decoder"], "must be none, encoder or all"),
    (TrainConfig, "precision", ["float16"], "must be float32, mixed_bfloat16 or mixed_float16"),
    (TrainConfig, "checkpoint_steps", [0], POSITIVE),
    (TrainConfig, "seed", [-1, 2**32], "must be from 0 to 4294967295"),
    (Stage, "name", ["head"], "must be coarse, likelihood or joint"),
    (Stage, "epochs", [0], POSITIVE),
    (Stage, "rate", [0.0], POSITIVE),
    (InferenceConfig, "image_size", [(31, 64), "full"], f"model, native or {WORKING_SIZE}"),
    (InferenceConfig, "window", [(64, 31)], WORKING_SIZE),
    (InferenceConfig, "overlap", [-0.1, 1.0], "must be at least 0 and below 1"),
    (InferenceConfig, "scales", [(), (0.0,), (1.0, 11.0)], "must be numbers from 0.1 to 10"),
    (FileConfig, "image_size", [(31, 64), "native"], f"model or {WORKING_SIZE}"),
    (ServingConfig, "image_size", [(31, 64), "native"], f"model or {WORKING_SIZE}"),
    (ServingConfig, "max_pixels", [0], POSITIVE),
    (ServingConfig, "max_batch", [0], POSITIVE),
    (ServingConfig, "optimize", ["int8"], "must be none, float32, float16 or bfloat16"),
    (ConversionConfig, "num_shards", [0], POSITIVE),
    (ConversionConfig, "num_workers", [0], POSITIVE),
    (ConversionConfig, "max_side", [0], POSITIVE),
    (ConversionConfig, "label_orientation", ["left"], "must be upright or stored"),
    (ConversionConfig, "on_error", ["stop"], "must be fail or skip"),
]


@pytest.mark.parametrize(("kind", "name", "values", "words"), OUTSIDE)
def test_a_value_that_a_rule_forbids(kind, name, values, words):
    for value in values:
        with pytest.raises(UserError) as caught:
            made(kind, **{name: value})
        message = str(caught.value)
        assert message.startswith(f"{name} must be ")
        assert words in message
        assert message.endswith(f", got {value!r}")


def test_every_rule_is_among_those():
    for kind in CONFIGS:
        ruled = {field.name for field in dataclasses.fields(kind) if field.metadata["rule"]}
        assert {name for other, name, *_ in OUTSIDE if other is kind} == ruled


OF_OTHER_TYPES = {  # and what the error asks for
    int: (["3", True, 2.5, (3,)], "a whole number"),
    float: (["3", True, (0.5,)], "a number"),
    bool: ([1, "true", 0.0], "true or false"),
    str: ([3, True, ("a",)], ""),
    tuple[int, int]: ([[48, 64], (48,), (48, 64, 3), ("48", "64"), (48.0, 64), 48, True], ""),
    tuple[float, float]: ([[0.5, 2.0], (1.0,), ("1", "2"), 1.0], ""),
    tuple[float, ...]: ([[1.0], ("1",), 1.0], ""),
    LevelSetConfig: ([True, 3, "none"], "LevelSetConfig or none"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_value_of_another_type(kind):
    for field, whole in settings.typed_fields(kind):
        options = settings._options(whole)
        wrong, words = OF_OTHER_TYPES[options[0]]
        wrong = [*wrong, *([] if type(None) in options else [None])]
        for value in wrong:
            if not (str in options and isinstance(value, str)):
                with pytest.raises(UserError, match=f"^{field.name} must be .*{words}.*, got "):
                    made(kind, **{field.name: value})
        if type(None) in options:
            assert getattr(made(kind, **{field.name: None}), field.name) is None


def test_a_level_set_of_a_saved_model_is_checked_too():
    plain = ModelConfig(num_classes=3)
    assert ModelConfig(**dataclasses.asdict(plain)) == plain
    with pytest.raises(UserError, match="band must be positive, got 0"):
        ModelConfig(num_classes=3, level_set={"band": 0})


@pytest.mark.parametrize(
    ("epsilon", "limit"), [(0, 0.7), (0.0, 0.7), (0.01, 0.4), (1.0, 0.4), (2.0, 0.2), (8, 0.05)]
)
def test_several_unstable_steps_are_refused_and_a_single_one_is_not(epsilon, limit):
    for steps in (2, 3, 50):
        assert LevelSetConfig(evolution_steps=steps, dt=limit, epsilon=epsilon).dt == limit
        with pytest.raises(UserError, match=f"dt must be at most {limit:g} for {steps} evolution_"):
            LevelSetConfig(evolution_steps=steps, dt=1.01 * limit, epsilon=epsilon)
    for steps in (0, 1):
        assert LevelSetConfig(evolution_steps=steps, dt=1, epsilon=epsilon).dt == 1


def test_the_steps_before_the_last_are_held_to_the_same_limit():
    single = LevelSetConfig(evolution_steps=1, dt=1, epsilon=1)
    allowed = ModelConfig(3, level_set=single, prior_evolution_steps=1)
    assert [allowed.evolution_of(k).evolution_steps for k in (1, 4)] == [1, 1]
    with pytest.raises(UserError, match="dt must be at most 0.4 for 2 evolution_steps with epsilo"):
        dataclasses.replace(allowed, prior_evolution_steps=2)
    # There are none before the last of one.
    assert dataclasses.replace(allowed, prior_evolution_steps=2, recurrent_steps=1)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (ModelConfig, {"network": "fcn8s", "prior_entry": "decoder"}, "prior_entry must be image"),
        (DataConfig, {"scale_range": (0.5, 2.0)}, "scale_range must be 1,1 without crop_size"),
    ],
)
def test_settings_that_exclude_one_another(kind, fields, words):
    with pytest.raises(UserError, match=words):
        made(kind, **fields)


def test_a_size_of_the_model():
    trained, free = {"image_size": [48, 64]}, {"image_size": None}
    for kind in (InferenceConfig, FileConfig, ServingConfig):
        assert kind().sized_for(trained).image_size == (48, 64)
        assert kind((96, 96)).sized_for(trained).image_size == (96, 96)
    assert InferenceConfig().sized_for(free).image_size == "native"
    assert InferenceConfig("native").sized_for(trained).image_size == "native"
    with pytest.raises(UserError, match="trained at no fixed size; pass --image_size"):
        FileConfig().sized_for(free)


def test_choices_are_those_that_are_built():
    from dmls_tf.models import backbones, likelihood

    assert set(config.BACKBONES) == set(backbones.BACKBONES)
    assert set(config.LIKELIHOODS) == set(likelihood.CLASSES)


def test_settings_within_settings_are_replaced():
    plain = ModelConfig(num_classes=3)
    found = settings.replace(plain, recurrent_steps=2, dt=0.5, rho=0.5)
    assert (found.recurrent_steps, found.level_set.dt, found.level_set.rho) == (2, 0.5, 0.5)
    assert settings.replace(found, recurrent_steps=4, level_set=LevelSetConfig()) == plain
    with pytest.raises(UserError, match="band must be positive"):
        settings.replace(plain, band=0)
    with pytest.raises(UserError, match="width, dt: not a setting of this ModelConfig"):
        settings.replace(ModelConfig(num_classes=3, level_set=None), width=2, dt=0.5)


def test_overrides_are_checked_as_what_they_override():
    overrides = settings.overrides_of(ModelConfig, "recurrent_steps", "band")
    assert settings.given(overrides()) == {}
    assert settings.given(overrides(band=4)) == {"band": 4}
    for name, words in (("recurrent_steps", "from 1 to 100"), ("band", "positive")):
        with pytest.raises(UserError, match=f"{name} must be {words}, got 0"):
            overrides(**{name: 0})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "-3", -3),
        (float, "1e-3", 0.001),
        (float, "1", 1.0),
        (int | None, "none", None),
        (str | None, "none", None),
        (str, "none", "none"),
        (bool, "true", True),
        (bool, "False", False),
        (tuple[int, int] | None, "360,480", (360, 480)),
        (tuple[int, int] | None, "none", None),
        (tuple[int, int] | str, "model", "model"),
        (tuple[int, int] | str, "48,64", (48, 64)),
        (tuple[float, ...], "0.5,1,2", (0.5, 1.0, 2.0)),
        (tuple[str, ...], "", ()),
        (tuple[str, ...], "a, b", ("a", "b")),
    ],
)
def test_a_text_stands_for_one_value(kind, text, value):
    found = parse(kind, text)
    assert (found, type(found)) == (value, type(value))
    assert parse(kind, as_text(value)) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((int, text) for text in ("", "none", "2.5", "1,2")),
        *((bool, text) for text in ("", "1", "yes", "none")),
        *((tuple[int, int], text) for text in ("", "48", "1,2,3", "a,b", "none")),
    ],
)
def test_a_text_that_stands_for_none(kind, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse(kind, text)
