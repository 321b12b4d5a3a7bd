import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import Stage, TrainConfig
from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.models import batch_norms_of, build_dmls, load_dmls
from dmls_tf.training.checkpoints import find_checkpoints
from dmls_tf.training.stages import parse_stages, train_stages
from dmls_tf.training.step import is_kernel, make_average_step
from dmls_tf.training.strategy import distribute
from dmls_tf.training.trainer import Training, train
from dmls_tf.training.work_dir import check, claim, clear
from tests.training.runs import DATA, MODEL, PLAIN, SGD, SPLITS, eagerly, rows_of, train_in


def one_step(work_dir, records, config=SGD, model=PLAIN, change=lambda label: label):
    """What a step does: {number: (variable before, after)}, its sums, the training."""
    with eagerly():
        return one_compiled_step(work_dir, records, config, model, change)


def one_compiled_step(work_dir, records, config, model, change=lambda label: label):
    """`one_step` as users run it."""
    strategy = tf.distribute.get_strategy()
    training = Training(records, SPLITS, (model, DATA, config), work_dir, strategy)
    before = [np.array(variable) for variable in training.model.variables]
    image, label = next(distribute(strategy, training._training_batches))
    sums = training._run(training.train_step, (image, change(label)))
    after = [np.array(variable) for variable in training.model.variables]
    return dict(enumerate(zip(before, after, strict=True))), sums, training


@pytest.fixture(scope="module")
def plain_step(synthetic_records, tmp_path_factory):
    """`one_step` of `MODEL` by `SGD`."""
    return one_step(tmp_path_factory.mktemp("plain"), synthetic_records, SGD, MODEL)


def changes(weights):
    return {i: after - before for i, (before, after) in weights.items()}


def numbers_of(variables, training):
    """Where these stand among the variables of the model."""
    wanted = {id(variable) for variable in variables}
    return {i for i, variable in enumerate(training.model.variables) if id(variable) in wanted}


@pytest.fixture(scope="module")
def trained(synthetic_records, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("run")
    config = TrainConfig(epochs=2, optimizer="adam", learning_rate=3e-3, average=0.9)
    train_in(work_dir, synthetic_records, config, MODEL)
    return work_dir, config


@pytest.mark.slow
def test_a_run_leaves_what_it_promises(trained, synthetic_records):
    work_dir, _ = trained
    model = load_dmls(work_dir / "model.keras")
    info = DatasetInfo.load(synthetic_records)
    assert model.config == MODEL
    assert model.metadata["classes"] == list(info.class_names)
    assert [tuple(color) for color in model.metadata["palette"]] == list(info.palette)
    assert model.metadata["image_size"] == [24, 32]
    assert model.metadata["class_weights"] == list(info.class_weights("train"))
    rows = rows_of(work_dir)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    for column in ("loss", "coarse_1_loss", "evolved_2_accuracy", "val_mean_iou"):
        assert float(rows[-1][column]) >= 0


@pytest.mark.slow
def test_the_average_of_the_weights_is_validated_and_saved(trained):
    work_dir, _ = trained
    arrays = np.load(find_checkpoints(work_dir / "checkpoints")[-1])
    history = json.loads(str(arrays["facts"]))["history"]
    best = int(np.argmax([row["val_mean_iou"] for row in history]))
    path = find_checkpoints(work_dir / "checkpoints")[best]
    arrays, saved = np.load(path), load_dmls(work_dir / "model.keras").variables
    averaged = [arrays[f"averaged/{i:05d}"] for i in range(len(saved))]
    for variable, expected in zip(saved, averaged, strict=True):
        np.testing.assert_array_equal(variable, expected)
    assert any(np.any(arrays[f"model/{i:05d}"] != array) for i, array in enumerate(averaged))


@pytest.mark.slow
def test_a_finished_training_is_not_repeated_and_another_one_refused(
    trained, synthetic_records, tmp_path
):
    work_dir, config = trained
    before = (work_dir / "model.keras").stat().st_mtime_ns
    train_in(work_dir, synthetic_records, config, MODEL)
    assert (work_dir / "model.keras").stat().st_mtime_ns == before
    train_in(work_dir, synthetic_records, dataclasses.replace(config, checkpoint_steps=5), MODEL)
    other = dataclasses.replace(config, learning_rate=0.5)
    message = (
        "holds a training with training.learning_rate = 0.003, now 0.5; to start from its weights, "
        f"pass --initial_model={work_dir}/model.keras and another --work_dir; --overwrite deletes"
    )
    with pytest.raises(UserError, match=message):
        train_in(work_dir, synthetic_records, other, MODEL)


def test_clearing_removes_only_what_a_training_wrote(tmp_path):
    for name in ("model.keras", "settings.json", "log.csv", "stage1-coarse/model.keras", "notes"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "checkpoints").mkdir()
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    with pytest.raises(UserError, match="notes: is a file, --work_dir must be a directory"):
        clear(tmp_path / "notes")


def test_a_mistake_claims_no_directory(synthetic_records, tmp_path):
    records = shutil.copytree(synthetic_records, tmp_path / "records")
    shard = next(records.glob("val-*"))
    shard.unlink()
    with pytest.raises(UserError, match=f"{shard}: missing shard"):
        train_in(tmp_path / "run", records, SGD)
    others = synthetic_records, ("train", "test")
    with pytest.raises(UserError, match="no split 'test'"):
        train(*others, (PLAIN, DATA, SGD), tmp_path / "run", tf.distribute.get_strategy())
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="tfrecord: a file is in the way"):
        claim(next(records.glob("train-*")), {})


