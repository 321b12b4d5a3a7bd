"""Data, trainings, models and results in an object store, by S3's protocol."""

import json
import os
import pathlib
import signal
import threading
import time

import numpy as np
import pytest

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, files_in, local_copy, replacing, sha256_of, sizes_in
from dmls_tf.inference.input_files import find_files
from dmls_tf.records import shard_cache
from dmls_tf.records.reading import read_split
from dmls_tf.training.checkpoints import find_checkpoints
from tests.forks import outcome, start_fork
from tests.helpers import failed, run_here, succeeded
from tests.object_store import Fault, serving
from tests.training.runs import FLAGS, assert_same_state, eagerly
from tests.training.workers import outcomes, start_workers

SCENES = ("--num_images=12,4", "--num_shards=2", "--height=48", "--width=64")
TRAINING = (*FLAGS, "--epochs=2", "--learning_rate=1e-3", "--checkpoint_steps=1")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    with serving() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in (store.environment | {"DMLS_CACHE_DIR": str(cache)}).items():
            patch.setenv(name, value)
        store.client().create_bucket(Bucket="data")
        yield store


@pytest.fixture(autouse=True)
def _sound(store):
    store.requests.clear()
    store.faults.clear()


@pytest.fixture(scope="module")
def records(store):
    """The scenes of `synthetic_records`, in the store."""
    succeeded(convert("s3://data/records"))
    return "s3://data/records"


def convert(output_dir, *flags):
    command = "data_prep/synthetic_to_tfrecord.py"
    return run_here(command, f"--output_dir={output_dir}", *SCENES, *flags)


def state_of(work_dir):
    with local_copy(find_checkpoints(work_dir / "checkpoints")[-1]) as file:
        return dict(np.load(file))


def test_records_are_those_on_a_disk(records, synthetic_records, run_command):
    assert (as_path(records) / "dataset.json").read_bytes() == (
        synthetic_records / "dataset.json"
    ).read_bytes()
    names = {path.name for path in synthetic_records.iterdir() if path.is_file()}
    assert sizes_in(records).keys() == names
    said = succeeded(run_command("data_prep/verify_records.py", records))
    assert "all 16 records are sound" in said


def test_a_complete_conversion_is_not_repeated(records, store):
    assert "complete already" in succeeded(convert(records))
    assert not [one for one in store.requests if one.startswith("PUT") and "tfrecord" in one]


def test_records_appear_when_all_shards_are_there(store):
    where = "s3://data/appearing"
    store.faults = [Fault("PUT /data/appearing/val-00000-of-00002", "403 Forbidden")]
    failed(convert(where), "s3://data/.appearing.partial/records/val-00000-of-00002", "Forbidden")
    assert "appearing/train-00000-of-00002.tfrecord" in store.names("appearing")
    failed(run_here("data_prep/verify_records.py", where), f"{where}/dataset.json: not found")
    store.faults.clear()
    succeeded(convert(where))
    assert len(list(read_split(where, "val"))) == 4
    puts = [request for request in store.requests if request.startswith("PUT")]
    assert puts[-1] == "PUT /data/appearing/dataset.json"
    assert not store.names(".appearing")


def test_records_are_replaced_only_on_request(store):
    where = "s3://data/replaced"
    succeeded(convert(where))
    failed(convert(where, "--seed=1"), "pass --overwrite")
    succeeded(convert(where, "--seed=1", "--num_shards=1", "--overwrite"))
    assert len([name for name in store.names("replaced") if "tfrecord" in name]) == 2
    assert len(list(read_split(where, "train+val"))) == 16


def test_files_of_others_are_never_replaced(store):
    store.client().put_object(Bucket="data", Key="others/thesis.txt", Body=b"")
    failed(convert("s3://data/others"), "s3://data/others: exists and is not empty")


def test_shards_are_fetched_once(records, store):
    shard_cache_size = len(list((shard_cache.cache_dir() / "shards").glob("*.tfrecord")))
    list(read_split(records, "train"))
    store.requests.clear()
    names = [example["filename"] for example in read_split(records, "train").as_numpy_iterator()]
    assert len(set(names)) == 12
    assert not [one for one in store.requests if one.startswith("GET") and "tfrecord" in one]
    assert len(list((shard_cache.cache_dir() / "shards").glob("*"))) >= shard_cache_size


