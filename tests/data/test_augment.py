import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.data import augment


def pair(height, width):
    """An image whose red and green are the row and column of a pixel, and a label of both."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, np.zeros_like(x)], -1).astype(np.float32)
    return tf.constant(image), tf.constant(100 * y + x, tf.int32)


def in_dataset(function, *arguments):
    """What a function gives inside a `tf.data` map."""
    dataset = tf.data.Dataset.from_tensors(arguments).map(function)
    return next(iter(dataset))


def matches(image, label):
    rows, columns = np.round(image[..., 0]), np.round(image[..., 1])
    return np.array_equal(100 * rows + columns, label)


def test_labels_are_resized_to_the_nearest():
    image, _ = pair(4, 6)
    label = tf.constant(np.array([[0, 200]] * 2), tf.int32)
    resized_image, resized = augment.resize(image, label, (4, 4))
    assert resized_image.shape == (4, 4, 3)
    assert resized.numpy().tolist() == [[0, 0, 200, 200]] * 4


@pytest.mark.parametrize("function", [augment.random_flip, None])
def test_image_and_label_move_together(function):
    function = function or (
        lambda image, label, seed: augment.random_crop(image, label, (5, 4), seed)
    )
    image, label = pair(9, 7)
    seen = set()
    for seed in range(20):
        moved = in_dataset(function, image, label, tf.constant([seed, 1]))
        assert matches(*(part.numpy() for part in moved))
        eagerly = function(image, label, tf.constant([seed, 1]))
        np.testing.assert_array_equal(moved[1], eagerly[1])
        seen.add(moved[1].numpy().tobytes())
    assert len(seen) > 1


def test_crops_reach_every_corner():
    image, label = pair(6, 6)
    corners = set()
    for seed in range(100):
        _, crop = augment.random_crop(image, label, (5, 5), tf.constant([seed, 0]))
        corners.add(int(crop[0, 0]))
    assert corners == {0, 1, 100, 101}


def test_small_images_are_padded_with_ignored_pixels():
    image, label = pair(3, 4)
    image, label = augment.random_crop(image, label, (5, 4), tf.constant([0, 0]))
    assert image.shape == (5, 4, 3)
    assert (label.numpy()[3:] == 255).all()
    assert (image.numpy()[3:] == 0).all()
    assert label.numpy()[2, 3] == 203
