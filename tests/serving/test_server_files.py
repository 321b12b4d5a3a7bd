"""The files beside the server: parsed by TF Serving's messages, run against a loopback server."""

import pathlib
import re
import subprocess

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from dmls_tf.config import ServingConfig
from tests import prediction_servers
from tests.image_files import encoded

SERVING = pathlib.Path(__file__).parents[2] / "serving"


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
