"""The recurrence of Algorithm 1: K times a dilated FCN and a level-set evolution, shared weights.

    E = W_I * I + b                                 once
    for k = 1..K:
        S_k = DFCN(E + W_P * P_(k-1))               coarse scores, P_0 = 0
        f_k = likelihood(I, features, S_k)          what the regions compete with
        P_k = softmax(level_set(S_k, f_k))          evolved prediction

Algorithm 1 of the paper ends with a DFCN whose scores are neither evolved nor returned; it is
left out. P_k carries no gradient to step k - 1 unless `prior_gradient` says so: every step has a
loss of its own, and training through P made no difference in accuracy.
"""

import dataclasses
import pathlib
import zipfile

import keras
import numpy as np
from keras import ops

from dmls_tf.config import ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.layers.level_set import MultiphaseLevelSet
from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.dfcn import DFCN
from dmls_tf.models.likelihood import build_likelihood
from dmls_tf.models.remat import batch_norms_of, recomputed


@keras.saving.register_keras_serializable(package="dmls")
class DMLS(keras.Model):
    """Deep multiphase level set network.

    Args:
        config: a `ModelConfig`, or its fields as a dict.
        metadata: what a saved model should say of itself, JSON types only; training stores
            `classes`, `palette`, `image_size` and `class_weights` (median-frequency).

    Attributes:
        remat: in training, compute all steps but the last again in the backward pass: memory
            hardly grows with K.

    Call arguments:
        images: `[B, H, W, 3]`, RGB, 0..255, any size.

    Returns:
        A dict of float32 logits `[B, H, W, N]`, the outputs of each step k: `coarse_k`;
        `likelihood_k` with the force "head"; `evolved_k` with a level set. In a compiled function
        that returns only some of them, the others cost nothing.
    """

    def __init__(self, config, metadata=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)  # its layers follow the global policy
        self.config = config if isinstance(config, ModelConfig) else ModelConfig(**config)
        self.metadata = dict(metadata or {})
        self.remat = False
        self.dfcn = DFCN(self.config, name="dfcn")
        # Built for any K, so that any K loads the same weights; idle when there is one step.
        self.dfcn.prior_convolution.trainable = self.config.num_steps > 1
        self.resize = ResizeLike(dtype="float32", name="resize")
        self.likelihood, self.level_set, self.prior_level_set = None, None, None
        if self.config.level_set:
            config = self.config
            self.level_set = _build_level_set(config, config.evolution_steps)
            self.prior_level_set = _build_level_set(config, config.prior_evolution_steps)
            self.likelihood = build_likelihood(self.config, self.dfcn)
        self.built = True

    @property
    def final_output(self):
        """Name of the output that is the network's answer."""
        return f"{'evolved' if self.level_set else 'coarse'}_{self.config.num_steps}"

    @property
    def output_keys(self):
        """Names of all outputs, in the order of the steps."""
        kinds = ["coarse"]
        kinds += ["likelihood"] if self.level_set and self.config.force == "head" else []
        kinds += ["evolved"] if self.level_set else []
        return [f"{kind}_{k}" for k in range(1, self.config.num_steps + 1) for kind in kinds]

    def call(self, images, training=None):
        images = ops.cast(images, "float32")
        shared = self.dfcn.encode(images, training=training)
        prepared = []
        if self.level_set:
            small = self._at_level_set(images) / 127.5 - 1.0
            prepared = [small, *self.likelihood.prepare(small, shared[0], training=training)]
        outputs, prior = {}, []
        for k in range(1, self.config.num_steps + 1):
            step = self._step_function(
                len(shared), len(prepared), k == self.config.num_steps, training
            )
            shared, results = step(*shared, *prepared, *prior)
            prior = [self._prior_of(results, shared)]
            if not self.config.prior_gradient:
                prior = [ops.stop_gradient(prior[0])]
            outputs |= {f"{kind}_{k}": results[kind] for kind in results}
        return {key: self.resize([outputs[key], images]) for key in self.output_keys}

    def _at_level_set(self, images):
        """The images at the resolution of the level sets."""
        stride = self.config.level_set_stride
        return ops.average_pool(images, stride, stride, padding="same") if stride > 1 else images

    def _prior_of(self, results, shared):
        """The prediction of a step as the next one takes it."""
        scores, stride = results["coarse"], self.dfcn.score_stride
        if self.level_set:
            scores, stride = results["evolved"], self.config.level_set_stride
        return self.dfcn.prior_of(ops.softmax(scores, axis=-1), stride, shared)

    def _step_function(self, num_shared, num_prepared, last, training):
        """One recurrent step as a function of tensors: shared, prepared, prior.

        It returns what is shared before its results. Its gradient comes from the steps after it, so
        that a step is not computed again before the next one's gradient is done.
        """

        def step(*tensors):
            shared, rest = tensors[:num_shared], tensors[num_shared:]
            prepared, prior = rest[:num_prepared], [*rest[num_prepared:], None][0]
            level_set = self.level_set if last else self.prior_level_set
            return list(shared), self._step(shared, prepared, prior, level_set, training)

        recompute = self.remat and training and not last
        return recomputed(step, batch_norms_of(self)) if recompute else step

    def _step(self, shared, prepared, prior, level_set, training):
        step = self.dfcn(shared, prior, training=training)
        coarse = self._adjusted(step["logits"], self.config.coarse_adjustment, training)
        if not level_set:
            return {"coarse": coarse}
        small, *prepared = prepared
        scores = self.resize([step["logits"], small])
        log_f = self.likelihood(prepared, scores, step, training=training)
        log_f = self._adjusted(log_f, self.config.likelihood_adjustment, training)
        scores = self._adjusted(scores, self.config.coarse_adjustment, training)
        evolved = level_set(scores, log_f, training=training)
        return {"coarse": coarse, "likelihood": log_f, "evolved": evolved}

    def _adjusted(self, logits, factor, training):
        """Logits with `factor` times the log of the class weights added, at inference."""
        if training or not factor:
            return logits
        if "class_weights" not in self.metadata:
            raise UserError("an adjustment by class frequency needs metadata['class_weights']")
        shift = factor * np.log(np.asarray(self.metadata["class_weights"], np.float32))
        return logits + ops.convert_to_tensor(shift, "float32")

    def get_config(self):
        return {
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "metadata": self.metadata,
        }


