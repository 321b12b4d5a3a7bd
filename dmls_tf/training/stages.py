"""Staged training: the coarse network first, then the likelihood on it, then all at a low rate.

Each stage is a training of its own in WORK_DIR/stageI-NAME/, which starts from the best model of
the one before and can be cut off and continued like any other.
"""

import dataclasses

from dmls_tf.config import Stage
from dmls_tf.errors import UserError
from dmls_tf.files import as_path
from dmls_tf.training.strategy import is_chief
from dmls_tf.training.trainer import train
from dmls_tf.training.work_dir import MODEL_FILE, SETTINGS_FILE, publish, ways_on


def parse_stages(words):
    """Stages from words `NAME:EPOCHS` or `NAME:EPOCHS:RATE`, RATE a factor of the learning rate.

    Raises:
        UserError: a word of another form.
    """
    stages = []
    for word in words:
        name, *numbers = word.split(":")
        try:
            epochs, rate = int(numbers[0]), float(numbers[1]) if numbers[1:] else 1.0
        except (ValueError, IndexError):
            raise UserError(f"--stages must be NAME:EPOCHS[:RATE],..., got {word}") from None
        stages.append(Stage(name, epochs, rate))
    return stages


def train_stages(stages, records_dir, splits, configs, work_dir, strategy):
    """Trains in stages.

    Args:
        stages: a list of `Stage`.
        records_dir, splits, configs, work_dir, strategy: see `train`; `epochs` is that of the
            stages.

    Returns:
        The path of `model.keras`, the last stage's.

    Raises:
        UserError: `work_dir` holds a training without stages, or see `train`.
    """
    work_dir, (model, data, training) = as_path(work_dir), configs
    if (work_dir / SETTINGS_FILE).exists():
        raise UserError(f"{work_dir}: holds a training without stages; {ways_on(work_dir)}")
    for i, stage in enumerate(stages, start=1):
        configs = stage_configs(stage, model, data, training)
        directory = work_dir / f"stage{i}-{stage.name}"
        path = train(records_dir, splits, configs, directory, strategy, may_grow=False)
        training = dataclasses.replace(training, initial_model=str(path), backbone_weights="none")
    if is_chief(strategy):
        publish(path, work_dir)
    return work_dir / MODEL_FILE


def stage_configs(stage, model, data, training):
    """The configs of a stage of a training with these configs."""
    if stage.name == "coarse":
        model = dataclasses.replace(model, level_set=None)
    training = dataclasses.replace(
        training,
        epochs=stage.epochs,
        learning_rate=stage.rate * training.learning_rate,
        train_only="likelihood" if stage.name == "likelihood" else "all",
    )
    return model, data, training
