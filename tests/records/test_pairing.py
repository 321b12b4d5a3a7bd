import pytest

from dmls_tf.errors import UserError
from dmls_tf.records.pairing import JPEG_OR_PNG, pair_files


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pairs_are_sorted_and_hidden_files_passed_over(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    touch(images / "b.JPG", images / "a.png", images / "._a.png", images / "notes.txt")
    touch(labels / "a.png", labels / "b.png", labels / ".DS_Store")
    assert list(pair_files((images, *JPEG_OR_PNG), (labels, ".png"))) == [
        (images / "a.png", labels / "a.png"),
        (images / "b.JPG", labels / "b.png"),
    ]


def test_files_are_paired_below_folders_by_more_than_their_suffix(tmp_path):
    images, labels = tmp_path / "left", tmp_path / "gt"
    touch(images / "ulm" / "u_1_left.png", images / "bonn" / "b_1_left.png")
    for city in ("ulm", "bonn"):
        for kind in ("ids", "instances", "color"):
            touch(labels / city / f"{city[0]}_1_{kind}.png")
    pairs = pair_files((images, "_left.png"), (labels, "_ids.png"), (labels, "_instances.png"))
    assert list(pairs) == [
        (
            images / city / f"{city[0]}_1_left.png",
            labels / city / f"{city[0]}_1_ids.png",
            labels / city / f"{city[0]}_1_instances.png",
        )
        for city in ("bonn", "ulm")
    ]


def test_what_is_missing_keeps_its_place(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    touch(images / "a.jpg", images / "c.png", labels / "b.png", labels / "c.png")
    assert list(pair_files((images, *JPEG_OR_PNG), (labels, ".png"))) == [
        (images / "a.jpg", labels / "a.png"),
        (images / "b.jpg", labels / "b.png"),
        (images / "c.png", labels / "c.png"),
    ]


@pytest.mark.parametrize("second", ["a.jpg", "A/../a.JPG", "a.jpeg"])
def test_two_images_of_one_name_are_refused(second, tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    touch(images / "a.png", images / "A" / "b.png", images / second, labels / "a.png")
    with pytest.raises(UserError, match=r"a\.\w+ and a\.\w+: two files of one name"):
        list(pair_files((images, *JPEG_OR_PNG), (labels, ".png")))


def test_names_of_which_none_fits_are_told(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    touch(images / "a.png", labels / "a_mask.png")
    with pytest.raises(UserError, match="no image has a label of its name: .*a.png and .*a_mask"):
        list(pair_files((images, ".png"), (labels, ".png")))


def test_links_to_folders_are_followed_and_cycles_end(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    touch(images / "a.png", tmp_path / "disk" / "b.png", labels / "a.png", labels / "x" / "b.png")
    (images / "x").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(images)
    assert list(pair_files((images, ".png"), (labels, ".png"))) == [
        (images / "a.png", labels / "a.png"),
        (images / "x" / "b.png", labels / "x" / "b.png"),
    ]


def test_missing_and_empty_folders_are_said(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    with pytest.raises(UserError, match="images: no such directory"):
        list(pair_files((images, ".png"), (labels, ".png")))
    images.mkdir()
    labels.mkdir()
    with pytest.raises(UserError, match="images: no images"):
        list(pair_files((images, ".png"), (labels, ".png")))
