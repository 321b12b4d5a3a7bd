"""The multiphase level-set layer: class logits in, evolved logits out (Algorithm 1, lines 2-4)."""

import dataclasses

import keras
from keras import ops

from dmls_tf.config import LevelSetConfig
from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.level_set import (
    evolve,
    force_of_some,
    largest_two,
    logits_with,
    margin,
    region_force,
)
from dmls_tf.ops.phases import evolve_largest, largest_phases, put_back, select
from dmls_tf.ops.types import as_tensor


@keras.saving.register_keras_serializable(package="dmls")
class MultiphaseLevelSet(keras.layers.Layer):
    """Turns logits into level-set functions, lets the regions compete, and assigns the pixels.

    Where the evolution starts is `LevelSetConfig.initial_phi`. From distances, as in the paper: the
    hard assignment of the logits gives one signed distance function per class, in a band of `band`
    pixels. The result is -phi_T / (2 band temperature).

    From margins: phi_i = max_{j != i} s_j - s_i on the logits s, negative where class i leads. How
    a force moves a contour does not depend on the slope of phi, so this needs no distances, and the
    gradient is exact. The result is the logits whose margins are -phi_T: without evolution, s.

    In both the argmax of the result is the assignment of eq. 6, its softmax the prediction P.

    Args:
        config: a `LevelSetConfig`, or its fields as a dict; the defaults if it is left out. A
            `force_scale` of None is 1.

    Attributes:
        portable: keep to operations that ONNX and LiteRT have, with the same result.

    Call arguments:
        logits: float `[B, H, W, N]`, N >= 2.
        log_likelihood: log f_i of eq. 9, float `[B, H, W, N]`, which rho is compared with; the
            log-softmax of the logits if it is left out.
        training: False leaves out the straight-through term of distances, which only has a
            gradient.

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
        logits, config = as_tensor(logits), self.config
        if log_likelihood is None:
            log_likelihood = ops.log_softmax(logits, axis=-1)
        log_f = _phases_first(log_likelihood)
        evolves_all = config.evolves_all(logits.shape[-1])
        labels = ops.cast(argmax(logits, self.portable), "int32")
        if config.initial_phi == "margin":
            labels = None if evolves_all else labels
            evolved = evolve_margins(_phases_first(logits), log_f, config, labels)
        else:
            slope = None if training is False else self._straight_through(logits)
            evolve_distances = evolve_all if evolves_all else evolve_largest
            phi = evolve_distances(labels, log_f, slope, config, self.portable)
            evolved = phi / (-2.0 * config.band * config.temperature)
        return ops.transpose(evolved, (0, 2, 3, 1))

    def _straight_through(self, logits):
        """Zero, with the gradient that the hard assignment lacks: `[B, N, H, W]`."""
        probability = ops.softmax(logits, axis=-1)
        slope = 2.0 * self.config.band * self.config.straight_through
        return slope * _phases_first(ops.stop_gradient(probability) - probability)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return super().get_config() | {"config": dataclasses.asdict(self.config)}


def evolve_margins(logits, log_f, config, labels=None):
    """Algorithm 1, lines 2 to 4, from margins.

    A phase that leads nowhere has no contour: flat in the evolution, it stands still.

    Args:
        logits, log_f: float32 `[B, N, H, W]`.
        config: a `LevelSetConfig`.
        labels: int32 `[B, H, W]`, the argmax of the logits: only the largest `config.max_phases`
            phases evolve, which is the same where there are no more. None: all.

    Returns:
        The evolved logits, float32 `[B, N, H, W]`.
    """
    num_classes, strongest, competing = logits.shape[1], largest_two(logits), largest_two(log_f)
    initial = phi = -margin(logits, strongest)  # line 2
    if labels is not None:
        phases = largest_phases(labels, num_classes, config.max_phases)
        phi, log_f = select(phi, phases), select(log_f, phases)
    has_contour = ops.min(phi, axis=(2, 3), keepdims=True) < 0
    phi = ops.where(has_contour, phi, 0.0)
    force = force_of_some(log_f, competing, config.rho, config.force_scale or 1.0)  # eqs 9, 10
    steps = (config.evolution_steps, config.dt, config.epsilon)
    change = evolve(phi, force, *steps, num_phases=num_classes) - phi  # eq. 7
    if labels is not None:
        change = put_back(change, phases, num_classes)
    return logits_with(-(initial + change)) + strongest[0]  # eq. 6


def evolve_all(labels, log_f, slope, config, portable=False):
    """Algorithm 1, lines 2 and 3, from distances, for all phases.

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
