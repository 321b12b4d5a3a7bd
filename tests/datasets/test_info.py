import json

import pytest

from dmls_tf.datasets import DatasetSpec, color_wheel
from dmls_tf.datasets.info import DatasetInfo, ShardInfo, SplitInfo, doubts, merge
from dmls_tf.errors import UserError


def info_of(pixels, image_pixels):
    shard = ShardInfo("train-00000-of-00001.tfrecord", 2, 1234, "c0ffee")
    split = SplitInfo((shard,), pixels, (1,) * len(pixels), image_pixels, ignored_pixels=5)
    names = tuple("abcd"[: len(pixels)])
    raw = {10 + i: i for i in range(len(names))} | {0: 255}
    spec = DatasetSpec("toy", names, color_wheel(len(names)), raw, {"train": 2}, 1000)
    return DatasetInfo(spec, {"train": split}, max_side=99)


def test_file_round_trip(tmp_path):
    info = info_of((10, 30), (100, 100))
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info


def test_median_frequency_weights():
    info = info_of((10, 30, 0, 100), (100, 200, 0, 200))  # shares 0.1, 0.15, none, 0.5
    assert info.class_weights("train") == pytest.approx((1.5, 1.0, 1.0, 0.3))
    assert info.class_weights("train", 0.5) == pytest.approx((1.5**0.5, 1.0, 1.0, 0.3**0.5))
    even = info_of((10, 30), (100, 100))
    assert even.class_weights("train") == pytest.approx((2.0, 2 / 3))


@pytest.mark.parametrize(
    ("pixels", "lines"),
    [
        ((10, 30), []),
        ((1, 1), ["train: 71.4 % of the pixels are ignored"]),
        ((9, 0), ["train: all labelled pixels are a"]),
        ((0, 9, 0), ["train: all labelled pixels are b"]),
        ((9, 0, 9, 0), ["train: no pixel is b, d"]),
        ((0, 0), ["train: 100.0 % of the pixels are ignored"]),
        ((2, 0), ["train: 71.4 % of the pixels are ignored", "train: all labelled pixels are a"]),
    ],
)
def test_what_is_odd_in_a_split_is_said(pixels, lines):
    assert doubts(info_of(pixels, pixels), "train") == lines


def test_what_is_wrong_with_a_directory_is_said(tmp_path):
    with pytest.raises(UserError, match="no records directory"):
        DatasetInfo.load(tmp_path)
    info_of((1, 2), (3, 3)).save(tmp_path)
    with pytest.raises(UserError, match="no split 'val' in these records; there are train"):
        DatasetInfo.load(tmp_path).split("val")
    path = tmp_path / "dataset.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"format_version": 0}))
    with pytest.raises(UserError, match="convert again"):
        DatasetInfo.load(tmp_path)
    for text in ("{", "[]", "{}", "\xff", json.dumps(content | {"splits": {"train": {}}})):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match="damaged"):
            DatasetInfo.load(tmp_path)
    content["splits"]["train"]["ignored_pixels"] = "5"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="damaged .*'5' is no count"):
        DatasetInfo.load(tmp_path)
    content["splits"]["train"] |= {"ignored_pixels": 5, "shards": []}
    for splits in (content["splits"], {}):
        path.write_text(json.dumps(content | {"splits": splits}))
        with pytest.raises(UserError, match="a split without images, or no split at all"):
            DatasetInfo.load(tmp_path)


def test_parts_are_added_up():
    part = info_of((10, 30), (100, 200)).splits["train"]
    both = merge([part, part])
    assert both.num_images == 4
    assert both.class_pixels == (20, 60)
    assert both.class_images == (2, 2)
    assert both.class_image_pixels == (200, 400)
    assert both.ignored_pixels == 10
