"""Labels for many images: each once, whatever is interrupted, and what a table says of them."""

import io
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dmls_tf.client import labelling
from dmls_tf.images.label_maps import png_bytes, read_label
from tests.helpers import ROOT, failed, run_here, succeeded

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra [beam]")
CLASSES = ["dark", "bright", "neither"]


def ask(signature, key, values):
    """Stands for a model: bright pixels are of class 1, their confidence is their brightness."""
    greys = [np.asarray(Image.open(io.BytesIO(value)).convert("L")) for value in values]
    return {
        "mask_png_bytes": [png_bytes((grey > 127).astype(np.uint8)) for grey in greys],
        "confidence_png_bytes": [png_bytes(grey) for grey in greys],
        "error": [b"x y" if grey.size == 1 else b"" for grey in greys],
    }


@pytest.fixture
def images(tmp_path, rng):
    """{name: path} of six images, of several formats, one in a folder, one of a single pixel."""
    endings, images = (".png", ".bmp", ".webp", ".png", ".tif", ".png"), {}
    for i, ending in enumerate(endings):
        path = tmp_path / "images" / ("sub" if i == 3 else "") / f"{i}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (1, 1) if i == 5 else (6, 8 + i)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8).repeat(1, 0)).save(path)
        images[str(path.relative_to(tmp_path / "images").with_suffix(""))] = path
    return images


def label_all(images, output_dir, ask=ask):
    for group in labelling.write_groups(images, 4, output_dir):
        labelling.label_with(ask, CLASSES, group, output_dir, batch_size=3)


def rows_of(output_dir):
    parts = sorted((output_dir / "table").glob("*.parquet"))
    return [row for path in parts for row in parquet.read_table(path).to_pylist()]


def test_a_row_says_what_the_label_holds(images, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "damaged.png").write_bytes(b"no image")
    label_all(images | {"damaged": tmp_path / "damaged.png", "gone": tmp_path / "gone.png"}, out)
    rows = {row["image"]: row for row in rows_of(out)}
    assert rows.keys() == set(images) - {"5"}
    for name, row in rows.items():
        grey = np.asarray(Image.open(images[name]).convert("L"))
        assert (row["height"], row["width"]) == grey.shape
        assert row["share_bright"] == pytest.approx((grey > 127).mean())
        assert row["share_dark"] + row["share_bright"] == pytest.approx(1)
        assert row["share_neither"] == 0
        assert row["confidence"] == pytest.approx(grey.mean() / 255)
        np.testing.assert_array_equal(read_label(out / f"{name}_label.png"), grey > 127)
    faults = labelling.failed_images(out)
    assert [fault.partition(": ")[0] for fault in sorted(faults)] == sorted(
        map(str, (tmp_path / "damaged.png", tmp_path / "gone.png", images["5"]))
    )
    assert not list((out / "todo").iterdir())


def test_a_group_that_was_cut_off_is_done_again(images, tmp_path):
    del images["5"]
    out, calls = tmp_path / "out", []

    def broken(*request):
        calls.append(request)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return ask(*request)

    with pytest.raises(KeyboardInterrupt):
        label_all(images, out, broken)
    assert len(list(out.rglob("*_label.png"))) == 3
    assert labelling.finished_images(out) == set()
    label_all(images, out)
    assert sorted(row["image"] for row in rows_of(out)) == sorted(images)


def test_later_runs_do_what_is_missing(images, tmp_path):
    del images["5"]
    out = tmp_path / "out"
    first = dict(list(images.items())[:2])
    label_all(first, out)
    done = labelling.finished_images(out)
    assert done == set(first)
    label_all({name: path for name, path in images.items() if name not in done}, out)
    assert sorted(row["image"] for row in rows_of(out)) == sorted(images)


def test_a_repeated_group_changes_nothing(images, tmp_path):
    label_all(images, tmp_path)
    (group, *_) = (path.stem for path in (tmp_path / "table").iterdir())
    labelling.label_with(None, CLASSES, group, tmp_path, 1)


@pytest.mark.slow
def test_the_command_loses_nothing_and_does_nothing_twice(exported, synthetic_records, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    photos = sorted((synthetic_records / "png" / "train").glob("*.png"))
    (tmp_path / "damaged.png").write_bytes(b"no image")
    listed = tmp_path / "photos.txt"
    listed.write_text("".join(f"{path}\n" for path in (*photos, tmp_path / "damaged.png")))
    out = tmp_path / "out"
    arguments = (f"--model={exported.parent}", f"--images={listed}", f"--output_dir={out}")
    arguments = (*arguments, "--group_size=2", "--num_workers=2")
    command = [sys.executable, str(ROOT / "scripts/label_images.py"), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("table/*.parquet")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert re.search(r"\d images had labels already\nleft out 1 images, see", succeeded(done))
    assert f"left out {tmp_path / 'damaged.png'}: " in done.stderr
    names = [row["image"] for row in rows_of(out)]
    assert len(names) == len(set(names)) == len(photos)
    succeeded(
        run_here(
            "scripts/predict.py",
            f"--model={exported.parent}",
            f"--images={photos[0].parent}",
            f"--output_dir={tmp_path / 'predicted'}",
            "--pictures=label",
        )
    )
    labels = {path.name.split("_label")[0]: path for path in out.rglob("*_label.png")}
    for path in (tmp_path / "predicted").glob("*_label.png"):
        found = labels[path.name.split("_label")[0]]
        np.testing.assert_array_equal(read_label(found), read_label(path))


def test_what_is_no_exported_model_is_told(tmp_path, trained):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    flags = (f"--model={tmp_path}", f"--images={tmp_path}", f"--output_dir={tmp_path / 'out'}")
    failed(run_here("scripts/label_images.py", *flags), "not what scripts/export.py writes")
