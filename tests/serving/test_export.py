"""What is written, that it appears whole, and that the server would take it."""

import json
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ServingConfig
from dmls_tf.errors import UserError
from dmls_tf.models import load_dmls
from dmls_tf.serving import export as exporting
from dmls_tf.serving.acceptance import Unservable, accept
from dmls_tf.serving.layout import CARD_FILE, WARM_UP_FILE, version_of, versions
from dmls_tf.serving.networks import with_constants, with_variables
from dmls_tf.serving.warm_up import read_warm_up, warm_up_requests, write_warm_up

CONFIG = ServingConfig((48, 64))


@pytest.fixture(scope="module")
def model(trained):
    return load_dmls(trained)


def save(directory, function, dtype=tf.float32):
    """A SavedModel of one function, as signature `serving_default` of `x`."""
    module = tf.Module()
    module.function = tf.function(function, [tf.TensorSpec([None], dtype, name="x")])
    tf.saved_model.save(module, str(directory), {"serving_default": module.function})
    return [("serving_default", "x", np.ones(3, np.float32))]


def test_the_model_card(exported, model):
    card = json.loads((exported / CARD_FILE).read_text())
    assert card["classes"] == model.metadata["classes"]
    assert card["recurrent_steps"] == 2
    assert card["parameters"] == model.count_params()
    assert card["serving"]["max_batch"] == 4
    assert set(card["software"]) == {"dmls_tf", "keras", "tensorflow"}


def test_warm_up_requests_come_back_and_reach_every_signature(tmp_path, exported):
    requests = warm_up_requests(CONFIG)
    write_warm_up(tmp_path / "requests", requests)
    found = read_warm_up(tmp_path / "requests")
    for (name, key, value), (name2, key2, value2) in zip(requests, found, strict=True):
        assert (name, key) == (name2, key2)
        np.testing.assert_array_equal(value, value2)
    signatures = tf.saved_model.load(str(exported)).signatures
    assert {name for name, *_ in requests} == set(signatures)
    assert (exported / WARM_UP_FILE).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float16", 0.05)])
def test_constants_make_the_same_network(model, dtype, tolerance, scene):
    images = tf.constant(scene, tf.float32)[None]
    expected = with_variables(model)(images)
    network = with_constants(model, dtype)
    close = (
        np.abs((network(images) - expected).numpy()) < tolerance
    )  # a contour may move by a pixel
    assert close.mean() > (0.98 if dtype == "float16" else 0.9999)
    concrete = network.get_concrete_function()
    assert not concrete.variables
    stored = {node.attr["dtype"].type for node in concrete.graph.as_graph_def().node}
    assert (tf.float16.as_datatype_enum in stored) == (dtype == "float16")


def test_nothing_is_seen_of_an_export_that_is_not_accepted(model, tmp_path, monkeypatch):
    def write(model, directory, config, card):
        directory.mkdir()
        (directory / "saved_model.pb").write_text("half")

    def refuse(directory, requests):
        assert versions(tmp_path) == {7: tmp_path / "7"}
        raise Unservable("of the weather")

    (tmp_path / "7").mkdir()
    monkeypatch.setattr(exporting, "_write", write)
    monkeypatch.setattr(exporting, "accept", refuse)
    with pytest.raises(UserError, match="would not serve it: of the weather"):
        exporting.export(model, tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["7"]
    monkeypatch.setattr(exporting, "accept", lambda *_: None)
    assert exporting.export(model, tmp_path, CONFIG) == tmp_path / "8"
    assert [path.name for path in (tmp_path / "8").iterdir()] == ["saved_model.pb"]
    assert version_of(tmp_path) == tmp_path / "8"
    with pytest.raises(UserError, match="8: exists; choose another --version"):
        exporting.export(model, tmp_path, CONFIG, version=8)


def test_directories_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: a file is in the way"):
        exporting.export(model, tmp_path / "file", CONFIG)


def test_warm_up_needs_the_messages_of_tf_serving(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(UserError, match=r"\[serving\].*or pass --nowarm_up"):
        write_warm_up(tmp_path / "requests", warm_up_requests(CONFIG))


@pytest.mark.slow
def test_what_a_server_would_not_serve(tmp_path):
    def python(x):
        return {"y": tf.numpy_function(lambda v: v + 1, [x], tf.float32)}

    requests = save(tmp_path / "python", python)
    with pytest.raises(Unservable, match="lacks its operations PyFunc|EagerPyFunc"):
        accept(tmp_path / "python", requests)
    inner = tf.function(lambda x: x * 2, jit_compile=True)
    requests = save(tmp_path / "xla", lambda x: {"y": inner(x)})
    with pytest.raises(Unservable, match="jit_compile"):
        accept(tmp_path / "xla", requests)

    def picky(x):
        with tf.control_dependencies([tf.debugging.Assert(tf.size(x) < 3, ["too many"])]):
            return {"y": tf.identity(x)}

    requests = save(tmp_path / "picky", picky)
    with pytest.raises(Unservable, match=r"serving_default: assertion failed: \[too many\]"):
        accept(tmp_path / "picky", requests)
    accept(tmp_path / "picky", [("serving_default", "x", np.ones(2, np.float32))])


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded(exported, tmp_path):
    damaged = shutil.copytree(exported, tmp_path / "damaged")
    (damaged / "variables" / "variables.index").write_text("")
    with pytest.raises(Unservable, match="its loader says"):
        accept(damaged, [])


def test_card_holds_scores(model):
    card = exporting.model_card(model, CONFIG, {"mean_iou": 0.5})
    assert json.loads(json.dumps(card))["scores"] == {"mean_iou": 0.5}
    assert CARD_FILE.startswith("assets.extra/")


@pytest.mark.slow
def test_a_request_that_ends_the_process(tmp_path):
    """oneDNN aborts at an image without batch axis, which the loader lets through."""
    module = tf.Module()
    kernel = tf.ones([3, 3, 3, 4])
    specification = tf.TensorSpec([None, None, None, 3], tf.float32, name="x")
    module.function = tf.function(
        lambda x: {"y": tf.nn.conv2d(x, kernel, 1, "SAME")}, [specification]
    )
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.function})
    accept(tmp_path, [("serving_default", "x", np.ones((1, 8, 8, 3), np.float32))])
    with pytest.raises(Unservable, match="its loader says F.*Check failed"):
        accept(tmp_path, [("serving_default", "x", np.ones((8, 8, 3), np.float32))])
