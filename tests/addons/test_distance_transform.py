"""Our distance transform against TensorFlow Addons' C++ operation, in its own environment."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

from dmls_tf.ops import euclidean_distance_transform

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = pathlib.Path(os.environ.get("DMLS_ADDONS_PYTHON", ROOT / ".venv-addons/bin/python"))

CHILD = """
import sys
import numpy as np
import tensorflow_addons as tfa

masks = np.load(sys.argv[1])
found = {
    name: tfa.image.euclidean_dist_transform(mask[None].astype(np.uint8)).numpy()[0]
    for name, mask in masks.items()
}
np.savez(sys.argv[2], **found)
"""


@pytest.mark.addons
def test_a_hundred_random_masks(rng, tmp_path):
    if not PYTHON.is_file():
        pytest.skip(f"no environment of requirements/addons.txt at {PYTHON}")
    masks = {}
    for i in range(100):
        height, width = rng.integers(1, 90, 2)
        mask = rng.random((height, width, 1)) > rng.choice([0.001, 0.01, 0.1, 0.5, 0.9])
        mask[rng.integers(height), rng.integers(width)] = False  # they overflow without a zero
        masks[str(i)] = mask
    given, answer = tmp_path / "given.npz", tmp_path / "answer.npz"
    np.savez(given, **masks)
    command = [str(PYTHON), "-W", "ignore", "-c", CHILD, str(given), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    theirs = np.load(answer)
    for name, mask in masks.items():
        ours = euclidean_distance_transform(mask[None])
        np.testing.assert_allclose(ours[0], theirs[name], rtol=1e-6, err_msg=f"mask {name}")
