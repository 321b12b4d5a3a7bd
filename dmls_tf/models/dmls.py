"""The recurrence of Algorithm 1: K times a dilated FCN and a level-set evolution, shared weights.

    E = W_I * I + b                                 once
    for k = 1..K:
        S_k = DFCN(E + W_P * P_(k-1))               coarse logits, P_0 = 0
        f_k = likelihood(I, features, S_k)          what the regions compete with
        P_k = softmax(level_set(S_k, f_k))          evolved prediction

Algorithm 1 of the paper ends with a DFCN whose output is neither evolved nor returned; it is
left out. P_k carries no gradient to step k - 1 unless `prior_gradient` says so: every step has a
loss of its own, and training through P made no difference in accuracy.
"""

import dataclasses
import functools
import zipfile
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from dmls_tf import settings
from dmls_tf.config import ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, local_copy
from dmls_tf.layers.level_set import MultiphaseLevelSet
from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.dfcn import DFCN, Encoded
from dmls_tf.models.likelihood import build_likelihood
from dmls_tf.models.outputs import Output, StepOutputs
from dmls_tf.models.remat import batch_norms_of, recomputed
from dmls_tf.ops.resize import reduced
from dmls_tf.ops.types import as_tensor


class Context(NamedTuple):
    """What the recurrent steps share.

    Attributes:
        encoded: the `Encoded` image.
        image: float32 `[B, h, w, 3]` in [-1, 1], at the resolution of the level sets; None without.
        evidence: what the likelihood makes of the image; None without.
    """

    encoded: Encoded
    image: Any = None
    evidence: Any = None


@keras.saving.register_keras_serializable(package="dmls")
class DMLS(keras.Model):
    """Deep multiphase level set network.

    Args:
        config: a `ModelConfig`, or its fields as a dict.
        metadata: what a saved model should say of itself, JSON types only; training stores
            `classes`, `palette`, `image_size` and `class_weights` (median-frequency).

    Attributes:
        step_outputs: an `Output` for each entry of the result, in the order of the steps.
        final_output: name of the last step's result, the prediction.
        remat: in training, compute all steps but the last again in the backward pass: memory
            hardly grows with K.

    Call arguments:
        images: `[B, H, W, 3]`, RGB, 0..255, any size.

    Returns:
        A dict of float32 logits `[B, H, W, N]`: of each step k `coarse_k`; `likelihood_k` if the
        likelihood is supervised; `evolved_k` with a level set. In a compiled function that returns
        only some of them, the others cost nothing.
    """

    def __init__(self, config, metadata=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)  # its layers follow the global policy
        self.config = config if isinstance(config, ModelConfig) else _config_of(config)
        self.metadata = dict(metadata or {})
        self.remat = False
        self.dfcn = DFCN(self.config, name="dfcn")
        # Built for any K, so that any K loads the same weights; idle when there is one step.
        self.dfcn.prior_convolution.trainable = self.config.recurrent_steps > 1
        self.resize = ResizeLike(dtype="float32", name="resize")
        self.likelihood, self.level_set, self.prior_level_set = None, None, None
        if self.config.level_set:
            self.likelihood = build_likelihood(self.config, self.dfcn)
            self.level_set = self._level_set_of(self.config.recurrent_steps)
            self.prior_level_set = self._level_set_of(1)
        self.built = True

    def _level_set_of(self, step):
        config = self.config.evolution_of(step)
        if config.force_scale is None:
            config = dataclasses.replace(config, force_scale=self.likelihood.force_scale)
        return MultiphaseLevelSet(config)

    @property
    def step_outputs(self):
        kinds = ["coarse"]
        if self.level_set:
            kinds += ["likelihood"] * self.likelihood.supervised + ["evolved"]
        steps = range(1, self.config.recurrent_steps + 1)
        return [Output(kind, step) for step in steps for kind in kinds]

    @property
    def final_output(self):
        return self.step_outputs[-1].name

    def call(self, images, training=None):
        images = ops.cast(as_tensor(images), "float32")
        context, steps = self._context(images, training), []
        for k in range(1, self.config.recurrent_steps + 1):
            prior = self._prior_of(steps[-1], context) if steps else None  # P_(k-1), P_0 = 0
            context, outputs = self._step_function(k, training)(context, prior)
            steps.append(outputs)
        return {
            output.name: self.resize([getattr(steps[output.step - 1], output.kind), images])
            for output in self.step_outputs
        }

    def _context(self, images, training):
        encoded = self.dfcn.encode(images, training=training)  # E = W_I * I + b
        if not self.level_set:
            return Context(encoded)
        image = reduced(images, self.config.level_set_stride) / 127.5 - 1.0
        evidence = self.likelihood.prepare(image, encoded.image_features, training=training)
        return Context(encoded, image, evidence)

    def _step_function(self, k, training):
        """Step k as a function of context and prior."""
        last = k == self.config.recurrent_steps
        level_set = self.level_set if last else self.prior_level_set
        step = functools.partial(self._step, level_set=level_set, training=training)
        recompute = self.remat and training and not last
        return recomputed(step, batch_norms_of(self)) if recompute else step

    def _step(self, context, prior, level_set, training):
        """The context and the `StepOutputs`.

        The context is handed on so that its gradient comes from the steps after this one, which is
        then not computed again before theirs is done.
        """
        config = self.config
        decoded = self.dfcn(context.encoded, prior, training=training)
        coarse = self._adjusted(decoded.logits, config.coarse_adjustment, training)
        if not level_set:
            return context, StepOutputs(coarse)
        logits = self.resize([decoded.logits, context.image])
        log_f = self.likelihood(context.evidence, logits, decoded.features, training=training)
        log_f = self._adjusted(log_f, config.likelihood_adjustment, training)
        logits = self._adjusted(logits, config.coarse_adjustment, training)
        return context, StepOutputs(coarse, log_f, level_set(logits, log_f, training=training))

    def _prior_of(self, outputs, context):
        """The prediction P of a step, where the next one takes it."""
        logits, stride = outputs.coarse, self.dfcn.decoder_stride
        if self.level_set:
            logits, stride = outputs.evolved, self.config.level_set_stride
        prior = self.dfcn.prior_of(ops.softmax(logits, axis=-1), stride, context.encoded)
        return prior if self.config.prior_gradient else ops.stop_gradient(prior)

    def _adjusted(self, logits, factor, training):
        """At inference, log-probabilities with `factor` times the log class weights added."""
        if training or not factor:
            return logits
        if "class_weights" not in self.metadata:
            raise UserError("an adjustment by class frequency needs metadata['class_weights']")
        shift = factor * np.log(np.asarray(self.metadata["class_weights"], np.float32))
        return ops.log_softmax(logits + ops.convert_to_tensor(shift, "float32"), axis=-1)

    def get_config(self):
        return {
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "metadata": self.metadata,
        }


