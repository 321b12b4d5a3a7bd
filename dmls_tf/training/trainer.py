"""From records to a trained, self-describing `model.keras`, through kills and restarts.

Keras' `fit` is not used: it fails under MultiWorkerMirroredStrategy, can start only where an
epoch starts, and divides each replica's loss by its own pixels. One loop does for one device, for
several and for several machines; see docs/adr/0003-training-loop.md.
"""

import contextlib
import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from dmls_tf.datasets import INFO_FILE, DatasetInfo
from dmls_tf.errors import Stopped, UserError
from dmls_tf.files import as_path, replacing, sha256_of
from dmls_tf.input_pipeline.batches import (
    evaluation_batches,
    steps_per_pass,
    training_batches,
    training_names,
)
from dmls_tf.records.reading import faults_named, shard_paths
from dmls_tf.training.checkpoints import TrainingState, find_checkpoints
from dmls_tf.training.interruption import StopRequest
from dmls_tf.training.objective import make_objective
from dmls_tf.training.optimizers import make_optimizer
from dmls_tf.training.preparation import copy_of, describe, initial_model, restrict
from dmls_tf.training.reports import EpochTable, ProgressLine, TensorBoardLog, scores_from
from dmls_tf.training.step import make_average_step, make_train_step, make_validation_step
from dmls_tf.training.strategy import barrier, distribute, is_chief, lost_worker_told
from dmls_tf.training.work_dir import (
    BEST_FILE,
    CHECKPOINTS,
    LOG_FILE,
    MODEL_FILE,
    TENSORBOARD,
    check,
    claim,
    publish,
    reopen,
    ways_on,
)

NUM_PICTURES = 4


def train(records_dir, splits, configs, work_dir, strategy, may_grow=True):
    """Trains a network and saves it; goes on from the last checkpoint, if there is one.

    Args:
        records_dir: a directory with `dataset.json`.
        splits: (training split, validation split).
        configs: (`ModelConfig`, `DataConfig`, `TrainConfig`).
        work_dir: empty, or of the same training, cut off or finished, or meant for another number
            of epochs: then it goes on to the new number.
        strategy: a `tf.distribute.Strategy`; see `dmls_tf.training.strategy`.
        may_grow: whether the number of epochs may have changed.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: records, weights or settings that do not fit together, a loss that is not
            finite, a full disk, a lost worker.
        Stopped: a signal came; the state is saved.
    """
    work_dir = as_path(work_dir)
    model_config, data_config, _ = configs
    model_config.check_size(data_config.crop_size or data_config.image_size or ())
    settings = _settings(records_dir, splits, *configs)
    epochs_before = check(work_dir, settings)
    if epochs_before and not may_grow:
        raise UserError(
            f"{work_dir}: the stages of a training keep their numbers of epochs, here "
            f"{epochs_before}; {ways_on(work_dir)}"
        )
    if epochs_before or not (work_dir / MODEL_FILE).exists():
        for split in splits:
            shard_paths(records_dir, split)  # are there, before the directory is claimed
        with _faults_explained(work_dir, strategy), faults_named(records_dir, *splits):
            training = Training(records_dir, splits, configs, work_dir, strategy)
            if training.state.step > training.total_steps:
                raise UserError(
                    f"{work_dir}: has had {training.state.step} steps already, more than "
                    f"{training.total_steps}; {ways_on(work_dir)}"
                )
            if is_chief(strategy):
                if epochs_before:
                    print(training.continuation(epochs_before))
                    reopen(work_dir)
                claim(work_dir, settings)
            training.run()
            barrier(strategy)  # the next stage of every worker reads what the first one wrote
    return work_dir / MODEL_FILE


