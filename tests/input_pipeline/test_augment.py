import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import DataConfig
from dmls_tf.input_pipeline import augment


def pair(height, width):
    """An image whose red and green are the row and column of a pixel, and a label of both."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, np.zeros_like(x)], -1).astype(np.uint8)
    return tf.constant(image), tf.constant((16 * y + x) % 251, tf.uint8)


def in_dataset(function, *arguments):
    """What a function gives inside a `tf.data` map."""
    dataset = tf.data.Dataset.from_tensors(arguments).map(function)
    return next(iter(dataset))


def matches(image, label):
    rows, columns = np.round(image[..., 0]), np.round(image[..., 1])
    return np.array_equal((16 * rows + columns) % 251, label)


def test_labels_are_resized_to_the_nearest():
    image, _ = pair(2, 2)
    label = tf.constant([[0, 200]] * 2, tf.uint8)
    resized_image, resized = augment.resize(image, label, (4, 4))
    assert resized_image.shape == (4, 4, 3)
    assert resized.numpy().tolist() == [[0, 0, 200, 200]] * 4


def test_labels_are_resized_as_tensorflow_does(rng):
    for _ in range(100):
        height, width, *size = rng.integers(1, 300, 4)
        label = rng.integers(0, 256, (height, width), np.uint8)
        image = np.zeros((height, width, 3), np.uint8)
        _, resized = augment.resize(image, label, size)
        expected = tf.image.resize(label[..., None], size, method="nearest")[..., 0]
        np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (DataConfig(crop_size=(5, 4)), (5, 4)),
        (DataConfig(image_size=(9, 7)), (9, 7)),
        (DataConfig(image_size=(18, 14), crop_size=(10, 8), random_flip=False), (10, 8)),
    ],
)
def test_image_and_label_move_together(config, shape):
    """Sizes that are the image's own or twice as much, where rows and columns stay exact enough."""
    image, label = pair(9, 7)
    seen = set()
    for seed in range(20):
        seeds = tf.constant([seed, 1], tf.int64)
        moved = in_dataset(lambda i, lb, s: augment.augment(i, lb, config, s), image, label, seeds)
        moved_image, moved_label = (part.numpy() for part in moved)
        assert moved_label.shape == shape
        if config.image_size == (18, 14):  # inner pixels lie a quarter beside those of the source
            assert set(np.unique(moved_label)) <= set(np.unique(label))
            row = (moved_label[..., None] == label.numpy().ravel()).argmax(-1) // 7
            assert np.abs(moved_image[..., 0] - row).max() <= 0.5
        else:
            assert matches(moved_image, moved_label)
        eagerly = augment.augment(image, label, config, seeds)
        np.testing.assert_array_equal(moved_label, eagerly[1])
        np.testing.assert_array_equal(moved_image, eagerly[0])
        seen.add(moved_label.tobytes())
    assert len(seen) > 1


def test_a_flip_is_a_flip():
    image, label = pair(4, 5)
    for condition in (True, False):
        flipped_image, flipped = augment.flip_if(tf.constant(condition), image, label)
        step = -1 if condition else 1
        np.testing.assert_array_equal(flipped_image, image[:, ::step])
        np.testing.assert_array_equal(flipped, label[:, ::step])


def test_crops_reach_every_corner_and_no_further():
    image, label = pair(6, 6)
    corners = set()
    for y in (0.0, 0.49, 0.5, 0.999999):
        for x in (0.0, 0.999999):
            _, crop = augment.cut(image, label, (5, 5), tf.constant([y, x]))
            corners.add(int(crop[0, 0]))
    assert corners == {0, 1, 16, 17}


def test_small_images_are_padded_with_ignored_pixels():
    image, label = pair(3, 4)
    image, label = augment.cut(image, label, (5, 4), tf.constant([0.5, 0.5]))
    image, label = augment.pad(image, label, (5, 4))
    assert image.shape == (5, 4, 3)
    assert (label.numpy()[3:] == 255).all()
    assert (image.numpy()[3:] == 0).all()
    assert label.numpy()[2, 3] == 35


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_crop_of_a_scaled_image_shows_the_scaled_part(scale):
    """A wide white bar of 20 pixels is 20 scale pixels wide in the crop."""
    label = np.zeros((40, 200), np.uint8)
    label[:, 90:110] = 1
    image = 255 * np.repeat(label[..., None], 3, -1)
    config = DataConfig(crop_size=(10, 90), scale_range=(scale, scale), random_flip=False)
    widths = set()
    for seed in range(30):
        seeds = tf.constant([seed, 0], tf.int64)
        crop_image, crop = (part.numpy() for part in augment.augment(image, label, config, seeds))
        assert crop.shape == (10, 90)
        assert ((crop_image[..., 0] > 127) == (crop == 1)).mean() > 0.97
        if crop[0, 0] == crop[0, -1] == 0:
            widths.add(int((crop[0] == 1).sum()))
    assert max(widths) in (20 * scale - 1, 20 * scale, 20 * scale + 1)


def test_an_image_that_is_smaller_than_the_window_keeps_its_edges():
    """40 x 200 pixels at scale 0.5 are 20 x 100; the black around them does not mix with them."""
    label, image = np.zeros((40, 200), np.uint8), np.full((40, 200, 3), 200, np.uint8)
    config = DataConfig(crop_size=(30, 120), scale_range=(0.5, 0.5), random_flip=False)
    seeds = tf.constant([0, 0], tf.int64)
    image, label = (part.numpy() for part in augment.augment(image, label, config, seeds))
    inside = np.zeros((30, 120), bool)
    inside[:20, :100] = True
    np.testing.assert_array_equal(image[..., 0], np.where(inside, 200, 0))
    np.testing.assert_array_equal(label, np.where(inside, 0, 255))


def test_scales_are_drawn_from_the_whole_range():
    image, label = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
    config = DataConfig(crop_size=(64, 64), scale_range=(0.5, 1.0))
    shares = []
    for seed in range(60):
        _, crop = augment.augment(image, label, config, tf.constant([seed, 0], tf.int64))
        shares.append(np.sqrt((crop.numpy() != 255).mean()))  # the rest is padding
    assert 0.49 <= min(shares) < 0.56
    assert 0.94 < max(shares) <= 1.0


def test_jitter_changes_colours_within_their_range_and_no_label(rng):
    image = rng.integers(0, 256, (12, 16, 3), np.uint8)
    label = rng.integers(0, 9, (12, 16), np.uint8)
    for strength, low, high in ((0.1, 0.5, 12), (1.0, 8, 100)):
        config = DataConfig(image_size=(12, 16), random_flip=False, jitter=strength)
        changes = []
        for seed in range(10):
            seeds = tf.constant([seed, 0], tf.int64)
            jittered, same = augment.augment(image, label, config, seeds)
            np.testing.assert_array_equal(same, label)
            assert jittered.numpy().min() >= 0
            assert jittered.numpy().max() <= 255
            changes.append(np.abs(jittered.numpy() - image).mean())
        assert low < np.mean(changes) < high
        assert np.std(changes) > 0
