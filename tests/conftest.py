"""Shared fixtures: reproducible arrays, small synthetic records, real data where it is."""

import fcntl
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Small tensors cost less in one thread, and there are as many processes as the machine can run.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from PIL import Image  # noqa: E402

from dmls_tf import command_line  # noqa: E402
from tests.helpers import ROOT, run_here, succeeded  # noqa: E402

with command_line.quiet_stderr():
    import keras

LONG = ("test_tutorials", "test_commands", "test_dmls", "test_jax", "test_packaging")
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items):
    """What takes long first: files are taken in this order, and the last one ends alone."""
    items.sort(key=lambda item: "training" not in item.path.parts and item.path.stem not in LONG)


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def scene(rng):
    """A smooth picture without symmetry, uint8 `[40, 60, 3]`."""
    small = Image.fromarray(rng.integers(0, 256, (5, 7, 3)).astype(np.uint8))
    return np.asarray(small.resize((60, 40), Image.Resampling.BILINEAR))


@pytest.fixture(scope="session")
def run_command():
    """Runs a script of the repository as a user would: `run_command("scripts/train.py", ...)`."""

    def run(script, *arguments):
        command = [sys.executable, str(ROOT / script), *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)

    return run


@pytest.fixture(scope="session")
def real_data():
    """`real_data("camvid")`: a directory of real images, or a skip where there is none."""

    def find(name):
        if not (SHARED_DATA / name).is_dir():
            pytest.skip(f"no real data at ../shared/data/{name}")
        return SHARED_DATA / name

    return find


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """`shared(name, make)`: a path that `make(path)` wrote, once for all processes of a run."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent

    def find(name, make):
        path = root / "shared" / name
        path.parent.mkdir(exist_ok=True)
        with open(path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                make(path)
        return path

    return find


@pytest.fixture(scope="session")
def synthetic_records(shared):
    """Records of 12 + 4 scenes of 48 x 64 pixels, in 2 shards a split, with their PNG files."""

    def make(path):
        done = run_here(
            "data_prep/synthetic_to_tfrecord.py",
            f"--output_dir={path}",
            "--num_images=12,4",
            "--num_shards=2",
            "--height=48",
            "--width=64",
            "--save_images",
        )
        succeeded(done)

    return shared("records", make)


@pytest.fixture(scope="session")
def trained(shared, synthetic_records):
    """A `model.keras` for the synthetic scenes, not trained at all; K = 2, 48 x 64."""
    from dmls_tf.config import DataConfig, LevelSetConfig, ModelConfig
    from dmls_tf.datasets import DatasetInfo
    from dmls_tf.models import build_dmls
    from dmls_tf.training.preparation import describe

    def make(path):
        keras.utils.set_random_seed(0)  # it is made before a test is seeded
        info = DatasetInfo.load(synthetic_records)
        config = ModelConfig(
            info.num_classes,
            backbone="vgg16",
            width_multiplier=0.0625,
            decoder_channels=16,
            recurrent_steps=2,
            level_set=LevelSetConfig(evolution_steps=1),
        )
        metadata = describe(info, DataConfig(image_size=(48, 64)), "train")
        build_dmls(config, metadata).save(path)

    return shared("model.keras", make)


@pytest.fixture(scope="session")
def exported(shared, trained):
    """Version 1 of `trained`, exported; at most 3,000,000 pixels an image, 4 images a request."""
    from dmls_tf.config import ServingConfig
    from dmls_tf.models import load_dmls
    from dmls_tf.serving.export import export

    config = ServingConfig((48, 64), max_pixels=3_000_000, max_batch=4)
    return shared("exports", lambda path: export(load_dmls(trained), path, config)) / "1"
