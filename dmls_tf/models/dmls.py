"""The recurrence of Algorithm 1: K times a dilated FCN and a level-set evolution, shared weights.

    E = W_I * I + b                                 once
    for k = 1..K:
        S_k = DFCN(E + W_P * P_(k-1))               coarse scores, P_0 = 0
        f_k = likelihood(I, features, S_k)          what the regions compete with
        P_k = softmax(level_set(S_k, f_k))          evolved prediction

Algorithm 1 of the paper ends with a DFCN whose scores are neither evolved nor returned; it is
left out. P_k carries no gradient to step k - 1: every step has a loss of its own, and training
through P made no difference in accuracy.
"""

import dataclasses
import pathlib
import zipfile

import keras
from keras import ops

from dmls_tf.config import ModelConfig
from dmls_tf.errors import UserError
from dmls_tf.layers.level_set import MultiphaseLevelSet
from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.dfcn import DFCN
from dmls_tf.models.likelihood import build_likelihood_head


@keras.saving.register_keras_serializable(package="dmls")
class DMLS(keras.Model):
    """Deep multiphase level set network.

    Args:
        config: a `ModelConfig`, or its fields as a dict.
        metadata: what a saved model should say of itself, JSON types only; training stores
            `classes`, `palette` and `image_size`.

    Call arguments:
        images: `[B, H, W, 3]`, RGB, 0..255, any size.

    Returns:
        A dict of float32 logits `[B, H, W, N]`, one entry a supervised output of each step k:
        `coarse_k`; `likelihood_k` with the force "head"; `evolved_k` with a level set.
    """

    def __init__(self, config, metadata=None, **kwargs):
        super().__init__(**kwargs)
        self.config = config if isinstance(config, ModelConfig) else ModelConfig(**config)
        self.metadata = dict(metadata or {})
        self.dfcn = DFCN(self.config, name="dfcn")
        # Built for any K, so that any K loads the same weights; idle when there is one step.
        self.dfcn.prior_convolution.trainable = self.config.num_steps > 1
        self.resize = ResizeLike(dtype="float32", name="resize")
        self.likelihood, self.level_set = None, None
        if self.config.level_set:
            self.level_set = _build_level_set(self.config)
            if self.config.force == "head":
                channels = (
                    self.dfcn.body.outputs[0].shape[-1],
                    self.dfcn.decoder.outputs[1].shape[-1],
                )
                self.likelihood = build_likelihood_head(
                    self.config.num_classes, channels, self.config.batch_norm_momentum
                )
        self.built = True

    @property
    def final_output(self):
        """Name of the output that is the network's answer."""
        return f"{'evolved' if self.level_set else 'coarse'}_{self.config.num_steps}"

    @property
    def output_keys(self):
        """Names of all outputs, in the order of the steps."""
        kinds = ["coarse"]
        kinds += ["likelihood"] if self.likelihood else []
        kinds += ["evolved"] if self.level_set else []
        return [f"{kind}_{k}" for k in range(1, self.config.num_steps + 1) for kind in kinds]

    def call(self, images, training=None):
        images = ops.cast(images, "float32")
        image_features = self.dfcn.image_features(images, training=training)
        centred = images / 127.5 - 1.0
        outputs, prior = {}, None
        for k in range(1, self.config.num_steps + 1):
            step = self.dfcn(image_features, prior, training=training)
            scores = self.resize([step["logits"], images])
            outputs[f"coarse_{k}"] = scores
            if self.level_set:
                log_likelihood = None
                if self.likelihood:
                    log_likelihood = self.likelihood(
                        [centred, scores, step["low"], step["decoder"]], training=training
                    )
                    outputs[f"likelihood_{k}"] = log_likelihood
                scores = self.level_set(scores, log_likelihood)
                outputs[f"evolved_{k}"] = scores
            prior = ops.stop_gradient(ops.softmax(scores, axis=-1))
        return outputs

    def get_config(self):
        return {
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "metadata": self.metadata,
        }


def _build_level_set(config):
    # Log-probabilities of a network are far from the contour's scale; those of a trained head
    # are made for it.
    return MultiphaseLevelSet(
        band=config.band,
        num_steps=config.evolution_steps,
        dt=config.dt,
        epsilon=config.epsilon,
        rho=config.rho,
        force_scale=1.0 if config.force == "head" else 0.25,
        curvature_mean=config.curvature_mean,
        temperature=config.temperature,
        score_gradient=config.score_gradient,
        max_phases=config.max_phases,
        name="level_set",
    )


def build_dmls(config, metadata=None):
    """Builds a `DMLS` with fresh weights, as `config` (a `ModelConfig`) says."""
    return DMLS(config, metadata, name="dmls")


def load_dmls(path):
    """Loads a saved `model.keras`.

    Raises:
        UserError: there is no such file, or it holds no DMLS model.
    """
    if not pathlib.Path(path).is_file():
        raise UserError(f"{path}: no such model file; scripts/train.py writes WORK_DIR/model.keras")
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable Keras model file") from error
    if not isinstance(model, DMLS):
        raise UserError(f"{path}: holds a {type(model).__name__}, not a DMLS model")
    return model
