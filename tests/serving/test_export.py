"""What is written, that it appears whole, and what the check in a clean process refuses."""

import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ServingConfig
from dmls_tf.errors import UserError
from dmls_tf.models import load_dmls
from dmls_tf.serving import acceptance
from dmls_tf.serving import export as exporting
from dmls_tf.serving.acceptance import PROGRAM, Unservable, accept
from dmls_tf.serving.clean_process import PYTHON_OPERATIONS, refuse_operations
from dmls_tf.serving.layout import CARD_FILE, WARM_UP_FILE, version_of, versions
from dmls_tf.serving.networks import with_constants, with_variables
from dmls_tf.serving.warm_up import read_warm_up, warm_up_requests, write_warm_up
from tests import prediction_servers
from tests.serving.bare_runtime import BareRuntime

CONFIG = ServingConfig((48, 64))


@pytest.fixture(scope="module")
def model(trained):
    return load_dmls(trained)


def save(directory, variable=None, **functions):
    """A SavedModel of functions of images `x`, float32 `[B, h, w, 3]`, and a variable of them."""
    module, images = tf.Module(), tf.TensorSpec([None, None, None, 3], tf.float32, name="x")
    module.variable = variable
    module.functions = {name: tf.function(f, [images]) for name, f in functions.items()}
    tf.saved_model.save(module, str(directory), dict(module.functions))
    return directory


@pytest.fixture(scope="module")
def expected(model):
    """A function from images to logits, by the network with its variables."""
    return with_variables(model)


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
    signatures = prediction_servers.load(str(exported)).signatures
    assert {name for name, *_ in requests} == set(signatures)
    assert (exported / WARM_UP_FILE).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float16", 0.05)])
def test_constants_make_the_same_network(model, expected, dtype, tolerance, scene):
    images = tf.constant(scene, tf.float32)[None]
    network = with_constants(model, dtype)
    difference = np.abs((network(images) - expected(images)).numpy())
    close = difference < tolerance  # a contour may move by a pixel
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
    with pytest.raises(UserError, match="cannot be served: of the weather"):
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


def add_one(x):
    return x + 1


PYTHON_FUNCTIONS = {
    "PyFunc": lambda x: {"y": tf.numpy_function(add_one, [x], tf.float32)},
    "PyFuncStateless": lambda x: {"y": tf.numpy_function(add_one, [x], tf.float32, stateful=False)},
    "EagerPyFunc": lambda x: {"y": tf.py_function(add_one, [x], tf.float32)},
}


@pytest.mark.parametrize("operation", PYTHON_FUNCTIONS)
def test_python_operations_are_refused(operation, tmp_path):
    save(tmp_path, serving_default=PYTHON_FUNCTIONS[operation])
    with pytest.raises(SystemExit, match=f"^it runs Python, by its operations {operation}$"):
        refuse_operations(tmp_path)


def test_custom_operations_are_refused(tmp_path):
    inner = tf.function(tf.math.rint)  # its operation is in a function of the graph
    save(tmp_path, serving_default=lambda x: {"y": inner(x)})
    refuse_operations(tmp_path)
    path = tmp_path / "saved_model.pb"
    path.write_bytes(path.read_bytes().replace(b"\x04Rint", b"\x04Mint"))
    with pytest.raises(SystemExit, match="^stock TensorFlow lacks its operations Mint$"):
        refuse_operations(tmp_path)


def test_functions_with_jit_compile_are_refused(tmp_path):
    inner = tf.function(lambda x: x * 2, jit_compile=True)
    save(tmp_path, serving_default=lambda x: {"y": inner(x)})
    with pytest.raises(SystemExit, match="jit_compile"):
        refuse_operations(tmp_path)


@pytest.mark.slow
def test_the_cpp_runtime_lacks_the_operations_that_are_refused(tmp_path):
    with BareRuntime(tmp_path) as runtime:
        found = runtime.missing(["Rint", "Mint", *PYTHON_OPERATIONS])
    assert set(found) == {"Mint", *PYTHON_OPERATIONS}


@pytest.fixture(scope="module")
def peculiar(tmp_path_factory):
    """A SavedModel of which TensorFlow refuses some requests, and dies of others.

    oneDNN aborts at an image without batch axis, which the loader lets through.
    """
    kernel = tf.Variable(tf.ones([3, 3, 3, 4]))

    def picky(x):
        with tf.control_dependencies([tf.debugging.Assert(tf.size(x) < 300, ["too many"])]):
            return {"y": tf.identity(x)}

    def deadly(x):
        return {"y": tf.nn.conv2d(x, kernel, 1, "SAME")}

    return save(tmp_path_factory.mktemp("peculiar"), kernel, picky=picky, deadly=deadly)


def request(signature, *shape):
    return [(signature, "x", np.ones(shape, np.float32))]


@pytest.mark.slow
def test_a_model_is_accepted_in_a_process_without_the_package(peculiar):
    requests = request("picky", 1, 8, 8, 3) + request("deadly", 1, 8, 8, 3)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, peculiar],
        input=pickle.dumps(requests),
        capture_output=True,
    )
    assert done.returncode == 0
    imports = {line.split("|")[-1].strip() for line in done.stderr.decode().splitlines()}
    assert "tensorflow" in imports
    assert not [name for name in imports if name.split(".")[0] == "dmls_tf"]


@pytest.mark.slow
def test_a_request_that_fails(peculiar):
    with pytest.raises(Unservable, match=r"^signature picky: assertion failed: \[too many\]$"):
        accept(peculiar, request("picky", 1, 16, 16, 3))


@pytest.mark.slow
def test_a_request_that_ends_the_process(peculiar, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")  # on older processors it is off
    with pytest.raises(Unservable, match="^TensorFlow ended the process: .*Check failed"):
        accept(peculiar, request("deadly", 8, 8, 3))


def test_a_process_that_is_killed(monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import os; os.write(2, b'I0000 oneDNN is on\\n'); os.kill(os.getpid(), 9)")
    monkeypatch.setattr(acceptance, "PROGRAM", program)
    with pytest.raises(Unservable, match="^TensorFlow ended the process: exit code -9$"):
        accept(tmp_path, [])


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded(peculiar, tmp_path):
    damaged = shutil.copytree(peculiar, tmp_path / "damaged")
    (damaged / "variables" / "variables.index").write_text("")
    with pytest.raises(Unservable, match="^TensorFlow does not load it: file is too short"):
        accept(damaged, [])


@pytest.mark.slow
def test_a_graph_that_is_refused(tmp_path):
    save(tmp_path, serving_default=PYTHON_FUNCTIONS["PyFunc"])
    with pytest.raises(Unservable, match="^it runs Python, by its operations PyFunc$"):
        accept(tmp_path, [])
