"""Weights taken over by the names of classes, against a network whose classes are permuted."""

import dataclasses

import keras
import numpy as np
import pytest

from dmls_tf.config import LIKELIHOODS, LevelSetConfig, ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.models import build_dmls, transfer_weights

BASE = ModelConfig(
    num_classes=5,
    backbone="vgg16",
    width_multiplier=0.0625,
    decoder_channels=16,
    recurrent_steps=2,
    level_set=LevelSetConfig(evolution_steps=1, rho=-1.0),
)


def network(names, seed, **changes):
    """A network whose weights are all random, the zeros of fresh ones included."""
    config = dataclasses.replace(BASE, num_classes=len(names), **changes)
    model = build_dmls(config, {"classes": list(names)})
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(np.abs(rng.normal(0.1, 0.1, weight.shape)))
    return model


CASES = [{"likelihood": name} for name in LIKELIHOODS]
CASES += [{"prior_entry": "decoder"}, {"network": "fcn8s"}, {"level_set": None}]


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_classes_in_another_order_give_the_same_logits_in_that_order(changes, rng):
    source, target = network("abcde", 1, **changes), network("cadeb", 2, **changes)
    assert transfer_weights(source, target) == (list("cadeb"), [])
    images = rng.integers(0, 256, (1, 32, 32, 3)).astype("float32")
    order = ["abcde".index(name) for name in "cadeb"]
    expected, found = source(images), target(images)
    assert expected.keys() == found.keys()
    for name, logits in expected.items():
        logits = keras.ops.convert_to_numpy(logits)[..., order]
        np.testing.assert_allclose(found[name], logits, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_classes_of_both_are_kept_and_others_stay_fresh(changes):
    """From 8 to 11 classes of which 3 are in both; each weight of a class is told by its value."""
    before, now = "abcdefgh", "xhyazbuvwst"
    source, target = network(before, 1, **changes), network(now, 2, **changes)
    fresh = [np.array(weight) for weight in target.weights]
    kept, new = transfer_weights(source, target)
    assert (kept, new) == (list("hab"), list("xyzuvwst"))
    ids = [before.index(name) for name in kept], [now.index(name) for name in kept]
    others = [now.index(name) for name in new]
    depending = 0
    for ours, theirs, first in zip(source.weights, target.weights, fresh, strict=True):
        ours, theirs = np.array(ours), np.array(theirs)
        if ours.shape == theirs.shape:
            np.testing.assert_array_equal(theirs, ours)
            continue
        depending += 1
        (axis,) = np.flatnonzero(np.array(ours.shape) != theirs.shape)
        assert theirs.shape[axis] - ours.shape[axis] == 3
        ours, theirs, first = (np.moveaxis(some, axis, 0) for some in (ours, theirs, first))
        np.testing.assert_array_equal(theirs[ids[1]], ours[ids[0]])
        np.testing.assert_array_equal(theirs[others], first[others])
        np.testing.assert_array_equal(theirs[11:], ours[8:])
    assert depending >= 3  # logits and their bias, and W_P


def test_equal_classes_are_copied_and_an_unknown_source_by_number():
    source, target = network("abcde", 1), network("abcde", 2)
    assert transfer_weights(source, target) == (list("abcde"), [])
    for ours, theirs in zip(source.weights, target.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    unnamed = build_dmls(BASE)
    assert transfer_weights(unnamed, target) == (list("abcde"), [])
    assert transfer_weights(source, unnamed) == ([], [])
    with pytest.raises(UserError, match="does not name its classes"):
        transfer_weights(unnamed, network("abc", 1))


def test_networks_that_differ_otherwise_are_refused():
    source = network("abcde", 1)
    with pytest.raises(UserError, match="'dfcn' do not fit; .*decoder_channels 16, now 24"):
        transfer_weights(source, network("abx", 2, decoder_channels=24))
    with pytest.raises(UserError, match="'likelihood' do not fit; .*likelihood learned, now gauss"):
        transfer_weights(source, network("abx", 2, likelihood="gaussian"))


def test_more_than_254_classes():
    names = [str(i) for i in range(255)]
    source, target = network(names, 1, level_set=None), network(names[::-1], 2, level_set=None)
    assert transfer_weights(source, target) == (names[::-1], [])
