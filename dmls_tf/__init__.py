"""Deep Multiphase Level Set for scene parsing.

Importing this package imports neither Keras nor TensorFlow; take what you need from
`dmls_tf.ops`, `dmls_tf.layers`, `dmls_tf.models`, `dmls_tf.losses` and `dmls_tf.metrics`.

It tells Keras, whichever of the two is imported first, where the classes of saved models are:
`keras.saving.load_model` then imports them.
"""

import importlib
import importlib.util
import sys

__version__ = "0.2.0.dev0"

IGNORE_LABEL = 255  # in label maps: a pixel of no class, of which nothing is learned or scored

SAVED_CLASSES = {
    "DMLS": "models",
    "MultiphaseLevelSet": "layers",
    "ResizeLike": "layers",
    "BoundaryCrossEntropy": "losses",
    "WeightedCrossEntropy": "losses",
    "ConfusionMatrix": "metrics",
}


class _SavedClass:
    """Stands for a class among those that Keras knows, until its module is imported."""

    def __init__(self, name):
        self.name = name

    def from_config(self, config):
        module = importlib.import_module(f"dmls_tf.{SAVED_CLASSES[self.name]}")
        return getattr(module, self.name).from_config(config)


def _register(keras):
    classes = {f"dmls>{name}": _SavedClass(name) for name in SAVED_CLASSES}
    keras.saving.get_custom_objects().update(classes)


class _KerasFinder:
    """Has the classes registered once Keras is imported; the other finders find it."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (execute(module), _register(module))
        return spec


if sys.modules.get("keras"):
    _register(sys.modules["keras"])
else:
    sys.meta_path.insert(0, _KerasFinder())
