"""The tutorials, command by command as they stand there.

They run in one directory, in a reader's order, with small data sets in the official layouts, and
with flag files that begin with the real ones and then make network and images small. What is
marked `sh docker` is not: a server on loopback stands for TF Serving.
"""

import contextlib
import re
import subprocess

import numpy as np
import pytest

from tests.forks import forking_python
from tests.helpers import ROOT
from tests.prediction_servers import rest_server, served_from
from tests.records.files import (
    make_ade20k,
    make_camvid,
    make_cityscapes,
    make_mapillary,
    save,
)

TUTORIALS = ROOT / "docs" / "tutorials"
ORDER = ("prepare", "own_images", "train", "evaluate", "serve", "level_set_layer", "distance_loss")
SMALL = """
--backbone=vgg16
--backbone_weights=none
--width_multiplier=0.125
--decoder_channels=16
--recurrent_steps=2
--image_size=32,32
--epochs=1
--epsilon=0
--evolution_steps=2
--prior_evolution_steps=1
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """What a reader has: the repository's commands, data sets, photographs.

    Cityscapes has its frames' size, which a submission must have.
    """
    root, rng = tmp_path_factory.mktemp("reader"), np.random.default_rng(0)
    for name in ("scripts", "data_prep", "serving"):
        (root / name).symlink_to(ROOT / name)
    (root / "configs").mkdir()
    for path in (ROOT / "configs").glob("*.flags"):
        (root / "configs" / path.name).write_text(f"--flagfile={path}\n{SMALL}")
    with open(root / "configs" / "own_images.flags", "a") as file:
        file.write("--recurrent_steps=1\n--crop_size=32,32\n--batch_per_replica=1\n")
    frames, raw_ids = {"train": 4, "val": 1}, (0, 7, 8, 11, 23, 26)
    make_cityscapes(root / "data" / "cityscapes", rng, frames, size=(1024, 2048), raw_ids=raw_ids)
    archive = root / "data" / "ade20k" / "ADEChallengeData2016"
    make_ade20k(archive, rng, {"training": 2, "validation": 1})
    make_mapillary(root / "data" / "mapillary", rng, "v1.2")
    make_camvid(root / "data" / "camvid", rng, {"train": 2, "val": 1})
    colors = [(0, 0, 0), (0, 0, 128), (0, 128, 0), (0, 128, 128), (128, 0, 0), (128, 0, 128)]
    colors = np.array([*colors, (128, 64, 0), (128, 128, 0), (128, 128, 128)], np.uint8)
    for name in ("train/a", "train/b", "val/c"):
        label = colors[rng.permutation(9).reshape(3, 3).repeat(16, 0).repeat(24, 1)]
        save(root / "facades" / "images" / f"{name}.jpg", label)
        save(root / "facades" / "labels" / f"{name}.png", label)
    save(root / "photos" / "1.jpg", rng.integers(0, 256, (60, 90, 3)))
    return root


def blocks_of(name):
    """(language, code) of the blocks that a reader runs, `sh docker` among them."""
    text = (TUTORIALS / f"{name}.md").read_text()
    return re.findall(r"^```(sh|python|sh docker)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def run(directory, tmp_path_factory):
    """`run(*command)` runs a command as a reader does, with the `python` of `tests.forks`."""
    with forking_python(tmp_path_factory.mktemp("bin")) as environment:

        def run(*command):
            done = subprocess.run(
                command, cwd=directory, env=environment, capture_output=True, text=True, timeout=900
            )
            assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"

        yield run


@pytest.mark.parametrize("name", ORDER)
def test_a_tutorial_runs(name, directory, run):
    python, blocks = "", blocks_of(name)
    assert blocks
    with contextlib.ExitStack() as servers:
        for language, code in blocks:
            if language == "sh docker":
                (export_dir,) = re.findall(r"EXPORT_DIR=\$PWD/(\S+)", code)
                served = served_from(directory / export_dir)
                servers.enter_context(rest_server(served, port=8501))
            elif language == "python":  # later blocks go on from earlier ones
                python += code
                (directory / "blocks.py").write_text(python)
                run("python", "blocks.py")
            else:
                run("bash", "-euo", "pipefail", "-c", code)


def test_every_tutorial_is_run_and_listed():
    names = {path.stem for path in TUTORIALS.glob("*.md")}
    assert names == set(ORDER)
    readme = (ROOT / "README.md").read_text()
    assert all(f"docs/tutorials/{name}.md" in readme for name in names)
