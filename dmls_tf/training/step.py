"""One step on all replicas: an update of the weights, or the scores of a validation batch.

Losses are divided by the valid pixels of the *global* batch, gradients are summed over replicas
and parts, batch statistics are synchronised: however many devices share a batch, the update is the
same. Each step returns sums over the global batch; `training.reports.scores_from` reads them.
"""

import functools

import tensorflow as tf

from dmls_tf.metrics import confusion_counts

SUM = tf.distribute.ReduceOp.SUM


def make_train_step(model, optimizer, objective, config, strategy):
    """A compiled function (images, labels, stop) -> sums over the global batch.

    Args:
        model: a `DMLS`.
        optimizer: of its trainable variables.
        objective: an `Objective`.
        config: a `TrainConfig`.
        strategy: a `tf.distribute.Strategy`, in whose scope they were made.

    Returns:
        A function of images float32 `[B, H, W, 3]`, labels int32 `[B, H, W]` and `stop`, int32, 1
        if this worker was asked to stop, to a dict: `loss`; `stop`, the sum over workers; for each
        output its `OUTPUT/loss` and `OUTPUT/correct` (pixels); `valid` (pixels); `confusion`;
        `gradient`, a number that is finite if the gradient is.
    """
    compute = functools.partial(_gradients, model, optimizer, objective)
    if config.jit_compile:
        compute = tf.function(compute, autograph=False, jit_compile=True)

    def on_replica(images, labels, stop):
        weights, counts = objective.label_weights(labels)
        counts = _sum_over_replicas(counts)
        gradients, sums = None, None
        for batch in _parts((images, labels, weights), config.accumulate):
            # One after the other, to need the memory of one.
            with tf.control_dependencies(gradients or []):
                batch = tf.nest.map_structure(tf.identity, batch)
            new_gradients, losses, predictions = compute(*batch, counts)
            gradients = _add(gradients, new_gradients)
            sums = _add(sums, losses | _counts(model, batch[1], predictions))
        _apply(model, optimizer, gradients, config, strategy.num_replicas_in_sync)
        if config.precision != "mixed_float16":  # whose optimiser leaves such a step out
            sums["gradient"] = tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])
        return sums | {"stop": tf.identity(stop)}

    return _on_all(on_replica, strategy)


def make_validation_step(model, objective, strategy):
    """The same for a batch that nothing is learned from; see `make_train_step`."""

    def on_replica(images, labels, stop):
        weights, counts = objective.label_weights(labels)
        outputs = model(images, training=False)
        losses = objective(labels, outputs, weights, _sum_over_replicas(counts))
        return losses | _counts(model, labels, _predictions(outputs)) | {"stop": tf.identity(stop)}

    return _on_all(on_replica, strategy)


def make_average_step(model, averaged, momentum):
    """A compiled function of the step number that moves `averaged`'s weights towards `model`'s."""

    @tf.function(autograph=False)
    def average(step):
        # The first steps count more, or the average would stay near the initial weights for long.
        step = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(momentum, (1.0 + step) / (10.0 + step))
        for slow, fast in zip(averaged.variables, model.variables, strict=True):
            if slow.dtype.startswith("float"):
                slow.assign(slow + share * (fast - slow))
            else:
                slow.assign(fast)

    return average


def _on_all(on_replica, strategy):
    """`on_replica` on all replicas, its results summed."""

    @tf.function(autograph=False, reduce_retracing=True)
    def step(images, labels, stop):
        results = strategy.run(on_replica, args=(images, labels, stop))
        return {key: strategy.reduce(SUM, value, axis=None) for key, value in results.items()}

    return step


def _gradients(model, optimizer, objective, images, labels, weights, counts):
    """Gradients of one part of a replica's batch, its losses and predictions."""
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        losses = objective(labels, outputs, weights, counts)
        scaled = optimizer.scale_loss(losses["loss"])
    variables = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
    return gradients, losses, _predictions(outputs)


def _apply(model, optimizer, gradients, config, num_replicas):
    """Weight decay on kernels, clipping by the global norm, update."""
    scale = getattr(optimizer, "dynamic_scale", 1.0)  # of the loss, under mixed_float16
    variables = model.trainable_variables
    if config.weight_decay:
        factor = scale * config.weight_decay / num_replicas  # the sum over replicas has all of it
        gradients = [
            gradient + factor * variable if is_kernel(variable) else gradient
            for gradient, variable in zip(gradients, variables, strict=True)
        ]
    if config.clip_norm:
        norm = tf.linalg.global_norm(_sum_over_replicas(gradients)) / scale
        factor = tf.minimum(1.0, config.clip_norm / norm)
        gradients = [factor * gradient for gradient in gradients]
    optimizer.apply(gradients, variables)


def is_kernel(variable):
    """Whether weight decay applies to a variable: kernels only."""
    return variable.name.endswith("kernel")


def _predictions(outputs):
    """int32 `[B, H, W]` of each output."""
    return {key: tf.argmax(logits, -1, tf.int32) for key, logits in outputs.items()}


def _counts(model, labels, predictions):
    """How many pixels are valid, right and confused."""
    num_classes = model.config.num_classes
    valid = tf.logical_and(labels >= 0, labels < num_classes)
    counts = {"valid": tf.reduce_sum(tf.cast(valid, tf.int32))}
    for key, prediction in predictions.items():
        right = tf.logical_and(prediction == labels, valid)
        counts[f"{key}/correct"] = tf.reduce_sum(tf.cast(right, tf.int32))
    confusion = confusion_counts(labels, predictions[model.final_output], num_classes)
    return counts | {"confusion": confusion}


def _parts(tensors, count):
    """The batch in so many parts."""
    if count == 1:
        return [tensors]
    split = [tf.split(tensor, count) for tensor in tf.nest.flatten(tensors)]
    return [tf.nest.pack_sequence_as(tensors, part) for part in zip(*split, strict=True)]


def _add(total, more):
    return more if total is None else tf.nest.map_structure(tf.add, total, more)


def _sum_over_replicas(tensors):
    flat = tf.nest.flatten(tensors)
    summed = tf.distribute.get_replica_context().all_reduce(SUM, flat)
    return tf.nest.pack_sequence_as(tensors, summed)
