"""What is seen of a running training: a progress line, a table of epochs, scalars and pictures.

Each report has `on_step(state, rate)` after an update and `on_epoch(history, model)` after a
validation.
"""

import csv
import pathlib
import resource
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dmls_tf.files import is_local, replacing, upload_tree
from dmls_tf.images.drawing import colorize, contours
from dmls_tf.metrics import scores_of


def scores_from(sums):
    """Losses and shares of right pixels, from the sums of some steps (see `training.step`).

    Returns:
        A dict of floats: `loss`, `OUTPUT_loss`, `OUTPUT_accuracy`, `mean_iou` of the last output.
    """
    scores = {}
    for name, value in sums.items():
        if name.endswith("loss"):
            scores[name.replace("/", "_")] = float(value / sums["steps"])
        elif name.endswith("/correct"):
            output = name.removesuffix("/correct")
            scores[f"{output}_accuracy"] = float(value / max(sums["valid"], 1))
    return scores | {"mean_iou": scores_of(sums["confusion"]).mean_iou}


class ProgressLine:
    """A bar an epoch: steps, loss, accuracy and mean IoU, and the time that all epochs will take.

    Args:
        steps_per_epoch: number of bars' steps.
        epochs: number of bars.
        output: the output whose accuracy is shown.
    """

    def __init__(self, steps_per_epoch, epochs, output):
        self.steps_per_epoch, self.epochs, self.output = steps_per_epoch, epochs, output
        self.bar = None

    def on_step(self, state, rate):
        epoch, done = divmod(state.step - 1, self.steps_per_epoch)
        if self.bar is None:
            title = f"epoch {epoch + 1}/{self.epochs}"
            self.bar = tqdm(
                total=self.steps_per_epoch,
                initial=done,
                desc=title,
                unit="step",
                dynamic_ncols=True,
            )
            self.first, self.started = state.step - 1, time.monotonic()
        scores = scores_from(state.sums)
        seconds = (time.monotonic() - self.started) / (state.step - self.first)
        left = int(seconds * (self.epochs * self.steps_per_epoch - state.step))
        self.shown = {
            "loss": f"{scores['loss']:.3f}",
            "acc": f"{scores[f'{self.output}_accuracy']:.3f}",
            "mIoU": f"{scores['mean_iou']:.3f}",
            "rate": f"{rate:.1e}",
            "all": f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}",
        }
        self.bar.set_postfix(self.shown, refresh=False)
        self.bar.update()

    def on_epoch(self, history, model):
        if self.bar is None:  # the training was cut off before its last validation
            return
        shown = {"acc": f"val_{self.output}_accuracy", "loss": "val_loss", "mIoU": "val_mean_iou"}
        values = {f"val {name}": f"{history[-1][key]:.3f}" for name, key in shown.items()}
        self.bar.set_postfix(self.shown | values)
        self.close()

    def close(self):
        """Ends the line."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None


class EpochTable:
    """`log.csv`: a row an epoch, of the whole training, however often it was cut off."""

    def __init__(self, path):
        self.path = path

    def on_step(self, state, rate):
        pass

    def on_epoch(self, history, model):
        with replacing(self.path) as path, open(path, "w", newline="") as file:
            table = csv.DictWriter(file, list(history[-1]))
            table.writeheader()
            table.writerows(history)

    def close(self):
        pass


class TensorBoardLog:
    """Scalars every few steps and each epoch, and pictures of some validation images.

    Args:
        log_dir: a path of `files.as_path`; to an object store goes a new file each epoch.
        examples: (images float32 `[B, H, W, 3]`, 0..255, labels int32 `[B, H, W]`).
        palette: an RGB colour a class.
        batch_size: images a step.
        every: steps between the scalars.
    """

    def __init__(self, log_dir, examples, palette, batch_size, every=20):
        self.log_dir = log_dir
        self._open()
        self.images, self.labels = examples
        self.palette, self.batch_size, self.every = palette, batch_size, every
        self.seen = None  # (step, sums, time) of the scalars before

    def on_step(self, state, rate):
        if state.step % self.every:
            return
        now = time.monotonic()
        scalars = scores_from(state.sums) | {"learning_rate": rate, "memory_MiB": peak_memory()}
        if self.seen:
            step, before = self.seen
            images = (state.step - step) * self.batch_size
            scalars["images_per_second"] = images / (now - before)
        self.seen = state.step, now
        self._write("step", scalars, state.step)

    def on_epoch(self, history, model):
        row = history[-1]
        self._write("epoch", row, row["step"])
        title = "image, truth, coarse and evolved prediction of each step, last contours"
        with self.writer.as_default():
            tf.summary.image(title, self._pictures(model), step=row["step"])
        self.seen = None  # validation is not throughput
        if self.scratch:
            self.close()
            self._open()

    def _open(self):
        self.scratch = None if is_local(self.log_dir) else tempfile.TemporaryDirectory()
        directory = self.scratch.name if self.scratch else self.log_dir
        self.writer = tf.summary.create_file_writer(str(directory))

    def _write(self, group, scalars, step):
        with self.writer.as_default():
            for name, value in scalars.items():
                tf.summary.scalar(f"{group}/{name}", value, step=step)

    def _pictures(self, model):
        outputs = model(self.images, training=False)
        images = np.asarray(self.images, np.uint8)
        columns = [images, colorize(self.labels, self.palette)]
        for output in model.step_outputs:
            if output.kind != "likelihood":
                label = np.argmax(outputs[output.name], axis=-1)
                columns.append(colorize(label, self.palette))
        columns.append(np.stack([contours(*pair) for pair in zip(images, label, strict=True)]))
        return np.concatenate(columns, axis=2)

    def close(self):
        self.writer.close()
        if self.scratch:
            with self.scratch:
                upload_tree(pathlib.Path(self.scratch.name), self.log_dir)


def peak_memory():
    """MiB: the most that the first GPU has held, or this process where there is none."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
