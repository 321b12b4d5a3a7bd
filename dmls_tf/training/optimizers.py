"""Optimisers with schedules, warm-up, and a learning rate of their own for new parameters."""

import keras
from keras import ops

MOMENTUM = 0.9


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose first steps rise linearly to it.

    Args:
        schedule: a `LearningRateSchedule` or a number.
        steps: at the last of which it is reached; 0 for none.
    """

    def __init__(self, schedule, steps):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        if not self.steps:
            return ops.convert_to_tensor(rate, "float32")
        return rate * ops.minimum(1.0, (ops.cast(step, "float32") + 1.0) / self.steps)

    def get_config(self):
        return {"schedule": self.schedule, "steps": self.steps}


def make_schedule(config, total_steps):
    """The learning rate of each step, as a `TrainConfig` says."""
    rate, schedules = config.learning_rate, keras.optimizers.schedules
    if config.schedule == "step":
        rate = schedules.PiecewiseConstantDecay([total_steps // 2], [rate, 0.1 * rate])
    elif config.schedule == "polynomial":
        rate = schedules.PolynomialDecay(rate, total_steps, rate / 200, power=0.9)
    return WarmUp(rate, config.warmup_steps)


class LayerwiseRates:
    """Lets an optimiser multiply its learning rate by a factor of each variable's own.

    A mix-in before a `keras.optimizers` class. The result is that of several optimisers, one a
    factor, as in TensorFlow Addons' `MultiOptimizer`: Adam's moments know nothing of the rate,
    SGD's velocity holds the multiplied one.
    """

    rate_factors = None

    def set_rate_factors(self, variables, factors):
        """Builds the optimiser for these variables, with one factor each."""
        self.build(variables)
        self.rate_factors = list(factors)

    def update_step(self, gradient, variable, learning_rate):
        factor = self.rate_factors[self._get_variable_index(variable)] if self.rate_factors else 1
        super().update_step(gradient, variable, learning_rate * factor)


class SGD(LayerwiseRates, keras.optimizers.SGD):
    """Stochastic gradient descent with a rate factor a variable."""


class Adam(LayerwiseRates, keras.optimizers.Adam):
    """Adam with a rate factor a variable."""


def make_optimizer(model, config, total_steps):
    """The optimiser of a model's trainable variables, as a `TrainConfig` says.

    Args:
        model: a `DMLS`.
        config: a `TrainConfig`.
        total_steps: of the schedule.

    Returns:
        A built optimiser, which scales its loss under "mixed_float16".
    """
    schedule = make_schedule(config, total_steps)
    optimizer = Adam(schedule) if config.optimizer == "adam" else SGD(schedule, MOMENTUM)
    new = {id(variable) for part in new_parts(model) for variable in part.trainable_variables}
    variables = model.trainable_variables
    factors = [config.new_parameter_rate if id(v) in new else 1.0 for v in variables]
    optimizer.set_rate_factors(variables, factors)
    if config.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer


def new_parts(model):
    """The recurrent and level-set layers, which have no published weights (Section IV.A)."""
    return [part for part in (model.dfcn.prior_convolution, model.likelihood) if part is not None]
