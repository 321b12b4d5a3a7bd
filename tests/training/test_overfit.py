"""The full model learns a few images by heart: drawn scenes, and real frames."""

import csv
import dataclasses
import shutil

import pytest

from dmls_tf.datasets import DatasetInfo
from tests.helpers import run_here, succeeded

FULL = (
    "--backbone=vgg16",
    "--width_multiplier=0.125",
    "--output_stride=8",
    "--decoder_stride=2",
    "--decoder_channels=64",
    "--recurrent_steps=2",
    "--batch_norm_momentum=0.9",
    "--level_set",
    "--evolution_steps=3",
    "--deep_supervision",
    "--class_weighting=1",
    "--boundary_weight=1",
    "--norandom_flip",
    "--batch_per_replica=8",
    "--optimizer=adam",
    "--learning_rate=8e-3",
    "--schedule=polynomial",
    "--weight_decay=0",
    "--epochs=2",
)


@pytest.fixture
def accuracy_after(tmp_path):
    """Trains on records whose validation split is the training split; the last accuracy of P."""

    def train(records, *flags):
        arguments = (f"--records_dir={records}", f"--work_dir={tmp_path / 'run'}")
        succeeded(run_here("scripts/train.py", *arguments, *FULL, *flags))
        with open(tmp_path / "run" / "log.csv") as file:
            return float(list(csv.DictReader(file))[-1]["val_evolved_2_accuracy"])

    return train


@pytest.mark.slow
def test_eight_drawn_scenes(accuracy_after, tmp_path):
    size = ("--height=48", "--width=64", "--splits=train", "--num_images=8")
    records = tmp_path / "records"
    succeeded(run_here("data_prep/synthetic_to_tfrecord.py", f"--output_dir={records}", *size))
    info = DatasetInfo.load(records)
    dataclasses.replace(info, splits=dict.fromkeys(("train", "val"), info.split("train"))).save(
        records
    )
    # Persons and poles are single pixels at this size.
    assert accuracy_after(records, "--image_size=48,64", "--steps_per_epoch=40") >= 0.92


@pytest.mark.slow
def test_four_camvid_frames(accuracy_after, real_data, tmp_path):
    source = real_data("camvid")
    for folder in ("train", "trainannot"):
        for split in ("train", "val"):
            target = tmp_path / "frames" / folder.replace("train", split)
            target.mkdir(parents=True)
            for path in sorted((source / folder).iterdir())[:80:20]:
                shutil.copy(path, target)
    records = tmp_path / "records"
    arguments = (f"--data_dir={tmp_path / 'frames'}", f"--output_dir={records}")
    succeeded(run_here("data_prep/camvid_to_tfrecord.py", *arguments, "--splits=train,val"))
    few = ("--batch_per_replica=4", "--steps_per_epoch=60")
    assert accuracy_after(records, "--image_size=64,80", *few) >= 0.95