def test_damaged_settings_are_told(synthetic_records, tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(UserError, match="settings.json: damaged; pass --overwrite"):
        train_in(tmp_path, synthetic_records, SGD)


@pytest.mark.slow
def test_a_loss_that_explodes_is_told_and_the_last_good_state_stays(synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, learning_rate=1e30, checkpoint_steps=1, epochs=2)
    with eagerly(), pytest.raises(UserError) as caught:
        train_in(tmp_path, synthetic_records, config)
    message = str(caught.value)
    assert "step 2: the loss is nan (learning rate 1e+30, records " in message
    names = message.split("records ")[1].split(")")[0].split(", ")
    assert len(set(names)) == DATA.batch_size
    assert all((synthetic_records / "png" / "train" / name).is_file() for name in names), names
    assert f"the last good state is {tmp_path}/checkpoints/step-00000001.npz" in message
    assert not (tmp_path / "model.keras").exists()


def test_the_running_average_equals_numpys(rng):
    fast, slow = (keras.layers.Dense(3) for _ in range(2))
    for layer in (fast, slow):
        layer.build((None, 2))
    expected = np.array(slow.kernel)
    average = make_average_step(fast, slow, 0.5)
    for step in range(12):
        fast.kernel.assign(rng.normal(size=(2, 3)))
        average(tf.constant(step))
        momentum = min(0.5, (1 + step) / (10 + step))
        expected = momentum * expected + (1 - momentum) * np.array(fast.kernel)
    np.testing.assert_allclose(slow.kernel, expected, rtol=1e-5)


FROZEN = dataclasses.replace(SGD, freeze_batch_norm="all", clip_norm=10.0, weight_decay=0.01)


@pytest.fixture(scope="module")
def frozen_step(synthetic_records, tmp_path_factory):
    return one_compiled_step(tmp_path_factory.mktemp("frozen"), synthetic_records, FROZEN, MODEL)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["accumulate", "remat", "jit_compile"])
def test_what_saves_memory_or_time_changes_no_update(
    setting, frozen_step, synthetic_records, tmp_path
):
    plain, sums, _ = frozen_step
    config = dataclasses.replace(FROZEN, **{setting: 2 if setting == "accumulate" else True})
    other, other_sums, _ = one_compiled_step(tmp_path, synthetic_records, config, MODEL)
    for i, (_, after) in plain.items():
        np.testing.assert_allclose(other[i][1], after, atol=1e-5 * max(1, np.abs(after).max()))
    assert any(np.any(change) for change in changes(plain).values())
    np.testing.assert_array_equal(other_sums["confusion"], sums["confusion"])
    assert other_sums["loss"] == pytest.approx(sums["loss"], rel=1e-4)


