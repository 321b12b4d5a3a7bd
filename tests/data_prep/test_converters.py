"""The converters as commands, on real frames where they are and on small directories."""

import json

import numpy as np
import pytest
from PIL import Image

from dmls_tf.data.pipeline import read_split
from dmls_tf.datasets import DatasetInfo
from tests.helpers import failed

CAMVID = "data_prep/camvid_to_tfrecord.py"
ADE20K = "data_prep/ade20k_to_tfrecord.py"


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


@pytest.fixture
def camvid(tmp_path, rng):
    """A CamVid directory with two images in its training split."""
    root = tmp_path / "CamVid"
    for stem in "ab":
        save(root / "train" / f"{stem}.png", rng.integers(0, 256, (6, 8, 3)))
        save(root / "trainannot" / f"{stem}.png", rng.integers(0, 12, (6, 8)))
    return root


def test_camvid_converts(camvid, tmp_path, run_command):
    out = tmp_path / "out"
    done = run_command(CAMVID, f"--data_dir={camvid}", f"--output_dir={out}", "--splits=train")
    assert done.returncode == 0, done.stderr
    assert "train: 2 images in 1 shards (the official split has 367)" in done.stdout
    content = json.loads((out / "dataset.json").read_text())
    assert content["class_names"][2] == "pole"
    assert len(content["palette"]) == 11
    assert sum(content["splits"]["train"]["class_pixels"]) > 0


def test_missing_directory(tmp_path, run_command):
    out = tmp_path / "out"
    done = run_command(CAMVID, f"--data_dir={tmp_path / 'gone'}", f"--output_dir={out}")
    failed(done, "gone/train: no such directory")
    assert not out.exists()


@pytest.mark.parametrize("fault", ["no label", "other size", "out of range"])
def test_faults_leave_nothing(fault, camvid, tmp_path, run_command):
    label = camvid / "trainannot" / "b.png"
    if fault == "no label":
        label.unlink()
    elif fault == "other size":
        save(label, np.zeros((7, 8)))
    else:
        save(label, np.full((6, 8), 12))
    out = tmp_path / "out"
    done = run_command(CAMVID, f"--data_dir={camvid}", f"--output_dir={out}", "--splits=train")
    failed(done, "b.png", {"other size": "8x7"}.get(fault, fault.split()[-1]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CamVid"]


def test_wrong_usage(tmp_path, run_command):
    failed(run_command(CAMVID, f"--output_dir={tmp_path}"), "--data_dir", code=2)
    failed(run_command(CAMVID, "--outputdir=x"), "outputdir", code=2)
    failed(
        run_command(CAMVID, "--data_dir=x", "--output_dir=y", "z"),
        "unexpected argument 'z'",
        code=2,
    )


def test_the_full_ade20k_release_is_recognised(tmp_path, run_command):
    coded = tmp_path / "ADE20K" / "images" / "training" / "a" / "ADE_train_00000001_seg.png"
    save(coded, np.zeros((4, 4, 3)))
    done = run_command(
        ADE20K, f"--data_dir={tmp_path / 'ADE20K'}", f"--output_dir={tmp_path / 'o'}"
    )
    failed(done, "full ADE20K release", "ADEChallengeData2016")


def test_real_ade20k_frames(tmp_path, run_command, real_data):
    root = real_data("ade20k_sample") / "ADEChallengeData2016"
    out = tmp_path / "out"
    done = run_command(ADE20K, f"--data_dir={root}", f"--output_dir={out}", "--splits=validation")
    assert done.returncode == 0, done.stderr
    info = DatasetInfo.load(out)
    assert info.num_classes == 150
    assert info.class_names[1] == "building, edifice"
    histogram = np.zeros(151, int)
    for path in (root / "annotations" / "validation").iterdir():
        histogram += np.bincount(np.asarray(Image.open(path)).ravel(), minlength=151)
    split = info.splits["validation"]
    assert list(split.class_pixels) == histogram[1:].tolist()
    assert split.ignored_pixels == histogram[0]


def test_real_camvid_frames(tmp_path, run_command, real_data):
    root = real_data("camvid")
    out = tmp_path / "out"
    done = run_command(CAMVID, f"--data_dir={root}", f"--output_dir={out}", "--splits=val")
    assert done.returncode == 0, done.stderr
    paths = sorted((root / "valannot").iterdir())
    examples = {e["filename"].numpy().decode(): e for e in read_split(out, "val")}
    assert len(examples) == len(paths) == 101
    for path in paths[::20]:
        raw = np.asarray(Image.open(path))
        example = examples[next((root / "val").glob(f"{path.stem}.*")).name]
        np.testing.assert_array_equal(example["label"], np.where(raw == 11, 255, raw))
        assert example["image"].shape[:2] == raw.shape