def test_the_cache_does_not_outgrow_its_limit(records, monkeypatch, tmp_path):
    monkeypatch.setenv("DMLS_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(shard_cache, "BUSY", 0)
    shards = DatasetInfo.load(records).splits["train"].shards
    monkeypatch.setenv("DMLS_CACHE_GB", str(1.5 * shards[0].num_bytes / 1e9))
    for shard in (*shards, *shards):
        path = shard_cache.cached_shard(records, shard.name)
        assert sha256_of(path) == shard.sha256
        assert sum(file.stat().st_size for file in path.parent.iterdir()) < 1.6 * shard.num_bytes
    monkeypatch.setenv("DMLS_CACHE_GB", "much")
    with pytest.raises(UserError, match="DMLS_CACHE_GB must be a positive number"):
        shard_cache.cached_shard(records, shards[0].name)


def test_a_shard_that_changed_is_named(store, monkeypatch, tmp_path):
    where = "s3://data/changed"
    succeeded(convert(where))
    monkeypatch.setenv("DMLS_CACHE_DIR", str(tmp_path))
    key = "changed/val-00001-of-00002.tfrecord"
    content = bytearray(store.client().get_object(Bucket="data", Key=key)["Body"].read())
    content[-20] ^= 1
    store.client().put_object(Bucket="data", Key=key, Body=bytes(content))
    done = run_here(
        "data_prep/inspect_records.py", where, "--split=val", f"--output_dir={tmp_path}"
    )
    failed(done, f"s3://data/{key}: is not the shard that dataset.json describes")


def test_a_store_that_is_busy_for_a_moment_is_asked_again(records, store, tmp_path, monkeypatch):
    monkeypatch.setenv("DMLS_CACHE_DIR", str(tmp_path))
    store.faults = [Fault("GET /data/records/", times=2), Fault("HEAD /data/records/", times=1)]
    assert len(list(read_split(records, "val"))) == 4
    assert not any(fault.times for fault in store.faults)


@pytest.fixture(scope="module")
def on_disk(synthetic_records, tmp_path_factory):
    """The directory of a training on a disk."""
    work_dir = tmp_path_factory.mktemp("disk") / "run"
    where = (f"--records_dir={synthetic_records}", f"--work_dir={work_dir}")
    flags = (*TRAINING, "--batch_per_replica=4")
    code, output = outcome(start_fork("scripts/train.py", *where, *flags, eager=True))
    assert code == 0, output
    return work_dir


@pytest.mark.slow
def test_a_killed_training_goes_on_as_on_a_disk(records, on_disk, store, tmp_path):
    work_dir, log = as_path("s3://data/run"), tmp_path / "log"
    arguments = (f"--records_dir={records}", f"--work_dir={work_dir}", *TRAINING)
    arguments = (*arguments, "--batch_per_replica=4")
    upload, killed = "PUT /data/run/checkpoints/step-00000003", threading.Event()
    store.faults = [Fault(upload, after=killed)]
    process = start_fork("scripts/train.py", *arguments, log=log, eager=True)
    while not any(upload in request for request in store.requests):
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)
    process.kill()
    assert outcome(process)[0] == -signal.SIGKILL
    killed.set()
    store.faults.clear()
    assert not (work_dir / "model.keras").exists()
    assert len(find_checkpoints(work_dir / "checkpoints")) == 2
    code, output = outcome(start_fork("scripts/train.py", *arguments, log=log, eager=True))
    assert code == 0, output
    assert_same_state(state_of(work_dir), state_of(on_disk))
    assert (work_dir / "log.csv").read_text() == (on_disk / "log.csv").read_text()
    assert len(find_checkpoints(work_dir / "checkpoints")) == 2
    assert sizes_in(work_dir / "tensorboard")
    assert "is trained already" in succeeded(run_here("scripts/train.py", *arguments))
    done = run_here("scripts/train.py", *arguments, "--learning_rate=0.5")
    failed(done, "--initial_model=s3://data/run/model.keras")


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_workers_share_a_directory_in_a_store(records, on_disk, tmp_path):
    work_dir = as_path("s3://data/shared")
    flags = (f"--records_dir={records}", f"--work_dir={work_dir}", *TRAINING)
    codes, texts = outcomes(start_workers(tmp_path, *flags, "--batch_per_replica=2", eager=True))
    assert codes == [0, 0], "\n".join(texts)
    assert_same_state(state_of(work_dir), state_of(on_disk), tolerance=1e-6)


