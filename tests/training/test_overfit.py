"""The full model learns eight images by heart: drawn scenes, and real frames."""

import csv
import dataclasses
import shutil

import pytest

from dmls_tf.datasets import DatasetInfo
from tests.helpers import succeeded

FULL = (
    "--backbone=mobilenetv2",
    "--width_multiplier=0.5",
    "--output_stride=8",
    "--decoder_stride=2",
    "--decoder_channels=64",
    "--batch_norm_momentum=0.9",
    "--level_set",
    "--deep_supervision",
    "--class_weighting=1",
    "--boundary_weight=1",
    "--norandom_flip",
    "--batch_per_replica=8",
    "--optimizer=adam",
    "--learning_rate=5e-3",
    "--schedule=polynomial",
    "--weight_decay=0",
    "--steps_per_epoch=75",
    "--epochs=2",
)


@pytest.fixture
def accuracy_after(run_command, tmp_path):
    """Trains on records whose validation split is the training split; the last accuracy of P."""

    def train(records, *flags):
        arguments = (f"--records_dir={records}", f"--work_dir={tmp_path / 'run'}")
        succeeded(run_command("scripts/train.py", *arguments, *FULL, *flags))
        with open(tmp_path / "run" / "log.csv") as file:
            last = list(csv.DictReader(file))[-1]
        names = [f"val_evolved_{k}_accuracy" for k in range(1, 5)]
        return float([last[name] for name in names if name in last][-1])

    return train


@pytest.mark.slow
def test_eight_drawn_scenes(accuracy_after, run_command, tmp_path):
    size = ("--height=48", "--width=64", "--splits=train", "--num_images=8")
    records = tmp_path / "records"
    succeeded(run_command("data_prep/synthetic_to_tfrecord.py", f"--output_dir={records}", *size))
    info = DatasetInfo.load(records)
    dataclasses.replace(info, splits=dict.fromkeys(("train", "val"), info.split("train"))).save(
        records
    )
    # Persons and poles are single pixels at this size.
    assert accuracy_after(records, "--recurrent_steps=2", "--image_size=48,64") >= 0.92


@pytest.mark.slow
def test_eight_camvid_frames(accuracy_after, run_command, real_data, tmp_path):
    source = real_data("camvid")
    for folder in ("train", "trainannot"):
        for split in ("train", "val"):
            target = tmp_path / "frames" / folder.replace("train", split)
            target.mkdir(parents=True)
            for path in sorted((source / folder).iterdir())[:80:10]:
                shutil.copy(path, target)
    records = tmp_path / "records"
    arguments = (f"--data_dir={tmp_path / 'frames'}", f"--output_dir={records}")
    succeeded(run_command("data_prep/camvid_to_tfrecord.py", *arguments, "--splits=train,val"))
    assert accuracy_after(records, "--recurrent_steps=4", "--image_size=72,96") >= 0.95
