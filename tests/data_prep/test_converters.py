"""The converters as commands, on real frames where they are and on small directories."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dmls_tf.datasets import DatasetInfo
from dmls_tf.records.reading import read_split
from tests.conftest import ROOT
from tests.forks import start_fork
from tests.helpers import failed, run_here, succeeded
from tests.records.files import (
    content_of,
    make_ade20k,
    make_camvid,
    make_cityscapes,
    make_mapillary,
    save,
)

CAMVID = "data_prep/camvid_to_tfrecord.py"
ADE20K = "data_prep/ade20k_to_tfrecord.py"
CITYSCAPES = "data_prep/cityscapes_to_tfrecord.py"
MAPILLARY = "data_prep/mapillary_to_tfrecord.py"


@pytest.fixture
def camvid(tmp_path, rng):
    """A CamVid directory with two images in its training split."""
    return make_camvid(tmp_path / "CamVid", rng, {"train": 2})


def test_camvid_converts_and_says_so_again(camvid, tmp_path):
    out = tmp_path / "out"
    arguments = (CAMVID, f"--data_dir={camvid}", f"--output_dir={out}", "--splits=train")
    for last_line in (f"wrote {out}", f"{out} was complete already; --overwrite"):
        done = run_here(*arguments)
        assert "train: 2 images in 1 shards" in succeeded(done)
        assert last_line in done.stdout
        assert "warning: train: the official split has 367 images" in done.stderr
    assert DatasetInfo.load(out).split("train").num_images == 2
    failed(run_here(*arguments, "--num_shards=2"), "pass --overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CamVid", "out"]


def test_missing_directory(tmp_path):
    out = tmp_path / "out"
    done = run_here(CAMVID, f"--data_dir={tmp_path / 'gone'}", f"--output_dir={out}")
    failed(done, "gone: no data set is there; download the folder CamVid", "unpack it in")
    assert not out.exists()


def test_a_fault_leaves_nothing(camvid, tmp_path, run_command):
    save(camvid / "trainannot" / "001.png", np.full((24, 32), 12))
    out = tmp_path / "out"
    arguments = (CAMVID, f"--data_dir={camvid}", f"--output_dir={out}", "--splits=train")
    failed(run_command(*arguments), "001.png", "12 is out of range")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CamVid"]
    done = run_here(*arguments, "--on_error=skip")
    assert "train: 1 images" in succeeded(done)
    assert f"left out 1 faulty images, see {out}/skipped.txt" in done.stderr


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, rng):
    """A limit on the size of files stands for it, 16 KiB for a shard of some 60."""
    camvid = make_camvid(tmp_path / "CamVid", rng, {"train": 20})
    command = f"ulimit -f 16; exec {sys.executable} {ROOT / CAMVID} --splits=train"
    command += f" --data_dir={camvid} --output_dir={tmp_path / 'out'}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100)
    failed(done, "train-00000-of-00001.tfrecord", "File too large")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CamVid"]


def test_wrong_usage(tmp_path):
    failed(run_here(CAMVID, "--outputdir=x"), "outputdir", code=2)
    failed(
        run_here(CAMVID, "--data_dir=x", "--output_dir=y", "z"),
        "unexpected argument 'z'",
        code=2,
    )


def test_help_lists_all_flags_of_a_converter():
    text = run_here(CITYSCAPES, "--help").stdout
    for flag in ("data_dir", "output_dir", "splits", "num_workers", "on_error", "annotations"):
        assert f"--{flag}" in text.replace("--[no]", "--")


def test_the_full_ade20k_release_is_recognised(tmp_path):
    coded = tmp_path / "ADE20K" / "images" / "training" / "a" / "ADE_train_00000001_seg.png"
    save(coded, np.zeros((4, 4, 3)))
    done = run_here(ADE20K, f"--data_dir={tmp_path / 'ADE20K'}", f"--output_dir={tmp_path / 'o'}")
    failed(done, "full ADE20K release", "ADEChallengeData2016")


@pytest.mark.parametrize("version", ["v1.2", "v2.0"])
def test_mapillary_takes_classes_from_its_configuration(version, tmp_path, rng):
    root, out = make_mapillary(tmp_path / "mvd", rng, version), tmp_path / "out"
    arguments = (MAPILLARY, f"--data_dir={root}", f"--output_dir={out}", f"--annotations={version}")
    succeeded(run_here(*arguments))
    info = DatasetInfo.load(out)
    assert info.class_names == ("class--0", "class--2")
    assert info.palette == ((0, 0, 9), (2, 0, 9))
    for example in read_split(out, "training", instances=True):
        raw = example["instance"].numpy() // 256
        np.testing.assert_array_equal(example["label"], np.array([0, 255, 1])[raw])
    other = "v2.0" if version == "v1.2" else "v1.2"
    shutil.copy(root / f"config_{version}.json", root / f"config_{other}.json")
    mixed = (*arguments[:2], f"--annotations={other}", f"--output_dir={tmp_path / 'mixed'}")
    failed(run_here(*mixed), "no such directory")
    (root / f"config_{version}.json").write_text("[]")
    failed(run_here(*arguments, "--overwrite"), "not a configuration of Mapillary")
    (root / f"config_{version}.json").unlink()
    failed(run_here(*arguments), f"config_{version}.json: not found")


def test_cityscapes_splits_depend_on_the_annotations(tmp_path, rng):
    root = make_cityscapes(tmp_path / "Cityscapes", rng, {"train": 1, "val": 1, "test": 1})
    make_cityscapes(root, rng, {"train_extra": 1}, kind="gtCoarse")
    fine, coarse = tmp_path / "fine", tmp_path / "coarse"
    succeeded(run_here(CITYSCAPES, f"--data_dir={root}", f"--output_dir={fine}"))
    info = DatasetInfo.load(fine)
    assert list(info.splits) == ["train", "val", "test"]
    assert info.split("train").class_pixels[info.class_names.index("car")] == 64
    failed(
        run_here(
            CITYSCAPES, f"--data_dir={root}", f"--output_dir={coarse}", "--annotations=coarse"
        ),
        "gtCoarse/train: no such directory",
    )
    extra = ("--annotations=coarse", "--splits=train_extra")
    succeeded(run_here(CITYSCAPES, f"--data_dir={root}", f"--output_dir={coarse}", *extra))
    assert list(DatasetInfo.load(coarse).splits) == ["train_extra"]


def histogram_of(paths):
    """256 counts of the raw values in label files, by numpy."""
    return sum(np.bincount(np.asarray(Image.open(p)).ravel(), minlength=256) for p in paths)


def assert_counts(split, raw, raw_ids):
    """The counts of a split are those of the raw values, a class each; the rest is ignored."""
    assert list(split.class_pixels) == raw[raw_ids].tolist()
    assert split.ignored_pixels == raw.sum() - raw[raw_ids].sum()


def test_real_ade20k_frames(tmp_path, real_data):
    root = real_data("ade20k_sample") / "ADEChallengeData2016"
    out = tmp_path / "out"
    succeeded(run_here(ADE20K, f"--data_dir={root}", f"--output_dir={out}", "--splits=validation"))
    info = DatasetInfo.load(out)
    assert info.num_classes == 150
    assert info.class_names[1] == "building, edifice"
    raw = histogram_of((root / "annotations" / "validation").iterdir())
    assert_counts(info.splits["validation"], raw, range(1, 151))


def test_real_cityscapes_frames(tmp_path, real_data):
    """Raw ids and class names from the list of FACTS, instances from the files themselves."""
    root = real_data("cityscapes_sample")
    out = tmp_path / "out"
    succeeded(run_here(CITYSCAPES, f"--data_dir={root}", f"--output_dir={out}", "--splits=train"))
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    info = DatasetInfo.load(out)
    assert_counts(info.splits["train"], histogram_of(root.rglob("*_labelIds.png")), evaluated)
    examples = list(read_split(out, "train", instances=True))
    assert len(examples) == 4
    for example in examples:
        stem = example["filename"].numpy().decode().removesuffix("_leftImg8bit.png")
        raw = np.asarray(Image.open(next(root.rglob(f"{stem}_gtFine_instanceIds.png"))))
        np.testing.assert_array_equal(example["instance"], raw)
        image = np.asarray(Image.open(next(root.rglob(f"{stem}_leftImg8bit.png"))))
        np.testing.assert_array_equal(example["image"], image)


def test_real_frames_in_the_layout_of_mapillary(tmp_path, real_data):
    root = real_data("mapillary_layout")
    out = tmp_path / "out"
    succeeded(run_here(MAPILLARY, f"--data_dir={root}", f"--output_dir={out}"))
    info = DatasetInfo.load(out)
    assert info.num_classes == 65
    for split in ("training", "validation"):
        raw = histogram_of((root / split / "labels").iterdir())
        assert_counts(info.splits[split], raw, range(65))
        for example in read_split(out, split, instances=True):
            stem = example["filename"].numpy().decode().removesuffix(".jpg")
            raw = np.asarray(Image.open(root / split / "instances" / f"{stem}.png"))
            np.testing.assert_array_equal(example["instance"], raw)


def test_real_camvid_frames(tmp_path, real_data, run_command):
    root = real_data("camvid")
    out = tmp_path / "out"
    done = run_command(CAMVID, f"--data_dir={root}", f"--output_dir={out}", "--splits=train,val")
    assert "warning" not in done.stderr
    assert "train: 367 images in 6 shards\nval: 101 images in 2 shards" in succeeded(done)
    info = DatasetInfo.load(out)
    for split in ("train", "val"):
        raw = histogram_of((root / f"{split}annot").iterdir())
        assert_counts(info.splits[split], raw, range(11))


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path, real_data, rng):
    """A conversion by four workers, killed at random moments, ends as one that ran through."""
    root = real_data("camvid")
    arguments = [f"--data_dir={root}", "--splits=train,val", "--num_workers=4", "--num_shards=60"]
    killed, journal = tmp_path / "killed", tmp_path / ".killed.partial" / "journal"
    stages = []
    for _ in range(20):
        process = start_fork(CAMVID, f"--output_dir={killed}", *arguments)
        # So many shards later, and a moment after that; some runs are killed before the first.
        wanted = len(list(journal.glob("*.json"))) + rng.integers(0, 5)
        while len(list(journal.glob("*.json"))) < wanted:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        stages.append(len(list(journal.glob("*.json"))))
        assert not killed.exists()
    assert len(set(stages)) > 8
    succeeded(run_here(CAMVID, f"--output_dir={killed}", *arguments))
    succeeded(run_here(CAMVID, f"--output_dir={tmp_path / 'undisturbed'}", *arguments))
    assert content_of(killed) == content_of(tmp_path / "undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "undisturbed"]


@pytest.fixture(scope="module")
def large_camvid(tmp_path_factory):
    """One whose conversion takes long enough to be disturbed."""
    rng = np.random.default_rng(0)
    root = make_camvid(tmp_path_factory.mktemp("large"), rng, {"train": 1}, size=(200, 300))
    for folder in ("train", "trainannot"):
        for i in range(1, 200):
            shutil.copy(root / folder / "000.png", root / folder / f"{i:03d}.png")
    return root


def test_an_interrupted_conversion_says_how_to_go_on(tmp_path, large_camvid):
    process, journal = start_conversion(large_camvid, tmp_path / "out")
    failed(interrupted(process), "interrupted", "finished shards are kept", code=130)
    assert list(journal.glob("*.json"))


def test_an_interrupt_while_the_workers_start_is_one_line(synthetic_records):
    process = start_in_session("data_prep/verify_records.py", str(synthetic_records))
    while process.poll() is None and len(_session(process.pid)) < 3:  # it imports TensorFlow now
        time.sleep(0.02)
    failed(interrupted(process), code=130)


def start_in_session(script, *arguments):
    """A process in a session of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *arguments],
        start_new_session=True,
        # Of a test run in the background a shell makes processes that ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(process):
    """What became of it and what its session said, after Ctrl-C as a terminal sends it: to all."""
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, "", errors)