class Training:
    """A network, its optimiser and where its training stands. See `train`."""

    def __init__(self, records_dir, splits, configs, work_dir, strategy):
        self.records_dir, self.splits = records_dir, splits
        self.model_config, self.data_config, self.config = configs
        self.work_dir, self.strategy = work_dir, strategy
        self.info = DatasetInfo.load(records_dir)
        self.steps_per_epoch = self.config.steps_per_epoch or steps_per_pass(
            records_dir, splits[0], self.data_config
        )
        self.total_steps = self.config.epochs * self.steps_per_epoch
        keras.utils.set_random_seed(self.config.seed)
        with strategy.scope():
            self._build()
            self.state.restore(work_dir / CHECKPOINTS)
        self.stop = StopRequest()

    def _build(self):
        config, strategy, split = self.config, self.strategy, self.splits[0]
        metadata = describe(self.info, self.data_config, split)
        self.model = initial_model(self.model_config, metadata, config)
        restrict(self.model, config, strategy.num_replicas_in_sync)
        optimizer = make_optimizer(self.model, config, self.total_steps)
        parts = {"model": self.model, "optimizer": optimizer}
        self.validated, self.average_step = self.model, None
        if config.average:
            self.validated = parts["averaged"] = copy_of(self.model, config)
            self.average_step = make_average_step(self.model, self.validated, config.average)
        weights = None
        if config.class_weighting:
            weights = self.info.class_weights(split, config.class_weighting)
        objective = make_objective(self.model, config, weights)
        self.train_step = make_train_step(self.model, optimizer, objective, config, strategy)
        self.validation_step = make_validation_step(self.validated, objective, strategy)
        self.optimizer = optimizer
        self.state = TrainingState(parts)

    def run(self):
        """Trains to the end, and writes `model.keras`."""
        state = self.state
        with self.stop, contextlib.ExitStack() as closing:
            self.reports = self._make_reports() if is_chief(self.strategy) else []
            for report in self.reports:
                closing.callback(report.close)
            batches = distribute(self.strategy, self._training_batches)
            while state.step < self.total_steps or self._epoch_is_open():
                if self._epoch_is_open():
                    self._finish_epoch()
                else:
                    self._advance(next(batches))
                    if self._epoch_is_open() or state.step % self.config.checkpoint_steps == 0:
                        self._save()
        if is_chief(self.strategy):
            publish(self.work_dir / CHECKPOINTS / BEST_FILE, self.work_dir)

    def continuation(self, epochs_before):
        """One line on a training that was meant for another number of epochs."""
        return (
            f"{self.work_dir}: was a training of {epochs_before} epochs, now {self.config.epochs}; "
            f"from step {self.state.step} on the schedule is that of {self.total_steps} steps "
            f"(learning rate {self.learning_rate():.3g})"
        )

    def _epoch_is_open(self):
        """Whether an epoch's steps are done, but not its validation."""
        epochs, rest = divmod(self.state.step, self.steps_per_epoch)
        return rest == 0 and epochs > len(self.state.history)

    def _advance(self, batch):
        rate = self.learning_rate()
        sums = self._run(self.train_step, batch)
        if not math.isfinite(sums["loss"] + sums.get("gradient", 0.0)):
            barrier(self.strategy)  # all workers stop here
            raise UserError(self._explosion(sums["loss"], rate))
        if self.average_step:
            self.average_step(tf.constant(self.state.step))
        self.state.step += 1
        self.state.sums = _totals(self.state.sums, sums)
        for report in self.reports:
            report.on_step(self.state, rate)
        if sums["stop"]:
            self._save()
            self._stop()

    def _finish_epoch(self):
        """Validates, keeps the best model, and closes the epoch."""
        state, totals = self.state, {}
        for batch in distribute(self.strategy, self._validation_batches):
            sums = self._run(self.validation_step, batch)
            if sums["stop"]:  # the state from before the validation is saved
                self._stop()
            totals = _totals(totals, sums)
        row = {"epoch": len(state.history) + 1, "step": state.step}
        row |= {"learning_rate": self.learning_rate()} | scores_from(state.sums)
        row |= {f"val_{name}": value for name, value in scores_from(totals).items()}
        best = max((earlier["val_mean_iou"] for earlier in state.history), default=-1)
        state.history, state.sums = [*state.history, row], {}
        if is_chief(self.strategy):
            path = self.work_dir / CHECKPOINTS / BEST_FILE
            if row["val_mean_iou"] > best or not path.exists():
                with replacing(path) as temporary:
                    self.validated.save(temporary)
            for report in self.reports:
                report.on_epoch(state.history, self.validated)
        self._save()

    def _run(self, step, batch):
        """The sums of a step, NumPy values; tells the other workers of a signal that came."""
        stop = tf.constant(int(self.stop.signal > 0))
        return {name: value.numpy() for name, value in step(*batch, stop).items()}

    def learning_rate(self):
        """Of the next update."""
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return float(inner._learning_rate(self.state.step))

    def _save(self):
        if is_chief(self.strategy):
            self.state.save(self.work_dir / CHECKPOINTS)

    def _stop(self):
        barrier(self.strategy)  # until the first worker has saved
        raise Stopped(
            f"the state after step {self.state.step} of {self.total_steps} is saved; the same "
            "command goes on from there",
            self.stop.signal or 15,  # another worker's
        )

    def _explosion(self, loss, rate):
        names = training_names(
            self.records_dir, self.splits[0], self.data_config, self.config.seed, self.state.step
        )
        good = find_checkpoints(self.work_dir / CHECKPOINTS)
        gradient = ", its gradient is not finite" if math.isfinite(loss) else ""
        return (
            f"step {self.state.step + 1}: the loss is {loss}{gradient} (learning rate {rate:g}, "
            f"records {', '.join(names)}); lower --learning_rate or set --clip_norm; "
            f"{ways_on(self.work_dir)}; the last good state is "
            f"{good[-1] if good else 'the initial one'}"
        )

    def _training_batches(self, share):
        return training_batches(
            self.records_dir,
            self.splits[0],
            self.data_config,
            self.config.seed,
            self.state.step,
            share,
        )

    def _validation_batches(self, share):
        return evaluation_batches(
            self.records_dir, self.splits[1], self._validation_config(), share
        )

    def _validation_config(self):
        size = self.data_config.batch_size // self.config.accumulate
        return dataclasses.replace(self.data_config, batch_size=size, pad_last_batch=True)

    def _make_reports(self):
        config = dataclasses.replace(self._validation_config(), batch_size=NUM_PICTURES)
        images, labels = next(iter(evaluation_batches(self.records_dir, self.splits[1], config)))
        return [
            ProgressLine(self.steps_per_epoch, self.config.epochs, self.model.final_output),
            EpochTable(self.work_dir / LOG_FILE),
            TensorBoardLog(
                self.work_dir / TENSORBOARD,
                (images.numpy(), labels.numpy()),
                self.info.palette,
                self.data_config.batch_size,
            ),
        ]


def _totals(totals, sums):
    """Running sums of steps."""
    passing = ("stop", "gradient")
    sums = {
        name: np.asarray(value, np.float64) for name, value in sums.items() if name not in passing
    }
    sums["confusion"] = sums["confusion"].astype(np.int64)
    sums["steps"] = 1
    return {name: totals.get(name, 0) + value for name, value in sums.items()}


def _settings(records_dir, splits, model_config, data_config, train_config):
    """All that decides the result, as JSON."""
    return {
        "data set": sha256_of(as_path(records_dir) / INFO_FILE),
        "splits": list(splits),
        "model": dataclasses.asdict(model_config),
        "data": dataclasses.asdict(data_config),
        "training": dataclasses.asdict(train_config),
    }


@contextlib.contextmanager
def _faults_explained(work_dir, strategy):
    """Turns a full disk or a lost worker into one clear line."""

    def continuation():
        good = find_checkpoints(work_dir / CHECKPOINTS)
        return f"goes on from {good[-1]}" if good else "starts again: there is no checkpoint yet"

    try:
        with lost_worker_told(strategy, continuation):
            yield
    except OSError as error:
        reason = f"{error.filename or work_dir}: {error.strerror or error}"
        raise UserError(f"{reason}; the same command {continuation()}") from error
