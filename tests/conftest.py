"""Shared fixtures: reproducible arrays, small synthetic records, real data where it is."""

import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from dmls_tf import command_line  # noqa: E402

with command_line.quiet_stderr():
    import keras

ROOT = pathlib.Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


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
def trained(synthetic_records, tmp_path_factory):
    """A `model.keras` for the synthetic scenes, not trained at all; K = 2, 48 x 64."""
    from dmls_tf.config import DataConfig, ModelConfig
    from dmls_tf.dataset_info import DatasetInfo
    from dmls_tf.models import build_dmls
    from dmls_tf.training.preparation import describe

    info = DatasetInfo.load(synthetic_records)
    config = ModelConfig(info.num_classes, backbone="mobilenetv2", width=0.25, num_steps=2)
    model = build_dmls(config, describe(info, DataConfig(image_size=(48, 64)), "train"))
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def synthetic_records(tmp_path_factory, run_command):
    """Records of 12 + 4 scenes of 48 x 64 pixels, in 2 shards a split, with their PNG files."""
    directory = tmp_path_factory.mktemp("synthetic") / "records"
    done = run_command(
        "data_prep/synthetic_to_tfrecord.py",
        f"--output_dir={directory}",
        "--num_images=12,4",
        "--num_shards=2",
        "--height=48",
        "--width=64",
        "--save_images",
    )
    assert done.returncode == 0, done.stderr
    return directory
