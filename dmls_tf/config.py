"""The settings of a model, its data and its training: frozen, checked when they are made."""

import dataclasses

from dmls_tf.errors import UserError

NETWORKS = ("dfcn", "fcn8s")
PRIOR_ENTRIES = ("image", "decoder")
FORCES = ("head", "scores", "gaussian", "adaptive", "scores+adaptive")
OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "step", "polynomial")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
FROZEN_BATCH_NORMS = ("none", "encoder", "all")
STAGES = ("coarse", "head", "joint")
OPTIMIZATIONS = ("none", "float32", "float16", "bfloat16")
MIN_SIDE = 32  # pixels of an image; some encoders have no map left of smaller ones
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")


def _check(condition: object, name: str, rule: str, value: object) -> None:
    if not condition:
        raise UserError(f"{name} must be {rule}, got {value!r}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    _check(value in choices, name, "one of " + ", ".join(choices), value)


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        _check(getattr(config, name) > 0, name, "positive", getattr(config, name))


def _check_size(name: str, size: tuple[int, int] | None) -> None:
    valid = size is None or (len(size) == 2 and all(side > 0 for side in size))
    _check(valid, name, "two positive numbers (height, width)", size)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One DMLS network. Every field is kept in the saved model.

    Attributes:
        num_classes: N, 2 to 255.
        network: "dfcn" (dilated encoder, skip decoder) or "fcn8s" (the paper's baseline).
        backbone: a name in `dmls_tf.models.backbones.BACKBONES`.
        output_stride: 8 or 16, of the dilated encoder's last feature map.
        width: width multiplier of the encoder, 1 for the published network (and its weights).
        score_stride: 4 or 2, of the decoder's class scores.
        decoder_channels: at stride 8 and coarser; half as many at finer strides.
        num_steps: K recurrent steps; any K loads the same weights.
        prior_entry: where the previous prediction enters: "image" (eq. 2), so that later steps run
            the whole network again, or "decoder", so that the encoder runs once.
        prior_gradient: let gradients reach step k through the prediction it hands to step k + 1.
        level_set: False leaves the scores as they are (a plain recurrent FCN).
        force: the log f of eq. 9, see `dmls_tf.models.likelihood`.
        level_set_stride: 1 or 2, resolution of the level sets and their likelihood. Contours are
            found between its pixels: the result is interpolated to full size.
        evolution_steps: of the level sets of the last recurrent step, which is the answer.
        prior_evolution_steps: of the level sets of the steps before, whose predictions are priors.
        band, dt, epsilon, rho, curvature_mean, temperature, score_gradient, max_phases: see
            `dmls_tf.layers.MultiphaseLevelSet`.
        coarse_adjustment, likelihood_adjustment: these times the logarithm of the median-frequency
            class weights are added to the coarse scores and to log f, at inference only. Scores
            that were learned with those weights are calibrated by a negative number.
        batch_norm_momentum: of every batch normalisation; lower for short training runs.

    >>> config = ModelConfig(num_classes=19, backbone="resnet101")
    >>> dataclasses.replace(config, num_steps=2).num_steps
    2
    >>> dataclasses.replace(config, output_stride=32)
    Traceback (most recent call last):
    dmls_tf.errors.UserError: output_stride must be 8 or 16, got 32
    """

    num_classes: int
    network: str = "dfcn"
    backbone: str = "resnet50"
    output_stride: int = 16
    width: float = 1.0
    score_stride: int = 4
    decoder_channels: int = 128
    num_steps: int = 4
    prior_entry: str = "image"
    prior_gradient: bool = False
    level_set: bool = True
    force: str = "head"
    level_set_stride: int = 2
    band: int = 8
    evolution_steps: int = 3
    prior_evolution_steps: int = 1
    dt: float = 0.7
    epsilon: float = 0.0
    rho: float | None = None
    curvature_mean: str = "all"
    temperature: float = 0.1
    score_gradient: float = 1.0
    max_phases: int | None = 24
    coarse_adjustment: float = 0.0
    likelihood_adjustment: float = 0.0
    batch_norm_momentum: float = 0.99

    def __post_init__(self) -> None:
        _check(self.num_classes >= 2, "num_classes", "at least 2", self.num_classes)
        _check(self.num_classes <= 255, "num_classes", "at most 255", self.num_classes)
        _check(self.output_stride in (8, 16), "output_stride", "8 or 16", self.output_stride)
        _check(self.score_stride in (2, 4), "score_stride", "2 or 4", self.score_stride)
        stride = self.level_set_stride
        _check(stride in (1, 2), "level_set_stride", "1 or 2", stride)
        _check_choice("network", self.network, NETWORKS)
        _check_choice("prior_entry", self.prior_entry, PRIOR_ENTRIES)
        plain = self.network == "fcn8s"
        _check(
            not plain or self.prior_entry == "image", "prior_entry", "image with fcn8s", "decoder"
        )
        _check_choice("force", self.force, FORCES)
        _check_positive(self, "width", "num_steps")
        channels, momentum = self.decoder_channels, self.batch_norm_momentum
        _check(channels >= 2, "decoder_channels", "at least 2", channels)
        _check(0 <= momentum < 1, "batch_norm_momentum", "in 0..1, below 1", momentum)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What happens to a record before the network sees it.

    Attributes:
        image_size: (height, width) to which image and label are resized, None for their own.
        crop_size: (height, width) of random training crops, None for none.
        scale_range: (lowest, highest) of the factor, drawn uniformly, by which a training image
            is resized before it is cropped.
        flip: mirror half of the training images.
        jitter: strength of random changes of brightness, contrast, saturation and hue, 0..1.
        batch_size: images in a global batch.
        pad_last_batch: fill the last batch of a pass with images whose labels are ignored;
            otherwise training leaves it out, and in evaluation it is smaller.
        shuffle_buffer: records among which the next one is drawn in training.
        cache: keep all decoded training images in memory (4 bytes a pixel), in their own size.
    """

    image_size: tuple[int, int] | None = None
    crop_size: tuple[int, int] | None = None
    scale_range: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    jitter: float = 0.0
    batch_size: int = 1
    pad_last_batch: bool = False
    shuffle_buffer: int = 1000
    cache: bool = False

    def __post_init__(self) -> None:
        _check_size("image_size", self.image_size)
        _check_size("crop_size", self.crop_size)
        _check_positive(self, "batch_size", "shuffle_buffer")
        scales = self.scale_range
        valid = len(scales) == 2 and 0 < scales[0] <= scales[1]
        _check(valid, "scale_range", "two positive numbers, the lower first", scales)
        _check(
            self.crop_size or scales == (1.0, 1.0), "scale_range", "1,1 without crop_size", scales
        )
        _check(0 <= self.jitter <= 1, "jitter", "in 0..1", self.jitter)


@dataclasses.dataclass(frozen=True)
class InferenceConfig:
    """How a network is applied to an image of any size.

    Attributes:
        image_size: (height, width) to which an image is resized, None for its own.
        window: (height, width), pixels: an image of its own size that is larger is segmented in
            windows, one after the other. None: as large as 50 million class scores, to bound the
            memory.
        overlap: share of a window that the next one has in common with it.
        scales: factors of the image's size at which it is seen; the log-probabilities are averaged.
        flip: see it mirrored as well.
    """

    image_size: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    overlap: float = 0.25
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        _check_size("image_size", self.image_size)
        _check_size("window", self.window)
        _check(0 <= self.overlap < 1, "overlap", "in 0..1, below 1", self.overlap)
        valid = self.scales and all(0.1 <= scale <= 10 for scale in self.scales)
        _check(valid, "scales", "numbers from 0.1 to 10", self.scales)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a staged training.

    Attributes:
        name: "coarse" (the network without its level set), "head" (only the likelihood) or "joint"
            (everything).
        epochs: passes over the training split.
        rate: factor of the learning rate.
    """

    name: str
    epochs: int
    rate: float = 1.0

    def __post_init__(self) -> None:
        _check_choice("stage", self.name, STAGES)
        _check_positive(self, "epochs", "rate")


@dataclasses.dataclass(frozen=True)
class ServingConfig:
    """A served model.

    Attributes:
        image_size: (height, width) that the network works at.
        max_pixels: of an encoded image; larger ones are refused before they are decoded.
        max_batch: images in a request, or in what the server joins; bounds its memory.
        optimize: "none" for the network with its variables; or "float32", "float16" or "bfloat16":
            weights are constants, stored in this type. It computes in float32 with all.
        warm_up: whether requests are added that the server runs before it serves.
    """

    image_size: tuple[int, int]
    max_pixels: int = 50_000_000
    max_batch: int = 8
    optimize: str = "none"
    warm_up: bool = True

    def __post_init__(self) -> None:
        _check_size("image_size", self.image_size)
        _check_positive(self, "max_pixels", "max_batch")
        _check_choice("optimize", self.optimize, OPTIMIZATIONS)
        smallest = min(self.image_size)
        _check(smallest >= MIN_SIDE, "image_size", f"at least {MIN_SIDE} a side", self.image_size)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    Attributes:
        epochs: passes over the training split.
        steps_per_epoch: None for a whole pass.
        optimizer: "sgd" (momentum 0.9) or "adam".
        learning_rate: before the schedule.
        schedule: "constant", "step" (times 0.1 after half of the epochs) or "polynomial"
            (power 0.9, down to a two-hundredth).
        warmup_steps: in which the rate rises linearly from zero.
        new_parameter_rate: factor of the learning rate of the recurrent and level-set parameters.
        weight_decay: factor of the squared kernels' half in the loss.
        clip_norm: largest norm of the gradient of the global batch, None for any.
        accumulate: parts of a replica's batch, whose gradients are summed one after the other.
        average: momentum of the running average of the weights that is validated and saved, None
            for the weights themselves.
        class_weighting: exponent of the median-frequency class weights of eq. 12: 1 for the
            paper's, 0 for none.
        boundary_weight: added to the weight of pixels where the label changes (eq. 12).
        coarse_weight, evolved_weight, head_weight: of the losses of each recurrent step.
        head_band: pixels around true boundaries that the likelihood learns from, None for all.
        deep_supervision: False for losses of the last recurrent step alone.
        train_only: "head" keeps everything but the likelihood as it is; "all".
        freeze_batch_norm: "none", "encoder" or "all": keep statistics, scale and shift.
        backbone_weights: "none", "imagenet" or the path of a weight file.
        initial_model: None or a `model.keras` of the same network, to start from.
        precision: "float32", "mixed_bfloat16" or "mixed_float16"; losses and level sets are
            float32 in any case.
        jit_compile: compile the step with XLA; on one device only.
        remat: compute each recurrent step again in the backward pass, to save memory.
        checkpoint_steps: save the whole state after so many steps, and after each epoch.
        seed: of the weights, the order of the records and the augmentation.
    """

    epochs: int = 40
    steps_per_epoch: int | None = None
    optimizer: str = "sgd"
    learning_rate: float = 1e-2
    schedule: str = "step"
    warmup_steps: int = 0
    new_parameter_rate: float = 1.0
    weight_decay: float = 5e-4
    clip_norm: float | None = None
    accumulate: int = 1
    average: float | None = None
    class_weighting: float = 1.0
    boundary_weight: float = 1.0
    coarse_weight: float = 1.0
    evolved_weight: float = 1.0
    head_weight: float = 1.0
    head_band: int | None = 4
    deep_supervision: bool = True
    train_only: str = "all"
    freeze_batch_norm: str = "none"
    backbone_weights: str = "none"
    initial_model: str | None = None
    precision: str = "float32"
    jit_compile: bool = False
    remat: bool = False
    checkpoint_steps: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        _check_positive(self, "epochs", "learning_rate", "new_parameter_rate", "accumulate")
        _check_positive(self, "checkpoint_steps")
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("train_only", self.train_only, ("all", "head"))
        _check_choice("freeze_batch_norm", self.freeze_batch_norm, FROZEN_BATCH_NORMS)
        _check(self.average is None or 0 < self.average < 1, "average", "in 0..1", self.average)
        _check(
            self.clip_norm is None or self.clip_norm > 0, "clip_norm", "positive", self.clip_norm
        )
        weights = ("weight_decay", "class_weighting", "boundary_weight", "coarse_weight")
        for name in (*weights, "evolved_weight", "head_weight", "warmup_steps"):
            _check(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