def _config_of(fields):
    """The `ModelConfig` of a saved model."""
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(fields.keys() - known):
        raise UserError(
            f"saved by another version of dmls, whose settings {', '.join(unknown)} this one does "
            "not know; train it again"
        )
    return ModelConfig(**fields)


def build_dmls(config, metadata=None):
    """Builds a `DMLS` with fresh weights, as `config` (a `ModelConfig`) says.

    >>> model = build_dmls(ModelConfig(num_classes=3, backbone="mobilenetv2", recurrent_steps=1))
    >>> outputs = model(np.zeros((1, 40, 60, 3)))
    >>> list(outputs), model.final_output
    (['coarse_1', 'likelihood_1', 'evolved_1'], 'evolved_1')
    >>> tuple(outputs["evolved_1"].shape)
    (1, 40, 60, 3)
    """
    return DMLS(config, metadata, name="dmls")


def with_settings(model, **changes):
    """The same network, weights copied, with other settings: another K, another evolution.

    Args:
        model: a `DMLS`.
        changes: fields of `ModelConfig` or its `LevelSetConfig` that change no weight's shape.

    Raises:
        UserError: the weights do not fit the new settings.
    """
    changed = DMLS(settings.replace(model.config, **changes), model.metadata, name=model.name)
    copy_weights(model, changed)
    return changed


def copy_weights(source, target):
    """Copies the weights of a `DMLS` to another, of the likelihood where both have one.

    A target with a likelihood that the source lacks keeps its own, fresh one.

    Raises:
        UserError: the networks differ.
    """
    for name in shared_parts(source, target):
        ours, theirs = getattr(source, name), getattr(target, name)
        if [w.shape for w in ours.weights] != [w.shape for w in theirs.weights]:
            refuse_other_weights(name, source, target)
        theirs.set_weights(ours.get_weights())


def shared_parts(source, target):
    """The names of the layers with weights that two `DMLS` have in common."""
    return ["dfcn"] + ["likelihood"] * bool(source.likelihood and target.likelihood)


def refuse_other_weights(name, source, target):
    """Raises a `UserError` that says how the settings of two networks differ."""
    before, now = (dataclasses.asdict(model.config) for model in (source, target))
    changes = [f"{key} {before[key]}, now {now[key]}" for key in now if now[key] != before[key]]
    raise UserError(
        f"the weights of its part {name!r} do not fit; it was made with {'; '.join(changes)}"
    )


def load_dmls(path, **changes):
    """Loads a saved `model.keras`.

    Args:
        path: of the file.
        changes: settings to change, see `with_settings`.

    Raises:
        UserError: there is no such file, it holds no DMLS model, or the changes do not fit.
    """
    if not as_path(path).is_file():
        raise UserError(f"{path}: no such model file; scripts/train.py writes WORK_DIR/model.keras")
    try:
        with local_copy(path) as file:
            model = keras.saving.load_model(file, compile=False)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable Keras model file") from error
    if not isinstance(model, DMLS):
        raise UserError(f"{path}: holds a {type(model).__name__}, not a DMLS model")
    return with_settings(model, **changes) if changes else model
