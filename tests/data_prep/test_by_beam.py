"""Conversion by Apache Beam, in processes of this machine."""

import pytest

from tests.helpers import failed, succeeded

pytest.importorskip("apache_beam", reason="needs the extra [beam]")
pytestmark = pytest.mark.slow

COMMAND = "data_prep/synthetic_to_tfrecord.py"
SCENES = ("--num_images=12,4", "--num_shards=2", "--height=48", "--width=64")
BEAM = ("--num_workers=2", "--", "--runner=direct")


def test_shards_are_those_of_the_local_converter(synthetic_records, run_command, tmp_path):
    out = tmp_path / "records"
    succeeded(run_command(COMMAND, f"--output_dir={out}", *SCENES, *BEAM))
    expected = [path for path in synthetic_records.iterdir() if path.is_file()]
    assert {path.name for path in out.iterdir()} == {path.name for path in expected}
    for path in expected:
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert not (tmp_path / ".records.partial").exists()


def test_a_faulty_image_is_named(run_command, tmp_path):
    data = tmp_path / "camvid"
    for folder in ("train", "trainannot"):
        (data / folder).mkdir(parents=True)
        (data / folder / "a.png").write_bytes(b"no image")
    flags = (f"--data_dir={data}", f"--output_dir={tmp_path / 'out'}", "--splits=train")
    failed(run_command("data_prep/camvid_to_tfrecord.py", *flags, *BEAM), f"{data}/train/a.png: ")
    assert not (tmp_path / "out").exists()