def test_a_model_is_scored_exported_and_used(records, trained, store, synthetic_records, tmp_path):
    with replacing("s3://data/model.keras") as path:
        path.write_bytes(trained.read_bytes())
    model = "--model=s3://data/model.keras"
    flags = (f"--records_dir={records}", "--output_dir=s3://data/scores", "--report")
    with eagerly():
        succeeded(run_here("scripts/evaluate.py", model, *flags))
    assert sizes_in("s3://data/scores").keys() == {"metrics.json", "images.csv", "report.html"}
    metrics = json.loads((as_path("s3://data/scores") / "metrics.json").read_text())
    assert metrics["images"] == 4

    flags = ("--export_dir=s3://data/exports", "--metrics=s3://data/scores/metrics.json")
    succeeded(run_here("scripts/export.py", model, *flags))
    puts = [one for one in store.requests if one.startswith("PUT") and "/exports/1/" in one]
    assert puts[-1] == "PUT /data/exports/1/saved_model.pb"

    photos = sorted((synthetic_records / "png" / "val").glob("*.png"))[:2]
    for photo in photos:
        store.client().upload_file(str(photo), "data", f"photos/{photo.name}")
    for images, source, target in (
        (photos[0].parent, f"--model={trained}", tmp_path),
        ("s3://data/photos", "--model=s3://data/exports", "s3://data/pictures"),
    ):
        flags = (f"--images={images}", source, f"--output_dir={target}")
        succeeded(run_here("scripts/predict.py", *flags))
    for name in ("legend.png", *(f"{photo.stem}_label.png" for photo in photos)):
        found = as_path("s3://data/pictures") / name
        assert found.read_bytes() == (tmp_path / name).read_bytes()


def test_images_of_a_store_are_found_as_on_a_disk(store, tmp_path):
    for name in ("a.jpg", "b/c.png", "b/.hidden.png", "__MACOSX/d.png", "notes.txt"):
        store.client().put_object(Bucket="data", Key=f"found/{name}", Body=b"")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (files, notes), (local_files, local_notes) = (
        find_files(["s3://data/found"]),
        find_files([tmp_path]),
    )
    assert list(files) == list(local_files) == ["a", "b/c"]
    assert [note.replace("s3://data/found", str(tmp_path)) for note in notes] == local_notes
    assert [str(path) for path in files_in("s3://data/found/b")] == ["s3://data/found/b/c.png"]


@pytest.mark.parametrize(
    ("command", "flags", "words"),
    [
        ("verify_records.py", ("s3://none/x",), "s3://none/x/dataset.json: not found"),
        ("synthetic_to_tfrecord.py", ("--output_dir=s3://none/x",), "s3://none/x"),
        ("verify_records.py", ("s3://",), "s3://: lacks the name of a bucket"),
        (
            "verify_records.py",
            ("ftp://a/b",),
            "ftp://a/b: must be a local path or begin with s3://",
        ),
        ("camvid_to_tfrecord.py", ("--data_dir=s3://data/camvid",), "must be a local path here"),
    ],
)
def test_bad_urls_are_told_in_one_line(store, command, flags, words):
    failed(run_here(f"data_prep/{command}", *flags), words)


def test_permissions_are_told_in_one_line(records, store, trained, tmp_path):
    url = "s3://data/records/dataset.json"
    store.faults = [Fault("/data/records/dataset.json", "403 Forbidden")]
    failed(run_here("data_prep/verify_records.py", records), f"{url}: Forbidden")
    store.faults = [Fault("PUT /data/scores2/", "403 Forbidden")]
    done = run_here(
        "scripts/evaluate.py",
        f"--model={trained}",
        f"--records_dir={records}",
        "--output_dir=s3://data/scores2",
    )
    failed(done, "s3://data/scores2: ", "Forbidden")


def test_a_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(UserError, match=r'gs://a/b: needs pip install "dmls-tf\[gcs\]"'):
        as_path("gs://a/b")


def test_paths_on_a_disk_stay_those_of_pathlib():
    assert type(as_path("records/camvid")) is type(pathlib.Path())
    assert os.fspath(as_path("a:b")) == "a:b"
