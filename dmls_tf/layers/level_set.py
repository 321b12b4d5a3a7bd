"""The multiphase level-set layer: class logits in, evolved logits out (Algorithm 1, lines 2-4)."""

import dataclasses

import keras
from keras import ops

from dmls_tf.config import LevelSetConfig
from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.level_set import evolve, region_force
from dmls_tf.ops.phases import evolve_largest
from dmls_tf.ops.types import as_tensor


@keras.saving.register_keras_serializable(package="dmls")
class MultiphaseLevelSet(keras.layers.Layer):
    """Turns logits into level-set functions, lets the regions compete, and assigns the pixels.

    The hard assignment of the logits gives one signed distance function per class, in a band of
    `band` pixels. It evolves under the force of the likelihoods and under curvature. The result
    is `-phi / (2 band temperature)`: its argmax is the assignment of eq. 6, its softmax the
    prediction P.

    Args:
        config: a `LevelSetConfig`, or its fields as a dict; the defaults if it is left out. A
            `force_scale` of None is 1.

    Attributes:
        portable: keep to operations that ONNX and LiteRT have, with the same result.

    Call arguments:
        logits: float `[B, H, W, N]`, N >= 2.
        log_likelihood: log f_i of eq. 9, float `[B, H, W, N]`, which rho is compared with; the
            log-softmax of the logits if it is left out.
        training: False leaves out the straight-through term, which only has a gradient.

    Returns:
        float32 `[B, H, W, N]`, whatever the precision policy.

    Raises:
        UserError: a setting that is out of range.

    >>> logits = np.array([[[[1, 0], [1, 0], [0, 1], [0, 1]]]], "float32")  # 1 x 4 pixels, N = 2
    >>> log_likelihood = np.array([[[[1, 0], [1, 0], [1, 0], [0, 1]]]], "float32")
    >>> layer = MultiphaseLevelSet(LevelSetConfig(evolution_steps=2, dt=0.5))
    >>> print(np.argmax(logits, -1), np.argmax(layer(logits, log_likelihood), -1))
    [[[0 0 1 1]]] [[[0 0 0 1]]]
    """

    def __init__(self, config=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.config = LevelSetConfig(**config) if isinstance(config, dict) else config
        self.config = self.config or LevelSetConfig()
        self.portable = False

    def call(self, logits, log_likelihood=None, training=None):
        logits = as_tensor(logits)
        config, num_classes = self.config, logits.shape[-1]
        if log_likelihood is None:
            log_likelihood = ops.log_softmax(logits, axis=-1)
        labels = ops.cast(argmax(logits, self.portable), "int32")
        log_f = _phases_first(log_likelihood)
        slope = None if training is False else self._straight_through(logits)
        few = config.max_phases is not None and config.max_phases < num_classes
        evolve_phases = evolve_largest if few else evolve_all
        phi = evolve_phases(labels, log_f, slope, config, self.portable)
        return ops.transpose(phi, (0, 2, 3, 1)) / (-2.0 * config.band * config.temperature)

    def _straight_through(self, logits):
        """Zero, with the gradient that the hard assignment lacks: `[B, N, H, W]`."""
        probability = ops.softmax(logits, axis=-1)
        slope = 2.0 * self.config.band * self.config.straight_through
        return slope * _phases_first(ops.stop_gradient(probability) - probability)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return super().get_config() | {"config": dataclasses.asdict(self.config)}


def evolve_all(labels, log_f, slope, config, portable=False):
    """Algorithm 1, lines 2 and 3, for all phases.

    Args:
        labels: int32 `[B, H, W]` in `[0, N)`: where the level sets start.
        log_f: log-likelihood of each phase, float32 `[B, N, H, W]`.
        slope: added to the first phi, `[B, N, H, W]`, or None.
        config: a `LevelSetConfig`.
        portable: see `MultiphaseLevelSet`.

    Returns:
        phi, float32 `[B, N, H, W]`, pixels.
    """
    phi = signed_distance_phases_first(labels, log_f.shape[1], config.band, portable)  # line 2
    phi = phi if slope is None else phi + slope
    force = region_force(log_f, config.rho, config.force_scale or 1.0)  # eqs 9, 10
    return evolve(phi, force, config.evolution_steps, config.dt, config.epsilon)  # eq. 7


def argmax(logits, portable=False):
    """The class of the largest logit. Keras's own looks at the sign bit of zeros (Bitcast)."""
    if portable:
        logits = ops.equal(logits, ops.max(logits, axis=-1, keepdims=True))
        logits = ops.cast(logits, "int32")
    return ops.argmax(logits, axis=-1)


def _phases_first(maps):
    """`[B, H, W, N]` as `[B, N, H, W]`."""
    return ops.transpose(maps, (0, 3, 1, 2))
