"""Files of models are read by Keras's own function, in a process that only imports the package."""

import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmls_tf import SAVED_CLASSES
from dmls_tf.layers import MultiphaseLevelSet
from dmls_tf.losses import WeightedCrossEntropy
from dmls_tf.metrics import ConfusionMatrix
from tests.conftest import ROOT

CHILD = """
import sys, numpy as np
{imports}
loaded = [keras.saving.load_model(path) for path in sys.argv[1:3]]
print(*(type(one).__name__ for one in (loaded[0], loaded[1].layers[-1], loaded[1].loss)))
np.save(sys.argv[3], loaded[1].predict(np.load(sys.argv[3]), verbose=0))
"""


def test_keras_is_told_of_every_class():
    classes = {
        f"dmls>{name}": getattr(importlib.import_module(f"dmls_tf.{part}"), name)
        for name, part in SAVED_CLASSES.items()
    }
    registered = keras.saving.get_custom_objects().items()
    assert {name: cls for name, cls in registered if name.startswith("dmls>")} == classes


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import keras, dmls_tf", "import dmls_tf, keras"])
def test_keras_loads_saved_models(imports, trained, rng, tmp_path):
    own = keras.Sequential([keras.Input((8, 9, 3)), MultiphaseLevelSet()])
    own.compile(loss=WeightedCrossEntropy(), metrics=[ConfusionMatrix(3)])
    own.save(tmp_path / "own.keras")
    logits = rng.normal(size=(1, 8, 9, 3)).astype(np.float32)
    np.save(tmp_path / "maps.npy", logits)
    command = [sys.executable, "-c", CHILD.format(imports=imports)]
    files = [trained, tmp_path / "own.keras", tmp_path / "maps.npy"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["DMLS", "MultiphaseLevelSet", "WeightedCrossEntropy"]
    expected = own.predict(logits, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "maps.npy"), expected, atol=1e-6)
