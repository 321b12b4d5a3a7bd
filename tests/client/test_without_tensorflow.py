"""The client of REST where only NumPy and Pillow are installed."""

import subprocess
import sys

import numpy as np
import pytest

from dmls_tf.client import rest
from dmls_tf.client.connection import Server
from dmls_tf.client.segmentation import segmenter
from dmls_tf.images.photos import Photo
from tests.conftest import ROOT
from tests.image_files import encoded
from tests.prediction_servers import rest_server, served_from

pytestmark = pytest.mark.slow

CLIENT = """
import pathlib, sys

class OnlyInstalled:
    allowed = {*sys.stdlib_module_names, "numpy", "PIL", "dmls_tf"}

    def find_spec(self, name, *_):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyInstalled())
address, file, pixels, labels = sys.argv[1:]

import numpy as np
from dmls_tf.client import rest
from dmls_tf.client.connection import Server
from dmls_tf.client.segmentation import read_classes, segmenter
from dmls_tf.images.photos import Photo

try:
    import tensorflow
    sys.exit("tensorflow was imported")
except ModuleNotFoundError:
    pass
ask = rest.connect(Server(address))
print(*read_classes(ask)[0])
segment = segmenter(ask)
photos = Photo(np.load(pixels)), Photo(None, pathlib.Path(file).read_bytes())
np.save(labels, np.stack([segment(photo).labels for photo in photos]))
"""


def test_a_segmentation_with_numpy_and_pillow_alone(exported, scene, tmp_path):
    (tmp_path / "photo.png").write_bytes(encoded(scene))
    np.save(tmp_path / "pixels.npy", scene)
    files = [tmp_path / name for name in ("photo.png", "pixels.npy", "labels.npy")]
    with rest_server(served_from(exported)) as address:
        expected = segmenter(rest.connect(Server(address)))(Photo(scene)).labels
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, address, *files],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "sky"
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), [expected, expected])
