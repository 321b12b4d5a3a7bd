"""The examples in docstrings, run as they stand, with NumPy at hand as `np`."""

import doctest
import importlib
import pathlib
import re

import numpy as np
import pytest

from tests.conftest import ROOT


def _num_examples(path):
    return len(re.findall(r"^ *>>> ", path.read_text(), re.MULTILINE))


def _name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = sorted(_name(path) for path in (ROOT / "dmls_tf").rglob("*.py") if _num_examples(path))

PUBLIC = [
    "client.segmentation",
    "config",
    "datasets.info",
    "datasets.spec",
    "files.object_stores",
    "files.output",
    "images.drawing",
    "images.label_maps",
    "inference.segmenter",
    "layers.level_set",
    "layers.resize",
    "losses",
    "metrics",
    "models.backbones",
    "models.dmls",
    "models.outputs",
    "ops.banded_distance",
    "ops.boundaries",
    "ops.distance_transform",
    "ops.level_set",
    "ops.region_statistics",
    "ops.resize",
    "settings",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    module = importlib.import_module(name)
    failed, attempted = doctest.testmod(module, extraglobs={"np": np})
    assert failed == 0
    assert attempted == _num_examples(pathlib.Path(module.__file__))  # none is hidden from it


def test_public_modules_have_examples():
    assert {f"dmls_tf.{name}" for name in PUBLIC} <= set(MODULES)
