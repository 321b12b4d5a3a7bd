import resource

import keras
import numpy as np
import pytest

from dmls_tf.errors import UserError
from dmls_tf.training.checkpoints import KEPT, TrainingState, find_checkpoints


def make_state(rng, size=1000):
    layer = keras.layers.Dense(size)
    layer.build((None, 4))
    layer.kernel.assign(rng.normal(size=(4, size)))
    state = TrainingState({"model": layer})
    state.sums = {"loss": np.float64(0.1), "confusion": np.arange(4).reshape(2, 2)}
    state.history = [{"epoch": 1, "val_mean_iou": 0.1}]
    return state, layer


def saved(directory, rng, steps):
    """A state that was saved after these steps, and the weights at each."""
    state, layer = make_state(rng)
    kernels = {}
    for step in steps:
        state.step = step
        layer.kernel.assign(rng.normal(size=layer.kernel.shape))
        kernels[step] = np.asarray(layer.kernel)
        state.save(directory)
    return state, kernels


def restored(directory, rng):
    state, layer = make_state(rng)
    state.restore(directory)
    return state, np.asarray(layer.kernel)


def test_a_round_trip_keeps_all_bits(tmp_path, rng):
    before, kernels = saved(tmp_path, rng, [7])
    after, kernel = restored(tmp_path, rng)
    np.testing.assert_array_equal(kernel, kernels[7])
    assert (after.step, after.history) == (7, before.history)
    assert after.sums["loss"] == before.sums["loss"]
    np.testing.assert_array_equal(after.sums["confusion"], before.sums["confusion"])


def test_only_the_newest_stay(tmp_path, rng):
    saved(tmp_path, rng, [1, 2, 30, 9])
    names = [path.name for path in find_checkpoints(tmp_path)]
    assert len(names) == KEPT
    assert names[-1] == "step-00000030.npz"


def test_without_any_nothing_changes(tmp_path, rng):
    state, _ = restored(tmp_path / "none", rng)
    assert state.step == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_one_is_named_and_the_one_before_taken(damage, tmp_path, rng, capsys):
    _, kernels = saved(tmp_path, rng, [1, 2])
    newest = find_checkpoints(tmp_path)[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"cut": content[:-99], "flipped": content, "empty": b""}[damage])
    state, kernel = restored(tmp_path, rng)
    assert state.step == 1
    np.testing.assert_array_equal(kernel, kernels[1])
    assert str(newest) in capsys.readouterr().err
    find_checkpoints(tmp_path)[0].write_bytes(b"")
    with pytest.raises(UserError, match="no checkpoint can be read"):
        restored(tmp_path, rng)


def test_of_another_network_it_is_refused(tmp_path, rng):
    saved(tmp_path, rng, [1])
    state, _ = make_state(rng, size=7)
    with pytest.raises(UserError, match="step-00000001.npz: a checkpoint of another network"):
        state.restore(tmp_path)


def test_a_full_disk_leaves_the_last_good_one(tmp_path, rng):
    state, kernels = saved(tmp_path, rng, [1])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        state.step = 2
        with pytest.raises(OSError, match="File too large"):
            state.save(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]
    np.testing.assert_array_equal(restored(tmp_path, rng)[1], kernels[1])
