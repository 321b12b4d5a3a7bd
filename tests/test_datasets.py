import json

import pytest

from dmls_tf.datasets import CAMVID, DatasetInfo, SplitInfo, ade20k, color_wheel
from dmls_tf.errors import UserError


def info_of(pixels, image_pixels):
    split = SplitInfo(
        2, ("train-00000-of-00001.tfrecord",), pixels, (1,) * len(pixels), image_pixels, 5
    )
    names = tuple("abcd"[: len(pixels)])
    return DatasetInfo("toy", names, color_wheel(len(pixels)), {"train": split})


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
    path.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        DatasetInfo.load(tmp_path)


@pytest.mark.parametrize("spec", [CAMVID, ade20k([f"class {i}" for i in range(150)])])
def test_specs_are_consistent(spec):
    assert len(spec.palette) == spec.num_classes
    assert len(set(spec.palette)) == spec.num_classes
    classes = [c for c in spec.raw_to_class.values() if c != 255]
    assert sorted(classes) == list(range(spec.num_classes))


def test_ade20k_labels_are_off_by_one():
    spec = ade20k([f"class {i}" for i in range(150)])
    assert (spec.raw_to_class[0], spec.raw_to_class[1], spec.raw_to_class[150]) == (255, 0, 149)