def start_conversion(root, out):
    """A process in a session of its own, with a shard finished, and its journal."""
    arguments = (f"--data_dir={root}", f"--output_dir={out}", "--splits=train")
    process = start_in_session(CAMVID, *arguments, "--num_workers=3", "--num_shards=50")
    journal = out.with_name(f".{out.name}.partial") / "journal"
    while process.poll() is None and not list(journal.glob("*.json")):
        time.sleep(0.02)
    assert process.poll() is None
    return process, journal


def test_workers_end_with_the_process_that_started_them(tmp_path, large_camvid):
    """Killed, not asked: all processes of its session are gone soon after."""
    process, _ = start_conversion(large_camvid, tmp_path / "out")
    assert len(_session(process.pid)) > 3
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while _session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _session(process.pid) == []


def _session(leader):
    listed = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True)
    return listed.stdout.split()


def test_cityscapes_with_train_ids_is_refused(tmp_path, rng):
    root = make_cityscapes(tmp_path / "C", rng, {"train": 2}, size=(40, 40), raw_ids=range(19))
    arguments = (f"--data_dir={root}", f"--output_dir={tmp_path / 'out'}", "--splits=train")
    failed(run_here(CITYSCAPES, *arguments), "the labels of the split 'train' hold class ids")
    assert not (tmp_path / "out").exists()
    shutil.rmtree(root)
    make_cityscapes(root, rng, {"train": 2}, size=(40, 40), raw_ids=range(34))
    succeeded(run_here(CITYSCAPES, *arguments))


