"""A child of `benchmarks.parts`: a training step, its parts, and the peak memory of its process.

python benchmarks/training_parts.py BACKBONE NUM_CLASSES SIZE ROUNDS NUM_STEPS [remat|jit_compile]
"""

import sys

import numpy as np
import tensorflow as tf

from benchmarks.timing import in_turn, memory_mib, report
from dmls_tf.config import ModelConfig, TrainConfig
from dmls_tf.training.objective import make_objective
from dmls_tf.training.optimizers import make_optimizer
from dmls_tf.training.preparation import initial_model, restrict
from dmls_tf.training.step import make_train_step

backbone, *numbers = sys.argv[1:6]
num_classes, size, rounds, num_steps = map(int, numbers)
config = TrainConfig(remat="remat" in sys.argv, jit_compile="jit_compile" in sys.argv)
model = initial_model(ModelConfig(num_classes, backbone=backbone, num_steps=num_steps), {}, config)
restrict(model, config, num_replicas=1)
optimizer = make_optimizer(model, config, total_steps=10)
objective = make_objective(model, config, None)
step = make_train_step(model, optimizer, objective, config, tf.distribute.get_strategy())
rng = np.random.default_rng(0)
image = tf.constant(rng.uniform(0, 255, (1, size, size, 3)), tf.float32)
label = tf.constant(rng.integers(0, num_classes, (1, size, size)), tf.int32)


@tf.function(jit_compile=config.jit_compile)
def forward(images):
    return model(images, training=True)


@tf.function(jit_compile=config.jit_compile)
def loss(labels, outputs):
    return objective(labels, outputs, *objective.pixel_weights(labels))["loss"]


step(image, label, tf.constant(0))
peak = memory_mib()  # before the parts are in memory, too
outputs = forward(image)
seconds = in_turn(
    {
        "forward": lambda: forward(image),
        "loss": lambda: loss(label, outputs),
        "step": lambda: step(image, label, tf.constant(0)),
    },
    rounds,
)
report([*(1e3 * seconds[part] for part in ("forward", "loss", "step")), peak])
