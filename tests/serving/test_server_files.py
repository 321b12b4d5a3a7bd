"""The files beside the server: parsed by TF Serving's messages, run against a loopback server."""

import base64
import json
import pathlib
import re
import subprocess

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from dmls_tf.config import ServingConfig
from tests import prediction_servers
from tests.image_files import encoded

ROOT = pathlib.Path(__file__).parents[2]
SERVING = ROOT / "serving"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BY_CURL = [
    pytest.param(command, id=page.name)
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    for command in re.findall(r"(?:.*\\\n)*.*", block)
    if "base64" in command
]


def test_the_models_are_those_that_clients_ask_for():
    text = (SERVING / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("dmls", "/models/dmls")
    assert model.model_version_policy.latest.num_versions == 1
    assert ":/models/dmls:ro" in (SERVING / "compose.yaml").read_text()


def test_batches_are_no_larger_than_the_model_takes():
    text = (SERVING / "batching.config").read_text()
    size = int(re.search(r"^max_batch_size \{ value: (\d+) \}", text, re.M).group(1))
    assert size == ServingConfig((48, 64)).max_batch


@pytest.mark.parametrize("command", BY_CURL)
def test_the_documents_requests_take_large_photographs(command, rng, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo := rng.bytes(300_000))
    (tmp_path / "curl").write_text("#!/bin/sh\ncat >body")
    (tmp_path / "curl").chmod(0o755)
    environment = {"photo": "photo.jpg", "PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, check=True)
    (instance,) = json.loads((tmp_path / "body").read_text())["instances"]
    assert base64.b64decode(instance.get("b64") or instance["image_bytes"]["b64"]) == photo


def test_there_are_such_requests():
    assert len(BY_CURL) == 2


@pytest.mark.slow
def test_the_requests_of_the_smoke_test(exported, scene, tmp_path):
    served = prediction_servers.served_from(exported)
    (tmp_path / "photo.png").write_bytes(encoded(scene))
    with prediction_servers.rest_server(served) as address:
        command = ["bash", SERVING / "smoke_test.sh", exported.parent, tmp_path / "photo.png"]
        done = subprocess.run(
            command,
            env={"SERVER": address, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.stdout.endswith("all as expected\n"), done.stderr
