"""Staged training: the coarse network first, then the likelihood on it, then all at a low rate.

Each stage is a training of its own in WORK_DIR/stageI-NAME/, which starts from the best model of
the one before and can be cut off and continued like any other.
"""

import dataclasses
import pathlib

from dmls_tf.config import Stage
from dmls_tf.errors import UserError
from dmls_tf.training.strategy import is_chief
from dmls_tf.training.trainer import train
from dmls_tf.training.work_dir import MODEL_FILE, publish


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


def train_stages(
    stages, records_dir, splits, model_config, data_config, train_config, work_dir, strategy
):
    """Trains in stages.

    Args:
        stages: a list of `Stage`.
        records_dir, splits, model_config, data_config, train_config, work_dir, strategy: see
            `train`; `epochs` is that of the stages.

    Returns:
        The path of `model.keras`, the last stage's.
    """
    work_dir = pathlib.Path(work_dir)
    for i, stage in enumerate(stages, start=1):
        model, training = stage_configs(stage, model_config, train_config)
        path = train(
            records_dir,
            splits,
            model,
            data_config,
            training,
            work_dir / f"stage{i}-{stage.name}",
            strategy,
        )
        train_config = dataclasses.replace(
            train_config, initial_model=str(path), backbone_weights="none"
        )
    if is_chief(strategy):
        publish(path, work_dir)
    return work_dir / MODEL_FILE


def stage_configs(stage, model_config, train_config):
    """(model, training) configs of a stage of a training with these configs."""
    if stage.name == "coarse":
        model_config = dataclasses.replace(model_config, level_set=False)
    train_config = dataclasses.replace(
        train_config,
        epochs=stage.epochs,
        learning_rate=stage.rate * train_config.learning_rate,
        train_only="head" if stage.name == "head" else "all",
    )
    return model_config, train_config