def test_commands_without_data_say_what_to_download():
    for script, archive in (
        (
            ADE20K,
            "ADEChallengeData2016.zip of sceneparsing.csail.mit.edu, unpack it in data/ade20k",
        ),
        (CITYSCAPES, "gtFine_trainvaltest.zip of cityscapes-dataset.com, unpack it in data/citysc"),
        (
            MAPILLARY,
            "Mapillary Vistas of mapillary.com/dataset/vistas, unpack it in data/mapillary",
        ),
    ):
        if not (ROOT / "data").exists():
            failed(run_here(script), archive)
    if not (ROOT / "records" / "mapillary").exists():
        done = run_here("scripts/train.py", f"--flagfile={ROOT}/configs/mapillary.flags")
        failed(done, "make one with python data_prep/mapillary_to_tfrecord.py")


def test_the_archive_of_ade20k_may_keep_its_own_folder(tmp_path, rng):
    make_ade20k(tmp_path / "ade20k" / "ADEChallengeData2016", rng, {"validation": 2})
    arguments = (f"--data_dir={tmp_path / 'ade20k'}", f"--output_dir={tmp_path / 'out'}")
    assert "validation: 2 images" in succeeded(run_here(ADE20K, *arguments, "--splits=validation"))


def test_the_example_of_contributing_converts(tmp_path, rng):
    """The data set that CONTRIBUTING.md adds, as it stands there."""
    blocks = (ROOT / "CONTRIBUTING.md").read_text().split("```python\n")[1:]
    (code,) = (block.split("```")[0] for block in blocks if "Meadows" in block)
    (tmp_path / "meadows_to_tfrecord.py").write_text(code)
    for split, count in (("train", 3), ("val", 1)):
        for i in range(count):
            save(tmp_path / f"Meadows/photos/{split}/{i}.jpg", np.zeros((8, 9, 3)))
            save(tmp_path / f"Meadows/masks/{split}/{i}.png", np.full((8, 9), i))
    command = [sys.executable, tmp_path / "meadows_to_tfrecord.py", "--output_dir=out"]
    command += ["--data_dir=Meadows"]
    succeeded(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100))
    split = DatasetInfo.load(tmp_path / "out").split("train")
    assert (split.class_pixels, split.ignored_pixels) == ((72, 72), 72)
