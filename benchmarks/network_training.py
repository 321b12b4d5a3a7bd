"""A child of `benchmarks.network`: time of a training step, and peak memory of its process.

python benchmarks/network_training.py BACKBONE NUM_CLASSES SIZE NUM_STEPS [remat] [jit_compile]
"""

import functools
import sys

import numpy as np
import tensorflow as tf

from benchmarks.timing import median_ms, report
from dmls_tf.config import ModelConfig, TrainConfig
from dmls_tf.training.objective import make_objective
from dmls_tf.training.optimizers import make_optimizer
from dmls_tf.training.preparation import initial_model, restrict
from dmls_tf.training.reports import peak_memory
from dmls_tf.training.step import make_train_step

backbone, *numbers = sys.argv[1:5]
num_classes, size, num_steps = map(int, numbers)
config = TrainConfig(remat="remat" in sys.argv, jit_compile="jit_compile" in sys.argv)
model = initial_model(ModelConfig(num_classes, backbone=backbone, num_steps=num_steps), {}, config)
restrict(model, config, num_replicas=1)
optimizer = make_optimizer(model, config, total_steps=10)
objective = make_objective(model, config, None)
step = make_train_step(model, optimizer, objective, config, tf.distribute.get_strategy())
rng = np.random.default_rng(0)
image = tf.constant(rng.uniform(0, 255, (1, size, size, 3)), tf.float32)
label = tf.constant(rng.integers(0, num_classes, (1, size, size)), tf.int32)
milliseconds = median_ms(functools.partial(step, image, label, tf.constant(0)), repeats=3)
report([milliseconds, peak_memory()])