@pytest.mark.slow
def test_the_gradient_is_clipped_to_its_norm(synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, clip_norm=0.01, learning_rate=1.0)
    weights, _, training = one_step(tmp_path, synthetic_records, config)
    learned = numbers_of(training.model.trainable_variables, training)
    moved = [change.ravel() for i, change in changes(weights).items() if i in learned]
    assert np.linalg.norm(np.concatenate(moved)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
def test_only_kernels_decay(synthetic_records, tmp_path):
    plain, _, training = one_step(tmp_path, synthetic_records)
    config = dataclasses.replace(SGD, weight_decay=1.0)
    decayed, _, _ = one_step(tmp_path, synthetic_records, config)
    kernels = [v for v in training.model.trainable_variables if is_kernel(v)]
    assert 15 < len(kernels) < len(training.model.trainable_variables)
    for i, (before, after) in plain.items():
        decays = i in numbers_of(kernels, training)
        expected = -SGD.learning_rate * before if decays else np.zeros_like(before)
        np.testing.assert_allclose(decayed[i][1] - after, expected, atol=1e-6)


@pytest.mark.slow
def test_new_parameters_learn_at_their_own_rate(plain_step, synthetic_records, tmp_path):
    plain, _, training = plain_step
    config = dataclasses.replace(SGD, new_parameter_rate=10.0)
    faster, _, _ = one_step(tmp_path, synthetic_records, config, MODEL)
    parts = (training.model.likelihood, training.model.dfcn.prior_convolution)
    new = numbers_of([v for part in parts for v in part.trainable_variables], training)
    learned = numbers_of(training.model.trainable_variables, training)
    assert 5 < len(new) < len(learned)
    before, plain, faster = plain, changes(plain), changes(faster)
    for i in learned:
        factor = 10 if i in new else 1
        rounding = 1e-6 * np.abs(before[i][0]).max()
        tolerance = 1e-2 * factor * np.abs(plain[i]).max() + rounding
        np.testing.assert_allclose(faster[i], factor * plain[i], atol=tolerance)


@pytest.mark.slow
def test_frozen_parts_keep_their_weights(synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, train_only="likelihood")
    weights, _, training = one_step(tmp_path, synthetic_records, config, MODEL)
    moved = {i for i, change in changes(weights).items() if np.any(change)}
    assert moved
    assert moved <= numbers_of(training.model.likelihood.variables, training)
    config = dataclasses.replace(SGD, freeze_batch_norm="all")
    weights, _, training = one_step(tmp_path, synthetic_records, config)
    frozen = [v for layer in batch_norms_of(training.model) for v in layer.variables]
    moved = {i for i, change in changes(weights).items() if np.any(change)}
    assert frozen
    assert not moved & numbers_of(frozen, training)
    with pytest.raises(UserError, match="train_only=likelihood needs a level set"):
        one_step(tmp_path, synthetic_records, dataclasses.replace(SGD, train_only="likelihood"))


@pytest.mark.slow
def test_only_ignored_pixels_change_no_weight(synthetic_records, tmp_path):
    weights, sums, training = one_step(
        tmp_path, synthetic_records, model=MODEL, change=lambda label: tf.fill(label.shape, 255)
    )
    assert sums["loss"] == 0
    assert sums["valid"] == 0
    learned = numbers_of(training.model.trainable_variables, training)
    assert not any(np.any(changes(weights)[i]) for i in learned)


@pytest.mark.slow
def test_without_deep_supervision_the_last_step_alone_is_supervised(synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, deep_supervision=False)
    _, sums, _ = one_step(tmp_path, synthetic_records, config, MODEL)
    losses = {name: value for name, value in sums.items() if name.endswith("/loss")}
    assert losses.keys() == {"coarse_2/loss", "likelihood_2/loss", "evolved_2/loss"}
    assert sums["loss"] == pytest.approx(sum(losses.values()))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(precision, plain_step, synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, precision=precision, clip_norm=1.0)
    _, sums, _ = plain_step
    weights, half, training = one_step(tmp_path, synthetic_records, config, MODEL)
    assert training.model.dfcn.stem.compute_dtype == precision.removeprefix("mixed_")
    assert half["loss"] == pytest.approx(sums["loss"], rel=0.1)
    assert all(variable.dtype == "float32" for variable in training.model.trainable_variables)
    assert all(np.isfinite(after).all() for _, after in weights.values())
    assert keras.config.dtype_policy().name == "float32"


def test_settings_that_exclude_one_another_are_told(synthetic_records, tmp_path):
    config = dataclasses.replace(SGD, remat=True)
    model = dataclasses.replace(PLAIN, network="fcn8s")
    with pytest.raises(UserError, match="remat does not go with fcn8s"):
        one_step(tmp_path, synthetic_records, config, model)
    model = dataclasses.replace(PLAIN, network_stride=2)
    with pytest.raises(UserError, match="at least 34 pixels .* for this network, got 24 x 32"):
        train_in(tmp_path / "run", synthetic_records, SGD, model)
    assert not (tmp_path / "run").exists()


def test_stages_are_read_from_words():
    stages = [Stage("coarse", 40), Stage("likelihood", 8), Stage("joint", 4, 0.1)]
    assert parse_stages(["coarse:40", "likelihood:8", "joint:4:0.1"]) == stages
    for word in ("coarse", "coarse:x", "likelihood:3:y"):
        with pytest.raises(UserError, match=f"--stages must be NAME:EPOCHS.*, got {word}"):
            parse_stages([word])
    with pytest.raises(UserError, match="name must be coarse, likelihood or joint, got 'tail'"):
        parse_stages(["tail:3"])


@pytest.mark.slow
def test_each_stage_starts_where_the_one_before_ended(synthetic_records, tmp_path):
    config = TrainConfig(epochs=1, learning_rate=1e-3, schedule="constant")
    stages = [Stage("coarse", 1), Stage("likelihood", 1), Stage("joint", 1, 0.1)]
    strategy = tf.distribute.get_strategy()
    configs = MODEL, DATA, config
    with eagerly():
        path = train_stages(stages, synthetic_records, SPLITS, configs, tmp_path, strategy)
    names = ("stage1-coarse", "stage2-likelihood", "stage3-joint")
    coarse, likelihood, joint = (load_dmls(tmp_path / name / "model.keras") for name in names)
    assert (coarse.level_set, coarse.config.level_set) == (None, None)
    assert likelihood.config == joint.config == MODEL
    for one, two in zip(coarse.dfcn.weights, likelihood.dfcn.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(
        np.any(one != two)
        for one, two in zip(likelihood.dfcn.weights, joint.dfcn.weights, strict=True)
    )
    assert load_dmls(path).config == MODEL
    settings = json.loads((tmp_path / "stage3-joint" / "settings.json").read_text())
    assert settings["training"]["learning_rate"] == pytest.approx(1e-4)
    path.unlink()  # as before the last stage has ended
    with pytest.raises(UserError, match="holds a training in stages, or a model from elsewhere"):
        train_in(tmp_path, synthetic_records, SGD)
    with pytest.raises(UserError, match="stage1-coarse: holds a training without stages; to start"):
        train_stages(stages, synthetic_records, SPLITS, configs, tmp_path / names[0], strategy)
    (tmp_path / names[0] / "notes.txt").write_text("the user's own")
    clear(tmp_path)
    assert check(tmp_path, {}) is None  # what is left is no training


def test_weights_of_another_network_are_refused(synthetic_records, tmp_path):
    build_dmls(dataclasses.replace(PLAIN, width_multiplier=0.25)).save(tmp_path / "other.keras")
    config = dataclasses.replace(SGD, initial_model=str(tmp_path / "other.keras"))
    words = (
        "other.keras: the weights of its part 'dfcn' do not fit; it was made with "
        "width_multiplier 0.25, now"
    )
    with pytest.raises(UserError, match=words):
        one_step(tmp_path, synthetic_records, config)
