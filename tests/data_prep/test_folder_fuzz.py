"""300 damaged or odd folders of a user: one clear line, or right records, each time."""

import re
import shutil

import numpy as np
import pytest

from tests.data_prep.own_folders import SIZE, converted, draw, run, write_images, write_labels
from tests.helpers import failed
from tests.records.files import save

pytestmark = pytest.mark.usefixtures("in_this_process")


def bad_size(path, rng):
    save(path, rng.choice([0, 10], (5, 7)))


def unknown_value(path, rng):
    save(path, np.full(SIZE, 77))


def truncated(path, rng):
    path.write_bytes(path.read_bytes()[: rng.integers(0, path.stat().st_size)])


def flipped(path, rng):
    content = bytearray(path.read_bytes())
    if content:
        content[rng.integers(0, len(content))] ^= 1 << rng.integers(0, 8)
    path.write_bytes(bytes(content))


def text(path, rng):
    path.write_text("<html>404</html>")


def gone(path, rng):
    path.unlink()


def a_folder(path, rng):
    path.unlink()
    path.mkdir()


def broken_link(path, rng):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def copied(path, rng):
    shutil.copy(path, path.with_suffix(rng.choice([".PNG", ".bmp", ".jpeg", ".txt", ".json"])))


def cycle(path, rng):
    (path.parent / f"back_{rng.integers(10**9)}").symlink_to(path.parent)


def renamed(path, rng):
    path.rename(path.with_name(f"{path.stem}_mask{path.suffix}"))


def photograph(path, rng):
    save(path, rng.integers(0, 256, (*SIZE, 3)))


ODDITIES = (
    *(bad_size, unknown_value, truncated, flipped, text, gone, a_folder),
    *(broken_link, copied, cycle, renamed, photograph),
)


@pytest.mark.parametrize("part", range(3))
def test_a_hundred_odd_folders_end_in_one_line_or_in_right_records(part, tmp_path):
    outcomes = set()
    for number in range(100 * part, 100 * part + 100):
        root = tmp_path / str(number)
        rng = np.random.default_rng(number)
        labels = draw(rng, "abc")
        write_images(root / "images", labels, rng, "png")
        write_labels(root / "labels", labels, "values")
        (root / "classes.csv").write_text("road,0\nsky,10\ntree,20\n")
        touched = set()
        for _ in range(rng.integers(1, 3)):
            files = [path for path in root.glob("*/?.png") if path.is_file()]
            path = files[rng.integers(len(files))]
            ODDITIES[rng.integers(len(ODDITIES))](path, rng)
            touched.add(path.name)
        (root / "all.txt").write_text("a\nb\nc\n")
        flags = [f"--classes={root / 'classes.csv'}", f"--split_lists={root / 'all.txt'}"]
        done = run(root, *flags, f"--on_error={rng.choice(['fail', 'skip'])}")
        outcomes.add(done.returncode)
        if done.returncode:
            done.stderr = re.sub("^warning: .*\n", "", done.stderr, flags=re.MULTILINE)
            failed(done)
            assert not (root / "records").exists()
            continue
        for name, found in converted(root / "records", "all").items():
            if name not in touched:
                np.testing.assert_array_equal(found, labels[name[0]])
    assert outcomes == {0, 1}
