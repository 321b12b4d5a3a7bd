"""A training step, its parts and the peak memory of its process; for `benchmarks.parts`."""

import numpy as np
import tensorflow as tf

from benchmarks.networks import random_images
from benchmarks.timing import in_turn, memory_mib
from dmls_tf.config import ModelConfig, TrainConfig
from dmls_tf.training.objective import make_objective
from dmls_tf.training.optimizers import make_optimizer
from dmls_tf.training.preparation import initial_model, restrict
from dmls_tf.training.step import make_train_step


def measure(size, rounds, model_settings, train_settings):
    """[ms of the forward pass, of the loss, of the step, peak MiB]; settings are fields."""
    model_config, config = ModelConfig(**model_settings), TrainConfig(**train_settings)
    model = initial_model(model_config, {}, config)
    restrict(model, config, num_replicas=1)
    optimizer = make_optimizer(model, config, total_steps=10)
    objective = make_objective(model, config, None)
    step = make_train_step(model, optimizer, objective, config, tf.distribute.get_strategy())
    images = tf.constant(random_images((1, size, size, 3)))
    labels = np.random.default_rng(0).integers(0, model_config.num_classes, (1, size, size))
    labels = tf.constant(labels, tf.int32)

    @tf.function(jit_compile=config.jit_compile)
    def forward(images):
        return model(images, training=True)

    @tf.function(jit_compile=config.jit_compile)
    def loss(labels, outputs):
        return objective(labels, outputs, *objective.label_weights(labels))["loss"]

    step(images, labels, tf.constant(0))
    peak = memory_mib()  # before the parts are in memory, too
    outputs = forward(images)
    runs = {
        "forward": lambda: forward(images),
        "loss": lambda: loss(labels, outputs),
        "step": lambda: step(images, labels, tf.constant(0)),
    }
    return [*in_turn(runs, rounds).values(), peak]
