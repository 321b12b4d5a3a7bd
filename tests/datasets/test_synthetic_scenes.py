import numpy as np
import pytest

from dmls_tf.datasets.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf.records.scenes import Scene


@pytest.mark.parametrize("size", [(32, 32), (48, 100), (144, 192)])
def test_any_size(size, rng):
    image, label = draw_scene(*size, rng)
    assert image.shape == (*size, 3)
    assert label.shape == size
    assert image.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) <= {*range(8), 255}


def test_the_seed_decides_everything():
    first, again = (draw_scene(48, 64, np.random.default_rng(5)) for _ in range(2))
    other = draw_scene(48, 64, np.random.default_rng(6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


def test_scenes_of_different_splits_differ():
    scenes = (Scene(split, 0, 48, 64, seed=0) for split in ("train", "val"))
    train, val = (scene.read(SYNTHETIC) for scene in scenes)
    assert train.image_bytes != val.image_bytes


def test_classes_differ_by_orders_of_magnitude_and_all_occur():
    counts = np.zeros(256)
    for i in range(40):
        counts += np.bincount(
            draw_scene(72, 96, np.random.default_rng(i))[1].ravel(), minlength=256
        )
    shares = counts[: SYNTHETIC.num_classes] / counts.sum()
    assert shares.min() > 0
    assert shares.max() > 100 * shares.min()
    assert counts[255] > 0


def test_colour_alone_does_not_tell_the_class():
    """The nearest mean colour labels under two thirds of the pixels of the rarer classes right."""
    scenes = [draw_scene(72, 96, np.random.default_rng(i)) for i in range(20)]
    image = np.concatenate([scene[0].reshape(-1, 3) for scene in scenes]).astype(float)
    label = np.concatenate([scene[1].ravel() for scene in scenes])
    means = np.stack([image[label == c].mean(0) for c in range(8)])
    nearest = ((image[:, None] - means) ** 2).sum(-1).argmin(1)
    recall = [(nearest[label == c] == c).mean() for c in range(2, 8)]
    assert np.mean(recall) < 0.66
