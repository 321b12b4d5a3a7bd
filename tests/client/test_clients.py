"""The clients of REST and gRPC, against servers on loopback that run an exported model."""

import concurrent.futures
import re
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.client import grpc, rest, saved_model
from dmls_tf.client.connection import Server, Unavailable, not_found, with_retries
from dmls_tf.client.segmentation import read_classes, segmenter
from dmls_tf.errors import DamagedFile, UserError
from dmls_tf.images.photos import Photo
from dmls_tf.models import load_dmls
from tests import prediction_servers
from tests.image_files import bomb, encoded

pytestmark = pytest.mark.slow
QUICK = {"retries": 0, "timeout": 30.0}
CLIENTS = {
    "rest": (rest, prediction_servers.rest_server),
    "grpc": (grpc, prediction_servers.grpc_server),
}


@pytest.fixture(autouse=True)
def _seeded():
    """Nothing here is random, and a new seed makes TensorFlow optimise every signature again."""


@pytest.fixture(scope="module")
def loaded(exported):
    """`ask` of the model in this process, the same that the servers run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.saved_model, "load", prediction_servers.load)
        return saved_model.connect(exported.parent)


@pytest.fixture
def served(exported):
    signatures = prediction_servers.load(str(exported)).signatures
    return prediction_servers.Served(signatures, "scenes")


@pytest.fixture(params=CLIENTS)
def protocol(request):
    return request.param


@pytest.fixture
def connect(protocol, served):
    """`connect(**settings)`: a function `ask` of a server that runs `served`."""
    client, server = CLIENTS[protocol]
    with server(served) as address:
        yield lambda **settings: client.connect(Server(address, **({"model": "scenes"} | settings)))


@pytest.fixture(scope="module")
def metadata(trained):
    return load_dmls(trained).metadata


def test_clients_agree_with_the_loaded_model(connect, loaded, metadata, scene):
    photo = Photo(scene)
    expected = segmenter(loaded)(photo)
    found = segmenter(connect(version=1))(photo)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.confidence, expected.confidence)
    for ask in (connect(), loaded):
        assert read_classes(ask) == (metadata["classes"], metadata["palette"])


def test_eight_threads_get_their_own_answers(connect, loaded, scene):
    photos = [Photo(np.roll(scene, 7 * i, 1)[:, : 60 - i].copy()) for i in range(8)]
    expected = list(map(segmenter(loaded), photos)) * 2
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(segmenter(connect()), photos * 2))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_one_bad_image_is_not_the_end(connect, scene):
    segment = segmenter(connect())
    with pytest.raises(DamagedFile, match=r"^a.png: 1501 x 2000 pixels, more than 3000000$"):
        segment(Photo(scene, bomb(2000, 1501), "a.png"))
    assert segment(Photo(scene)).labels.shape == (40, 60)


def test_faulty_requests_are_told_in_the_servers_words(connect, scene):
    with pytest.raises(UserError, match=r"model scenes: .*image_bytes\[1\]: an empty file"):
        connect()("serving_default", "image_bytes", [encoded(scene), b""])


def test_other_models_versions_and_exports(connect, served, scene):
    with pytest.raises(UserError, match="serves no model city; see --model_name"):
        read_classes(connect(model="city", **QUICK))
    served.states = {3: "AVAILABLE", 4: "AVAILABLE", 5: "LOADING"}
    with pytest.raises(UserError, match="has no version 7; served: 3, 4"):
        read_classes(connect(version=7, **QUICK))
    served.signatures = {"serving_default": None}
    with pytest.raises(UserError, match="exported by another version of dmls, export it again"):
        read_classes(connect(**QUICK))


def test_a_model_that_loads_is_waited_for(connect, served):
    served.states = {1: "LOADING"}
    with pytest.raises(Unavailable, match="not ready, 1 LOADING"):
        read_classes(connect(**QUICK))
    timer = threading.Timer(0.5, lambda: served.states.update({1: "AVAILABLE"}))
    timer.start()
    assert read_classes(connect())[0]


@pytest.mark.parametrize("version", [None, 1])
def test_a_model_that_is_ready_between_two_requests(version):
    """The prediction finds no model yet, the request for its state one moment later does."""
    error = not_found(Server("a", version=version), {1: "AVAILABLE"})
    assert isinstance(error, Unavailable)


def test_a_busy_server_is_asked_again(connect, served):
    served.busy = 2
    assert read_classes(connect(retries=2))[0]
    served.busy = 2
    with pytest.raises(Unavailable, match="queue is full"):
        read_classes(connect(retries=1))


def test_late_answers(connect, served):
    served.delay = 1.0
    start = time.monotonic()
    with pytest.raises(UserError, match=r"no response in 0.2 seconds; --timeout allows more"):
        read_classes(connect(timeout=0.2))
    assert time.monotonic() - start < 0.9
    served.delay = 0.0


def test_messages_have_limits(connect, scene):
    segment = segmenter(connect(max_message=3000))
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    with pytest.raises(DamagedFile, match=r"a.png: a request of \d+ bytes, at most 3000 are sent"):
        segment(Photo(noise, name="a.png"))
    with pytest.raises(UserError, match=r"of more than 3000 bytes|larger than max"):
        connect(max_message=3000, **QUICK)("serving_default", "image_bytes", [encoded(scene[:9])])


def test_no_server(protocol):
    ask = CLIENTS[protocol][0].connect(Server("localhost:9", **QUICK))
    with pytest.raises(Unavailable, match=r"^localhost:9: "):
        read_classes(ask)


@pytest.mark.parametrize("address", ["[::1", "http://", "no host:1", "localhost:port"])
def test_addresses_that_are_none(address):
    with pytest.raises(Unavailable, match=rf"^{re.escape(address)}: no server there \("):
        read_classes(rest.connect(Server(address, **QUICK)))


def test_a_server_that_is_none_of_ours(served):
    with (
        prediction_servers.rest_server(served) as address,
        pytest.raises(UserError, match=f"^{address}"),
    ):
        read_classes(grpc.connect(Server(address, timeout=2.0)))
    with (
        prediction_servers.grpc_server(served) as address,
        pytest.raises(UserError, match=f"^{address}"),
    ):
        read_classes(rest.connect(Server(address, timeout=2.0)))


def test_a_directory_without_a_model(tmp_path):
    with pytest.raises(UserError, match="neither a .keras file nor what scripts/export.py writes"):
        saved_model.connect(tmp_path)


def test_pauses_grow_and_end_with_the_deadline(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    def attempt(_):
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        with_retries(attempt, Server("a", retries=4))
    assert len(pauses) == 4
    for pause, full in zip(pauses, (0.2, 0.4, 0.8, 1.6), strict=True):
        assert full / 2 <= pause <= full
    pauses.clear()
    with pytest.raises(Unavailable):
        with_retries(attempt, Server("a", retries=9, timeout=0.15))
    assert len(pauses) <= 1
