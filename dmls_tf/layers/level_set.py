"""The multiphase level-set layer: class scores in, evolved scores out (Algorithm 1, lines 2-4)."""

import keras
from keras import ops

from dmls_tf.errors import UserError
from dmls_tf.ops.distance_transform import signed_distance_phases_first
from dmls_tf.ops.level_set import evolve, force_of_some, largest_two, region_force
from dmls_tf.ops.phases import largest_phases, positions, renumber, restore, select

CURVATURE_MEANS = ("all", "active")


@keras.saving.register_keras_serializable(package="dmls")
class MultiphaseLevelSet(keras.layers.Layer):
    """Turns scores into level-set functions, lets the regions compete, and scores them again.

    The hard assignment of the scores gives one signed distance function a class, in a band of
    `band` pixels. It evolves under the force of the likelihoods and under curvature. The result
    is `-phi / (2 band temperature)`: its argmax is the assignment of eq. 6, its softmax the
    prediction P. A hard mask has no derivative, so the scores get theirs by a straight-through
    term, d phi_i / d softmax_i = -2 band score_gradient: a higher score, a deeper inside.

    Args:
        band: half-width of the band, pixels.
        num_steps: explicit steps of the evolution.
        dt: time step; see `dmls_tf.ops.level_set` for the limits of stability.
        epsilon: weight of the curvature (eq. 7).
        rho: threshold of the force (eq. 10), None for none.
        force_scale: factor before the force is clipped to [-1, 1].
        curvature_mean: "all" or "active", see `dmls_tf.ops.level_set.curvature`.
        temperature: softness of the assignment, in units of the scaled phi in [-0.5, 0.5].
        score_gradient: 1 for the scaled phi, 1 / (2 band) for a slope of one pixel.
        max_phases: evolve only so many phases of an image, the largest by area, None for all.
            The same result as with all of them when the scores show no more classes; the
            regions of further classes stand still.

    Call arguments:
        logits: float `[B, H, W, N]`, N >= 2.
        log_likelihood: log f_i of eq. 9, float `[B, H, W, N]`; the log-softmax of the
            logits where it is left out.
        training: False leaves out the straight-through term, which only has a gradient.

    Returns:
        float32 `[B, H, W, N]`, whatever the precision policy.

    Raises:
        UserError: an argument outside its range.

    >>> scores = np.array([[[[1, 0], [1, 0], [0, 1], [0, 1]]]], "float32")  # 1 x 4 pixels, N = 2
    >>> log_likelihood = np.array([[[[1, 0], [1, 0], [1, 0], [0, 1]]]], "float32")
    >>> layer = MultiphaseLevelSet(num_steps=2, dt=0.5, epsilon=0)
    >>> print(np.argmax(scores, -1), np.argmax(layer(scores, log_likelihood), -1))
    [[[0 0 1 1]]] [[[0 0 0 1]]]
    """

    def __init__(
        self,
        band=8,
        num_steps=3,
        dt=0.4,
        epsilon=1.0,
        rho=None,
        force_scale=1.0,
        curvature_mean="all",
        temperature=0.1,
        score_gradient=1.0,
        max_phases=None,
        **kwargs,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        for name, value in (("band", band), ("dt", dt), ("temperature", temperature)):
            if not value > 0:
                raise UserError(f"{name} must be positive, got {value}")
        if max_phases is not None and max_phases < 1:
            raise UserError(f"max_phases must be at least 1, or None, got {max_phases}")
        if num_steps < 0:
            raise UserError(f"num_steps must not be negative, got {num_steps}")
        if curvature_mean not in CURVATURE_MEANS:
            raise UserError(
                f"curvature_mean must be one of {CURVATURE_MEANS}, got {curvature_mean}"
            )
        self.band = band
        self.num_steps = num_steps
        self.dt = dt
        self.epsilon = epsilon
        self.rho = rho
        self.force_scale = force_scale
        self.curvature_mean = curvature_mean
        self.temperature = temperature
        self.score_gradient = score_gradient
        self.max_phases = max_phases

    def call(self, logits, log_likelihood=None, training=None):
        if log_likelihood is None:
            log_likelihood = ops.log_softmax(logits, axis=-1)
        labels = ops.cast(ops.argmax(logits, axis=-1), "int32")
        straight = None if training is False else self._straight_through(logits)
        log_likelihood = _phases_first(log_likelihood)
        num_classes = logits.shape[-1]
        if self.max_phases is None or self.max_phases >= num_classes:
            force = region_force(log_likelihood, self.rho, self.force_scale)
            phi = signed_distance_phases_first(labels, num_classes, self.band)
            phi = phi if straight is None else phi + straight
            phi = self._evolve(phi, force, num_classes)
        else:
            phi = self._evolve_largest(labels, straight, log_likelihood)
        return ops.transpose(phi, (0, 2, 3, 1)) / (-2.0 * self.band * self.temperature)

    def _straight_through(self, logits):
        """Zero, with the gradient that the hard labels lack: `[B, N, H, W]`."""
        scores = ops.softmax(logits, axis=-1)
        slope = 2.0 * self.band * self.score_gradient
        return slope * _phases_first(ops.stop_gradient(scores) - scores)

    def _evolve(self, phi, force, num_classes):
        mean = num_classes if self.curvature_mean == "all" else "active"
        return evolve(phi, force, self.num_steps, self.dt, self.epsilon, mean)

    def _evolve_largest(self, labels, straight, log_likelihood):
        num_classes = log_likelihood.shape[1]
        phases = largest_phases(labels, num_classes, self.max_phases)
        position = positions(phases, num_classes)
        phi = signed_distance_phases_first(
            renumber(labels, position), self.max_phases + 1, self.band
        )
        phi, rest = phi[:, : self.max_phases], phi[:, self.max_phases :]
        if straight is not None:
            phi = phi + select(straight, phases)
        strongest = largest_two(log_likelihood)
        log_likelihood = select(log_likelihood, phases)
        force = force_of_some(log_likelihood, strongest, self.rho, self.force_scale)
        phi = self._evolve(phi, force, num_classes)
        phi = restore(phi, rest, labels, position, outside=float(self.band))
        if straight is None:
            return phi
        standing = ops.cast(ops.equal(position, self.max_phases), "float32")
        return phi + standing[:, :, None, None] * straight

    def compute_output_shape(self, logits_shape, log_likelihood_shape=None):
        return tuple(logits_shape)

    def get_config(self):
        return super().get_config() | {
            "band": self.band,
            "num_steps": self.num_steps,
            "dt": self.dt,
            "epsilon": self.epsilon,
            "rho": self.rho,
            "force_scale": self.force_scale,
            "curvature_mean": self.curvature_mean,
            "temperature": self.temperature,
            "score_gradient": self.score_gradient,
            "max_phases": self.max_phases,
        }


def _phases_first(maps):
    """`[B, H, W, N]` as `[B, N, H, W]`."""
    return ops.transpose(maps, (0, 3, 1, 2))
