"""The network that a training starts from, and which of its parts learn."""

import contextlib

import keras
import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.models import (
    batch_norms_of,
    build_dmls,
    copy_weights,
    load_backbone_weights,
    load_dmls,
    transfer_weights,
)
from dmls_tf.training.strategy import is_chief


def describe(info, data_config, split):
    """What a model says of itself: classes, palette, working size, class weights.

    Args:
        info: a `DatasetInfo`.
        data_config: a `DataConfig`.
        split: that is learned from.
    """
    return {
        "dataset": info.name,
        "classes": list(info.class_names),
        "palette": [list(color) for color in info.palette],
        "image_size": list(data_config.image_size) if data_config.image_size else None,
        "class_weights": list(info.class_weights(split)),
    }


def initial_model(model_config, metadata, config):
    """A `DMLS` with fresh, published or given weights, computing in `config.precision`.

    A given model is taken instead of published weights.

    Raises:
        UserError: weights that are missing or do not fit.
    """
    with _policy(config.precision):
        model = build_dmls(model_config, metadata)
    if config.initial_model:
        _transfer(config.initial_model, model)
    else:
        name, weights = model_config.backbone, config.backbone_weights
        load_backbone_weights(model.dfcn.backbone, name, weights)
    return model


def _transfer(path, model):
    """Takes the weights of a saved model, and prints which classes it has if not all."""
    source = load_dmls(path)
    try:
        kept, new = transfer_weights(source, model)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if new and is_chief(tf.distribute.get_strategy()):
        print(f"{path}: kept the classes {', '.join(kept) or 'none'}")
        print(f"new classes: {', '.join(new)}")


def copy_of(model, config):
    """A network like `model`, with weights of its own that start as the same."""
    with _policy(config.precision):
        other = build_dmls(model.config, model.metadata)
    copy_weights(model, other)
    return other


def restrict(model, config, num_replicas):
    """Sets which parts of a `DMLS` learn, and how, as a `TrainConfig` says.

    Raises:
        UserError: settings that exclude one another.
    """
    if config.train_only == "likelihood":
        if not (model.likelihood and model.likelihood.trainable_variables):
            raise UserError("train_only=likelihood needs a level set whose likelihood has weights")
        model.dfcn.trainable = False
    if config.remat and model.config.network == "fcn8s":
        raise UserError("remat does not go with fcn8s, whose dropout would be drawn anew")
    if config.jit_compile and num_replicas > 1:
        raise UserError("jit_compile works on one device only")
    model.remat = config.remat
    frozen = {
        "none": [],
        "encoder": batch_norms_of(model.dfcn.body),
        "all": batch_norms_of(model),
    }
    for layer in frozen[config.freeze_batch_norm]:
        layer.trainable = False
    for layer in batch_norms_of(model):
        layer.synchronized = num_replicas > 1


@contextlib.contextmanager
def _policy(name):
    """Layers made inside compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
