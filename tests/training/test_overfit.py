"""The full model learns eight real frames by heart."""

import csv
import shutil

import pytest

from tests.helpers import succeeded

FULL = (
    "--backbone=mobilenetv2",
    "--width=0.5",
    "--output_stride=8",
    "--score_stride=2",
    "--decoder_channels=64",
    "--batch_norm_momentum=0.9",
    "--num_steps=4",
    "--level_set",
    "--deep_supervision",
    "--class_weighting=1",
    "--boundary_weight=1",
    "--image_size=72,96",
    "--noflip",
    "--batch_per_replica=8",
    "--optimizer=adam",
    "--learning_rate=5e-3",
    "--schedule=polynomial",
    "--weight_decay=0",
    "--steps_per_epoch=75",
    "--epochs=2",
)


@pytest.mark.slow
def test_eight_camvid_frames(run_command, real_data, tmp_path):
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
    arguments = (f"--records_dir={records}", f"--work_dir={tmp_path / 'run'}")
    succeeded(run_command("scripts/train.py", *arguments, *FULL))
    with open(tmp_path / "run" / "log.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["val_evolved_4_accuracy"]) >= 0.95
