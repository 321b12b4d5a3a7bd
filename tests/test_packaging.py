"""What an installation gets: the files of sdist and wheel, and numerics without TensorFlow."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import dmls_tf
from tests.helpers import FAST_XLA, ROOT

pytest.importorskip("build")
pytestmark = pytest.mark.slow

PACKAGES = ("dmls_tf",)
METADATA_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md")
LEFT_OUT = ("tests", "scripts", "data_prep", "configs", "docs")  # present at the build

WITHOUT_TENSORFLOW = """
import importlib.util, math, pathlib, sys
import numpy as np
import dmls_tf
from dmls_tf import layers, losses, metrics, models, ops
from dmls_tf.config import LevelSetConfig, ModelConfig

assert pathlib.Path(dmls_tf.__file__).is_relative_to(sys.prefix), dmls_tf.__file__
row = np.array([1, 1, 0, 1, 1]).reshape(1, 1, 5, 1)
assert np.ravel(ops.euclidean_distance_transform(row)).tolist() == [2, 1, 0, 1, 2]

level_set = LevelSetConfig(evolution_steps=2)
network = {"backbone": "vgg16", "width_multiplier": 0.125, "recurrent_steps": 2}
config = ModelConfig(3, **network, level_set=level_set)
model = models.build_dmls(config)
images = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), np.uint8)
outputs = {key: np.asarray(value) for key, value in model(images).items()}
assert list(outputs) == [output.name for output in model.step_outputs]
for key, logits in outputs.items():
    assert logits.shape == (1, 48, 64, 3), key
    assert np.isfinite(logits).all(), key

labels, logits = np.zeros((1, 48, 64), np.int32), outputs[model.final_output]
assert np.isfinite(layers.MultiphaseLevelSet(level_set)(logits)).all()
assert math.isfinite(losses.WeightedCrossEntropy()(labels, logits))
matrix = metrics.ConfusionMatrix(3)
matrix.update_state(labels, logits)
assert matrix.result().sum() == 48 * 64

assert "tensorflow" not in sys.modules and importlib.util.find_spec("tensorflow") is None
"""


def run(*command, **environment):
    command = [*map(str, command)]
    environment = os.environ | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Skips where pip finds no packages: builds and installations fetch some."""
    directory = tmp_path_factory.mktemp("probe")
    pip = (sys.executable, "-m", "pip", "--timeout=20", "--retries=1")
    done = run(*pip, "download", "--quiet", "--no-deps", f"--dest={directory}", "setuptools")
    if done.returncode:
        reason = (done.stderr.strip() or "no answer").splitlines()[-1]
        pytest.skip(f"no package index within reach: {reason}")


@pytest.fixture(scope="module")
def built(index, tmp_path_factory):
    """(sdist, wheel built of the sdist, wheel built of the tree): paths."""
    root = tmp_path_factory.mktemp("dist")
    tree = root / "tree"  # a copy: setuptools writes beside the sources, and reads it again
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PACKAGES + LEFT_OUT:
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in METADATA_FILES:
        shutil.copy(ROOT / name, tree)
    for directory, what in (("both", []), ("direct", ["--wheel"])):
        done = run(sys.executable, "-m", "build", *what, f"--outdir={root / directory}", tree)
        assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = (root / "both").glob("*.tar.gz")
    (wheel,) = (root / "both").glob("*.whl")
    (direct,) = (root / "direct").glob("*.whl")
    return sdist, wheel, direct


def files_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata_of(wheel):
    (name,) = (name for name in files_in(wheel) if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(files_in(wheel)[name])


def test_the_wheel_holds_every_module_and_nothing_else(built):
    modules = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    found = {name: data for name, data in files_in(built[1]).items() if ".dist-info/" not in name}
    assert found == modules


def test_the_sdist_gives_the_wheel_of_the_tree(built):
    _, of_sdist, of_tree = built
    assert files_in(of_sdist) == files_in(of_tree)


def test_the_sdist_holds_no_part_of_the_tests(built):
    with tarfile.open(built[0]) as archive:
        folders = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert folders >= {*PACKAGES, *METADATA_FILES, "PKG-INFO"}
    assert not folders & set(LEFT_OUT)


def test_the_metadata_name_version_and_pythons(built):
    metadata = metadata_of(built[1])
    assert (metadata["Name"], metadata["Version"]) == ("dmls-tf", dmls_tf.__version__)
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Summary"]
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    classifiers = metadata.get_all("Classifier")
    assert f"Programming Language :: Python :: 3.{sys.version_info.minor}" in classifiers


def test_the_numerics_run_where_tensorflow_is_not_installed(built, tmp_path):
    required = metadata_of(built[1]).get_all("Requires-Dist")
    required = [one for one in required if "extra ==" not in one and "tensorflow" not in one]
    assert run(sys.executable, "-m", "venv", tmp_path / "venv").returncode == 0
    python = (tmp_path / "venv/bin/python", "-I")  # without PYTHONPATH and the working directory
    for packages in ([*required, "jax"], ["--no-deps", "--no-index", built[1]]):
        done = run(*python, "-m", "pip", "install", "--quiet", "--no-compile", *packages)
        assert done.returncode == 0, done.stderr
    done = run(*python, "-c", WITHOUT_TENSORFLOW, KERAS_BACKEND="jax", **FAST_XLA)
    assert done.returncode == 0, done.stderr
