"""What is seen of a running training: a progress bar, scalars and pictures."""

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from dmls_tf.drawing import colorize


class ProgressBar(keras.callbacks.Callback):
    """One line an epoch: steps, loss, accuracy and mean IoU, then those of the validation.

    Args:
        output: name of the output whose metrics are shown.
    """

    def __init__(self, output):
        super().__init__()
        self.output = output
        self.bar = None

    def close(self):
        """Ends the line of the bar, where training has ended in an error."""
        if self.bar:
            self.bar.close()

    def on_epoch_begin(self, epoch, logs=None):
        title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.bar = tqdm(total=self.params["steps"], desc=title, unit="step", dynamic_ncols=True)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.set_postfix(self._shown(logs), refresh=False)
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix(self._shown(logs))
        self.bar.close()

    def _shown(self, logs):
        names = {
            "loss": "loss",
            f"{self.output}_accuracy": "acc",
            f"{self.output}_mean_iou": "mIoU",
        }
        shown = {short: logs[name] for name, short in names.items() if name in logs}
        for name, short in names.items():
            if f"val_{name}" in logs:
                shown[f"val {short}"] = logs[f"val_{name}"]
        return {name: f"{float(value):.3f}" for name, value in shown.items()}


class TensorBoardImages(keras.callbacks.Callback):
    """Writes image, truth and predictions of a few validation images after each epoch.

    Args:
        log_dir: of TensorBoard.
        images: float32 `[B, H, W, 3]`, 0..255.
        labels: int32 `[B, H, W]`.
        palette: an RGB colour a class.
    """

    def __init__(self, log_dir, images, labels, palette):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(log_dir))
        self.images, self.labels, self.palette = images, labels, palette

    def on_epoch_end(self, epoch, logs=None):
        outputs = self.model(self.images, training=False)
        rows = [np.asarray(self.images, np.uint8), colorize(self.labels, self.palette)]
        for k in range(1, self.model.config.num_steps + 1):
            kinds = [kind for kind in ("coarse", "evolved") if f"{kind}_{k}" in outputs]
            labels = [np.argmax(outputs[f"{kind}_{k}"], axis=-1) for kind in kinds]
            rows += [colorize(label, self.palette) for label in labels]
        with self.writer.as_default():
            title = "image, truth, then coarse and evolved prediction of each step"
            tf.summary.image(title, np.concatenate(rows, axis=2), step=epoch)

    def on_train_end(self, logs=None):
        self.writer.close()