def _build_level_set(config, num_steps):
    # Log-probabilities of a network are far from the contour's scale; those of a trained head
    # are made for it.
    return MultiphaseLevelSet(
        band=config.band,
        num_steps=num_steps,
        dt=config.dt,
        epsilon=config.epsilon,
        rho=config.rho,
        force_scale=1.0 if config.force == "head" else 0.25,
        curvature_mean=config.curvature_mean,
        temperature=config.temperature,
        score_gradient=config.score_gradient,
        max_phases=config.max_phases,
    )


def build_dmls(config, metadata=None):
    """Builds a `DMLS` with fresh weights, as `config` (a `ModelConfig`) says.

    >>> model = build_dmls(ModelConfig(num_classes=3, backbone="mobilenetv2", num_steps=1))
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
        changes: fields of `ModelConfig` that change no weight's shape.

    Raises:
        UserError: the weights do not fit the new settings.
    """
    changed = DMLS(dataclasses.replace(model.config, **changes), model.metadata, name=model.name)
    copy_weights(model, changed)
    return changed


def copy_weights(source, target):
    """Copies the weights of a `DMLS` to another, of the likelihood where both have one.

    A target with a likelihood that the source lacks keeps its own, fresh one.

    Raises:
        UserError: the networks differ.
    """
    pairs = [(source.dfcn, target.dfcn)]
    if source.likelihood and target.likelihood:
        pairs.append((source.likelihood, target.likelihood))
    for ours, theirs in pairs:
        if [w.shape for w in ours.weights] != [w.shape for w in theirs.weights]:
            before, now = (dataclasses.asdict(model.config) for model in (source, target))
            changed = [
                f"{name} {before[name]}, now {now[name]}"
                for name in now
                if now[name] != before[name]
            ]
            raise UserError(
                f"the weights of its part {ours.name!r} do not fit; "
                f"it was made with {'; '.join(changed)}"
            )
        theirs.set_weights(ours.get_weights())


def load_dmls(path, **changes):
    """Loads a saved `model.keras`.

    Args:
        path: of the file.
        changes: settings to change, see `with_settings`.

    Raises:
        UserError: there is no such file, it holds no DMLS model, or the changes do not fit.
    """
    if not pathlib.Path(path).is_file():
        raise UserError(f"{path}: no such model file; scripts/train.py writes WORK_DIR/model.keras")
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable Keras model file") from error
    if not isinstance(model, DMLS):
        raise UserError(f"{path}: holds a {type(model).__name__}, not a DMLS model")
    return with_settings(model, **changes) if changes else model
