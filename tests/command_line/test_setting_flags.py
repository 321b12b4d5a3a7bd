"""Flags derived from settings: written once, the same both ways."""

import dataclasses
import re
import runpy

import pytest
from absl import flags
from absl.testing import flagsaver

from dmls_tf import command_line, settings
from dmls_tf.command_line import setting_flags
from dmls_tf.config import (
    DataConfig,
    LevelSetConfig,
    ModelConfig,
    TrainConfig,
)
from tests.helpers import COMMANDS, ROOT, failed, run_here, succeeded


def flags_of(kind):
    """The names of the flags of a `Settings` class, by its fields."""
    for field, whole in settings.typed_fields(kind):
        if field.metadata["flag"]:
            yield field.name
            nested = settings.nested_in(whole)
            yield from flags_of(nested) if nested else ()


def classes_of(command):
    """The `Settings` classes of a command."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            command_line, "run", lambda main, own, also=(), **_: found.extend([own, *also])
        )
        patch.syspath_prepend(ROOT / "scripts")
        runpy.run_path(str(ROOT / command), run_name="__main__")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_a_command_are_the_fields_of_its_settings(command):
    classes = classes_of(command)
    listed = re.findall(r"^  --(?:\[no\])?(\w+):", succeeded(run_here(command, "--help")), re.M)
    expected = sorted(name for kind in classes for name in flags_of(kind))
    assert listed == expected
    for kind in classes:
        for field, whole in settings.typed_fields(kind):
            assert re.match(r".*\S\.$", field.metadata["help"]), field.name
            if field.default not in (None, dataclasses.MISSING):
                settings.check(field, whole, field.default)


def test_no_flag_is_typed_by_hand():
    for folder in ("dmls_tf", "scripts", "data_prep", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "command_line" not in path.parts:
                assert not re.search(r"\bDEFINE|add_argument\(", path.read_text()), path


# Every flag of a training at another value than its default.
MODEL = ModelConfig(
    num_classes=3,
    network="fcn8s",
    backbone="vgg16",
    output_stride=8,
    width_multiplier=1 / 3,
    decoder_stride=2,
    decoder_channels=64,
    recurrent_steps=2,
    prior_gradient=True,
    level_set=LevelSetConfig(
        initial_phi="margin",
        band=4,
        evolution_steps=1,
        dt=1,
        epsilon=1e-5,
        rho=-0.5,
        force_scale=4.0,
        temperature=0.2,
        straight_through=0.0625,
        max_phases=None,
    ),
    network_stride=2,
    level_set_stride=1,
    prior_evolution_steps=0,
    likelihood="scores+adaptive",
    coarse_adjustment=-0.5,
    likelihood_adjustment=0.25,
    batch_norm_momentum=0.9,
)
WITHOUT = ModelConfig(num_classes=3, prior_entry="decoder", level_set=None)
DATA = DataConfig(
    image_size=(360, 480),
    crop_size=(256, 320),
    scale_range=(0.5, 2.0),
    random_flip=False,
    jitter=0.1,
    pad_last_batch=True,
    shuffle_buffer=7,
    cache=True,
)
TRAIN = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    optimizer="adam",
    learning_rate=1e-5,
    schedule="polynomial",
    warmup_steps=100,
    new_parameter_rate=10,
    weight_decay=0,
    clip_norm=1.5,
    accumulate=2,
    average=0.999,
    class_weighting=0.5,
    boundary_weight=0,
    coarse_weight=0.5,
    evolved_weight=0.0,
    likelihood_weight=2.0,
    likelihood_band=None,
    deep_supervision=False,
    train_only="likelihood",
    freeze_batch_norm="encoder",
    backbone_weights="a file with spaces.h5",
    initial_model="runs/a/model.keras",
    precision="mixed_bfloat16",
    jit_compile=True,
    remat=True,
    checkpoint_steps=5,
    seed=2**32 - 1,
)


def changed_of_train():
    (own,) = [kind for kind in classes_of("scripts/train.py") if kind.__name__ == "Options"]
    return own(
        records_dir="records/a set",
        work_dir="runs/1",
        train_split="train+val",
        val_split="test",
        overwrite=True,
        batch_per_replica=2,
        strategy="one_device",
        stages=("coarse:2", "joint:3:0.5"),
    )


def test_every_flag_of_a_training_is_changed_there():
    changed = {
        field.name
        for one in (changed_of_train(), MODEL, MODEL.level_set, WITHOUT, DATA, TRAIN)
        for field in dataclasses.fields(one)
        if getattr(one, field.name) != field.default
    }
    kinds = classes_of("scripts/train.py")
    assert changed >= {name for kind in kinds for name in flags_of(kind)}


@pytest.mark.parametrize("model", [ModelConfig(num_classes=3), MODEL, WITHOUT])
@pytest.mark.parametrize("others", [(DataConfig(), TrainConfig()), (DATA, TRAIN)])
@flagsaver.flagsaver()
def test_settings_come_back_from_their_flags(model, others, tmp_path):
    given = (changed_of_train(), model, *others)
    (tmp_path / "some.flags").write_text("\n".join(command_line.flag_lines(*given)))
    for one in given:
        setting_flags.define(type(one))
    flags.FLAGS(["train", f"--flagfile={tmp_path / 'some.flags'}"])
    computed = {ModelConfig: {"num_classes": 3}}
    for one in given:
        assert command_line.make(type(one), **computed.get(type(one), {})) == one


@pytest.mark.parametrize("old", sorted(setting_flags.RENAMED))
def test_an_old_flag_answers_with_the_new_one(old, tmp_path):
    words = f"--{old} is "
    failed(run_here("scripts/train.py", f"--{old}=1"), words, code=2)
    (tmp_path / "old.flags").write_text(f"--epochs=1\n--{old}=1\n")
    failed(run_here("scripts/train.py", f"--flagfile={tmp_path / 'old.flags'}"), words, code=2)
    known = {
        name for command in COMMANDS for kind in classes_of(command) for name in flags_of(kind)
    }
    assert set(re.findall(r"--(\w+)", setting_flags.RENAMED[old])) <= known


def test_an_old_flag_may_be_negated():
    failed(run_here("scripts/train.py", "--noflip"), "--noflip is now --random_flip in", code=2)
