import numpy as np
import pytest
from keras import ops

from dmls_tf.config import TrainConfig
from dmls_tf.training.optimizers import make_schedule


def rates(steps=(0, 50, 51, 100), **settings):
    schedule = make_schedule(TrainConfig(learning_rate=1.0, **settings), total_steps=100)
    return [float(ops.convert_to_numpy(schedule(step))) for step in steps]


def test_schedules():
    assert rates(schedule="constant") == [1, 1, 1, 1]
    assert rates(schedule="step") == pytest.approx([1, 1, 0.1, 0.1])
    expected = [1, 0.005 + 0.995 * 0.5**0.9, 0.005 + 0.995 * 0.49**0.9, 0.005]
    assert rates(schedule="polynomial") == pytest.approx(expected, rel=1e-4)


def test_warm_up_rises_to_the_schedule():
    steps = (0, 1, 9, 10, 80)
    found = rates(steps, schedule="step", warmup_steps=10)
    np.testing.assert_allclose(found, [0.1, 0.2, 1, 1, 0.1], rtol=1e-5)
