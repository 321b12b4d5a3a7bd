import pytest

from dmls_tf.datasets import CAMVID, CITYSCAPES, ade20k, mapillary

LABELS = [
    {"name": f"class {i}", "color": [i, 0, 0], "evaluate": i not in (1, 5), "instances": i == 2}
    for i in range(6)
]


@pytest.mark.parametrize(
    "spec",
    [CAMVID, CITYSCAPES, ade20k([f"class {i}" for i in range(150)]), mapillary(LABELS)],
    ids=lambda spec: spec.name,
)
def test_specs_are_consistent(spec):
    assert len(spec.palette) == spec.num_classes
    assert len(set(spec.palette)) == spec.num_classes
    classes = [c for c in spec.raw_to_class.values() if c != 255]
    assert sorted(classes) == list(range(spec.num_classes))


def test_ade20k_labels_are_off_by_one():
    spec = ade20k([f"class {i}" for i in range(150)])
    assert (spec.raw_to_class[0], spec.raw_to_class[1], spec.raw_to_class[150]) == (255, 0, 149)


def test_cityscapes_train_ids():
    """The first, some and the last of the published table."""
    expected = {7: "road", 11: "building", 17: "pole", 19: "traffic light", 24: "person"}
    expected |= {25: "rider", 26: "car", 28: "bus", 31: "train", 33: "bicycle"}
    for raw, name in expected.items():
        assert CITYSCAPES.class_names[CITYSCAPES.raw_to_class[raw]] == name
    ignored = {raw for raw, class_id in CITYSCAPES.raw_to_class.items() if class_id == 255}
    assert ignored == {*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 255}
    assert (CITYSCAPES.split_sizes["train"], CITYSCAPES.split_sizes["val"]) == (2975, 500)


def test_mapillary_classes_are_the_labels_that_are_evaluated():
    spec = mapillary(LABELS)
    assert spec.class_names == ("class 0", "class 2", "class 3", "class 4")
    assert spec.raw_to_class == {0: 0, 1: 255, 2: 1, 3: 2, 4: 3, 5: 255}
    assert spec.palette[1] == (2, 0, 0)
