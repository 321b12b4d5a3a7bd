"""ONNX and LiteRT files, run by their own runtimes."""

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import LevelSetConfig, ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.models import build_dmls, load_dmls
from dmls_tf.serving.other_formats import FORMATS, write_file

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("suffix", "runtime"), [(".onnx", "onnxruntime"), (".tflite", "ai_edge_litert")]
)
def test_other_runtimes_label_alike(suffix, runtime, scene, tmp_path):
    pytest.importorskip(runtime)
    network = {"backbone": "mobilenetv2", "width_multiplier": 0.25, "recurrent_steps": 2}
    model = build_dmls(ModelConfig(8, **network, level_set=LevelSetConfig(evolution_steps=3)))
    path = tmp_path / f"model{suffix}"
    assert write_file(model, path, (47, 61)) > 0.999  # multiples of no stride
    for image in (scene, scene[::-1], 255 - scene):
        images = tf.image.resize(image[None].astype(np.float32), (47, 61))
        expected = model(images, training=False)[model.final_output].numpy()
        _, run = FORMATS[suffix]
        found = run(path.read_bytes(), images.numpy())
        assert found["labels"].dtype == np.int32
        assert (np.abs(found["logits"] - expected) < 1e-3).mean() > 0.99
        assert (found["labels"] == expected.argmax(-1)).mean() > 0.999


def test_what_cannot_be_written(trained, tmp_path, monkeypatch):
    model = load_dmls(trained)
    with pytest.raises(UserError, match=r"must end in .onnx or .tflite"):
        write_file(model, tmp_path / "model.pb", (48, 64))

    def convert(*_):
        raise ModuleNotFoundError("No module named 'tf2onnx'", name="tf2onnx")

    monkeypatch.setitem(FORMATS, ".onnx", (convert, None))
    with pytest.raises(UserError, match=r"tf2onnx is missing: pip install -e .*formats"):
        write_file(model, tmp_path / "model.onnx", (48, 64))

    def run(_, images):
        return {"labels": np.full((1, 48, 64), 200)}

    monkeypatch.setitem(FORMATS, ".onnx", (lambda *_: b"", run))
    with pytest.raises(UserError, match="not written, 100.0% of its labels are not TensorFlow.s"):
        write_file(model, tmp_path / "model.onnx", (48, 64))
    assert not list(tmp_path.iterdir())
