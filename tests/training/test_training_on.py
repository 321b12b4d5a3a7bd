"""Trainings that begin with weights: of a training with fewer epochs, or of other classes."""

import dataclasses
import json
import shutil

import pytest
import tensorflow as tf

from dmls_tf.config import TrainConfig
from dmls_tf.errors import Stopped, UserError
from dmls_tf.models import load_dmls
from dmls_tf.training.trainer import Training, _settings
from dmls_tf.training.work_dir import claim
from tests.training.runs import DATA, PLAIN, SGD, SPLITS, eagerly, rows_of, train_in


@pytest.mark.parametrize("epochs_before", [1, 3])
def test_more_or_fewer_epochs_train_on_by_the_new_schedule(
    epochs_before, synthetic_records, tmp_path, capsys
):
    """Stopped in its second epoch of three, or finished with one, and meant for two now."""
    config = dataclasses.replace(SGD, schedule="polynomial", epochs=epochs_before)
    train_on = dataclasses.replace(config, epochs=2)
    with eagerly():
        if epochs_before == 3:
            stopped_after_step(5, tmp_path, synthetic_records, config)
        else:
            train_in(tmp_path, synthetic_records, config)
        step = 5 if epochs_before == 3 else 3
        best = (tmp_path / "checkpoints" / "best.keras").read_bytes()
        with pytest.raises(KeyboardInterrupt):
            cut_off_before_the_first_step(tmp_path, synthetic_records, train_on)
        assert not (tmp_path / "model.keras").exists()
        assert (tmp_path / "checkpoints" / "best.keras").read_bytes() == best
        train_in(tmp_path, synthetic_records, train_on)
    rate = 5e-6 + (1e-3 - 5e-6) * (1 - step / 6) ** 0.9
    line = (
        f"{tmp_path}: was a training of {epochs_before} epochs, now 2; from step {step} on the "
        f"schedule is that of 6 steps (learning rate {rate:.3g})"
    )
    assert capsys.readouterr().out.splitlines().count(line) == 1
    rows = rows_of(tmp_path)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert load_dmls(tmp_path / "model.keras").config == PLAIN
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["training"]["epochs"] == 2
    with pytest.raises(UserError, match="has had 2 epochs already, now 1; to start from its weigh"):
        train_in(tmp_path, synthetic_records, dataclasses.replace(config, epochs=1))
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(UserError, match="of 2 epochs, now 4, and no checkpoint to resume from"):
        train_in(tmp_path, synthetic_records, dataclasses.replace(config, epochs=4))


def stopped_after_step(step, work_dir, records, config):
    strategy = tf.distribute.get_strategy()
    training = Training(records, SPLITS, (PLAIN, DATA, config), work_dir, strategy)
    claim(work_dir, _settings(records, SPLITS, PLAIN, DATA, config))
    advance = training._advance

    def one(batch):
        training.stop.signal = 15 if training.state.step == step - 1 else 0
        advance(batch)

    training._advance = one
    with pytest.raises(Stopped):
        training.run()


def cut_off_before_the_first_step(work_dir, records, config):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "run", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        train_in(work_dir, records, config)


def renamed(records, directory):
    """The records with 11 classes, of which 3 have their names still."""
    shutil.copytree(records, directory)
    content = json.loads((directory / "dataset.json").read_text())
    spec = content["spec"]
    kept = spec["class_names"][:3]
    spec["class_names"] = kept + [f"new {i}" for i in range(8)]
    spec["palette"] += [[i, i, i] for i in range(3)]
    spec["raw_to_class"] |= {str(8 + i): 8 + i for i in range(3)}
    for split in content["splits"].values():
        for name in ("class_pixels", "class_images", "class_image_pixels"):
            split[name] += [0, 0, 0]
    (directory / "dataset.json").write_text(json.dumps(content))
    return kept


def test_a_model_of_other_classes_is_a_better_start_than_none(synthetic_records, tmp_path, capsys):
    """After 20 steps, from 8 classes to 11 of which 3 are known and two more occur."""
    kept = renamed(synthetic_records, tmp_path / "records")
    config = TrainConfig(
        epochs=1, steps_per_epoch=60, optimizer="adam", learning_rate=3e-3, weight_decay=0
    )
    short = dataclasses.replace(config, steps_per_epoch=20)
    other = dataclasses.replace(PLAIN, num_classes=11)
    source = train_in(tmp_path / "source", synthetic_records, config)
    fresh = train_in(tmp_path / "fresh", tmp_path / "records", short, other)
    assert "new classes" not in capsys.readouterr().out
    short = dataclasses.replace(short, initial_model=str(source))
    train_in(tmp_path / "transferred", tmp_path / "records", short, other)
    out = capsys.readouterr().out
    assert f"{source}: kept the classes {', '.join(kept)}\n" in out
    assert "new classes: new 0, new 1, new 2, new 3, new 4, new 5, new 6, new 7\n" in out
    assert load_dmls(fresh).metadata["classes"] == [*kept, *(f"new {i}" for i in range(8))]
    scores = [rows_of(tmp_path / name)[-1] for name in ("fresh", "transferred")]
    fresh, transferred = (float(row["val_mean_iou"]) for row in scores)
    print(fresh, transferred)
    assert transferred > fresh + 0.03
