"""The settings of a network, its data, its training and its uses.

Each field is a setting: its type, default, meaning and rule stand here and nowhere else; the flags
of the commands are derived from them (see `dmls_tf.settings`). All are checked when they are made:

    >>> config = ModelConfig(num_classes=19, backbone="resnet101")
    >>> dataclasses.replace(config, recurrent_steps=2).recurrent_steps
    2
    >>> dataclasses.replace(config, output_stride=32)
    Traceback (most recent call last):
    dmls_tf.errors.UserError: output_stride must be 8 or 16, got 32
"""

import dataclasses
import os
from collections.abc import Sequence

from dmls_tf.errors import UserError
from dmls_tf.settings import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    SHARE_BELOW_1,
    SIZE,
    Rule,
    Settings,
    from_to,
    one_of,
    required,
    setting,
)

BACKBONES = ("vgg16", "vgg19", "resnet50", "resnet101", "resnet152", "mobilenetv2")
LIKELIHOODS = ("learned", "gaussian", "adaptive", "scores", "scores+adaptive")
MIN_SIDE = 32  # pixels of a working size
MIN_ENCODED_SIDE = {"dfcn": 17, "fcn8s": 32}  # pixels; of smaller images no map would be left
WORKING_SIZE = Rule(
    f"height,width of at least {MIN_SIDE} pixels",
    lambda size: isinstance(size, tuple) and min(size) >= MIN_SIDE,
)
IMAGES_PER_SHARD = 64
PICTURES = ("label", "palette", "overlay", "confidence")  # that predict.py writes
FORCE_LIMIT, CURVATURE_LIMIT = 0.7, 0.4  # of dt, over many steps


@dataclasses.dataclass(frozen=True)
class LevelSetConfig(Settings):
    """The evolution of level sets (eqs 4 to 10), as `MultiphaseLevelSet` and `DMLS` have it."""

    initial_phi: str = setting(
        "distance",
        "distance: signed distance to the coarse segmentation, the paper's; margin: minus the lead "
        "of a class's coarse logit, where band, temperature and straight_through mean nothing.",
        one_of("distance", "margin"),
    )
    band: int = setting(8, "Half-width of the band of signed distances, pixels.", POSITIVE)
    evolution_steps: int = setting(12, "Explicit steps of the evolution (eq. 7).", NOT_NEGATIVE)
    dt: float = setting(
        0.7,
        f"Time step; over several steps at most {FORCE_LIMIT}, with curvature "
        f"{CURVATURE_LIMIT} / max(1, epsilon).",
        POSITIVE,
    )
    epsilon: float = setting(0.0, "Weight of the curvature (eq. 7; the paper: 1).", NOT_NEGATIVE)
    rho: float | None = setting(None, "Threshold of the force (eq. 10; the paper: 0.5), or none.")
    force_scale: float | None = setting(
        None,
        "Factor of the force before it is clipped to [-1, 1]; none: the likelihood's own.",
        POSITIVE,
    )
    temperature: float = setting(
        0.1, "Softness of the assignment, in units of the scaled phi.", POSITIVE
    )
    straight_through: float = setting(
        1.0,
        "Minus the derivative of the scaled phi with respect to the softmax of the coarse logits; "
        "1 / (2 band) makes it one pixel.",
        NOT_NEGATIVE,
    )
    max_phases: int | None = setting(
        24, "How many phases evolve, the largest by area; none: all.", POSITIVE
    )

    def evolves_all(self, num_classes: int) -> bool:
        """Whether all of so many classes evolve."""
        return self.max_phases is None or self.max_phases >= num_classes

    def __post_init__(self) -> None:
        super().__post_init__()
        limit = CURVATURE_LIMIT / max(1, self.epsilon) if self.epsilon else FORCE_LIMIT
        if self.evolution_steps > 1 and self.dt > limit:
            raise UserError(
                f"dt must be at most {limit:g} for {self.evolution_steps} evolution_steps with "
                f"epsilon {self.epsilon:g}, got {self.dt}; larger ones are unstable"
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig(Settings):
    """One DMLS network. A saved model keeps it."""

    num_classes: int = required("N, the number of classes.", from_to(2, 255), flag=False)
    network: str = setting(
        "dfcn",
        "dfcn: dilated encoder and skip decoder; fcn8s: the paper's baseline.",
        one_of("dfcn", "fcn8s"),
    )
    backbone: str = setting("resnet50", "Encoder, of keras.applications.", one_of(*BACKBONES))
    output_stride: int = setting(16, "Of the dilated encoder's last feature map.", one_of(8, 16))
    width_multiplier: float = setting(1.0, "Of the encoder's channels; 1 as published.", POSITIVE)
    network_stride: int = setting(
        1,
        "Factor by which the image is reduced for the DFCN, from where its strides count; the "
        "likelihood and the level sets have level_set_stride.",
        one_of(1, 2, 4),
    )
    decoder_stride: int = setting(4, "Stride of the decoder's logits.", one_of(2, 4))
    decoder_channels: int = setting(
        128, "Channels at stride 8 and coarser; half as many at finer strides.", from_to(2, 4096)
    )
    recurrent_steps: int = setting(4, "K; any K loads the same weights.", from_to(1, 100))
    prior_entry: str = setting(
        "image",
        "Where the previous prediction enters: image (eq. 2) runs the whole network again, decoder "
        "runs the encoder once.",
        one_of("image", "decoder"),
    )
    prior_gradient: bool = setting(False, "Let gradients pass from step k + 1 to k through P.")
    level_set: LevelSetConfig | None = setting(
        LevelSetConfig(), "Evolve the logits of each step; without: a plain recurrent FCN."
    )
    level_set_stride: int = setting(
        2, "Stride of the level sets and their likelihood; results are interpolated.", one_of(1, 2)
    )
    prior_evolution_steps: int = setting(
        1, "evolution_steps before the last recurrent step.", NOT_NEGATIVE
    )
    likelihood: str = setting("learned", "log f of eq. 9.", one_of(*LIKELIHOODS))
    coarse_adjustment: float = setting(
        0.0,
        "At inference, add this times the log of the median-frequency class weights to the coarse "
        "logits; what was trained with class weights is calibrated by a negative number.",
    )
    likelihood_adjustment: float = setting(0.0, "coarse_adjustment, but for log f.")
    batch_norm_momentum: float = setting(0.99, "Lower it for short trainings.", SHARE_BELOW_1)

    def __post_init__(self) -> None:
        if isinstance(self.level_set, dict):  # of a saved model
            object.__setattr__(self, "level_set", LevelSetConfig(**self.level_set))
        super().__post_init__()
        if self.network == "fcn8s" and self.prior_entry == "decoder":
            raise UserError("prior_entry must be image with fcn8s, got 'decoder'")
        if self.level_set:
            self.evolution_of(1)  # which checks it

    @property
    def min_side(self) -> int:
        """Height and width that an image needs, pixels."""
        return MIN_ENCODED_SIDE[self.network] * self.network_stride

    def check_size(self, size: Sequence[float]) -> None:
        """Raises a `UserError` if a height or width, pixels, is below `min_side`."""
        if any(side < self.min_side for side in size):
            raise UserError(
                f"images must be at least {self.min_side} pixels high and wide for this network, "
                f"got {' x '.join(f'{side:g}' for side in size)}"
            )

    def evolution_of(self, step: int) -> LevelSetConfig:
        """The level sets of recurrent step k = 1..K. Needs a `level_set`."""
        assert self.level_set is not None
        if step == self.recurrent_steps:
            return self.level_set
        return dataclasses.replace(self.level_set, evolution_steps=self.prior_evolution_steps)


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """What happens to a record before the network sees it."""

    image_size: tuple[int, int] | None = setting(
        None, "height,width to which image and label are resized; none: their own.", SIZE
    )
    crop_size: tuple[int, int] | None = setting(
        None, "height,width of random training crops; none: no crops.", SIZE
    )
    scale_range: tuple[float, float] = setting(
        (1.0, 1.0),
        "lowest,highest factor by which a training image is resized before it is cropped.",
        Rule("lowest,highest, both positive", lambda scales: 0 < scales[0] <= scales[1]),
    )
    random_flip: bool = setting(True, "Mirror half of the training images.")
    jitter: float = setting(0.0, "Strength of random changes of the colours.", SHARE)
    batch_size: int = setting(1, "Images in a global batch.", POSITIVE, flag=False)
    pad_last_batch: bool = setting(
        False,
        "Fill the last batch of a pass with ignored images; otherwise training drops it and "
        "evaluation has a smaller one.",
    )
    shuffle_buffer: int = setting(1000, "Records among which the next is drawn.", POSITIVE)
    cache: bool = setting(False, "Keep decoded training images in memory, 4 bytes per pixel.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale_range != (1, 1) and not self.crop_size:
            raise UserError(f"scale_range must be 1,1 without crop_size, got {self.scale_range}")


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """How a network is trained."""

    epochs: int = setting(40, "Passes over the training split.", POSITIVE)
    steps_per_epoch: int | None = setting(None, "Updates per epoch; none: a whole pass.", POSITIVE)
    optimizer: str = setting("sgd", "sgd has momentum 0.9.", one_of("sgd", "adam"))
    learning_rate: float = setting(1e-2, "Before the schedule.", POSITIVE)
    schedule: str = setting(
        "step",
        "step: times 0.1 after half of the epochs; polynomial: power 0.9, down to 1/200.",
        one_of("constant", "step", "polynomial"),
    )
    warmup_steps: int = setting(0, "Updates in which the rate rises from zero.", NOT_NEGATIVE)
    new_parameter_rate: float = setting(1.0, "Of the recurrent and level-set parameters.", POSITIVE)
    weight_decay: float = setting(5e-4, "Factor of half the squared kernels.", NOT_NEGATIVE)
    clip_norm: float | None = setting(None, "Largest norm of a gradient; none: any.", POSITIVE)
    accumulate: int = setting(1, "Parts of a replica's batch, one after the other.", POSITIVE)
    average: float | None = setting(
        None,
        "Momentum of the running average of the weights that is validated and saved, like 0.999.",
        Rule("above 0 and below 1", lambda value: 0 < value < 1),
    )
    class_weighting: float = setting(1.0, "Exponent of eq. 12's class weights.", NOT_NEGATIVE)
    boundary_weight: float = setting(1.0, "Of pixels at boundaries (eq. 12).", NOT_NEGATIVE)
    coarse_weight: float = setting(1.0, "Of the loss on the coarse logits.", NOT_NEGATIVE)
    evolved_weight: float = setting(1.0, "Of the loss on the evolved prediction.", NOT_NEGATIVE)
    likelihood_weight: float = setting(1.0, "Of the learned likelihood's loss.", NOT_NEGATIVE)
    likelihood_band: int | None = setting(
        4, "Pixels around true boundaries that the likelihood learns from; none: all.", POSITIVE
    )
    deep_supervision: bool = setting(True, "Losses at every step; without: only the last.")
    train_only: str = setting("all", "What learns.", one_of("all", "likelihood"))
    freeze_batch_norm: str = setting(
        "none",
        "Batch normalisations that keep statistics, scale and shift; for batches of one image.",
        one_of("none", "encoder", "all"),
    )
    backbone_weights: str = setting("none", "none, imagenet or the path of a weight file.")
    initial_model: str | None = setting(
        None, "A model.keras of the same network to start from; classes are found by their names."
    )
    precision: str = setting(
        "float32",
        "Of all but losses and level sets, which are float32.",
        one_of("float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit_compile: bool = setting(False, "Compile the training step with XLA; one device only.")
    remat: bool = setting(False, "Compute steps again in the backward pass, for memory.")
    checkpoint_steps: int = setting(1000, "Updates between checkpoints.", POSITIVE)
    seed: int = setting(0, "Of weights, order and augmentation.", from_to(0, 2**32 - 1))


@dataclasses.dataclass(frozen=True)
class Stage(Settings):
    """A part of a staged training."""

    name: str = required(
        "coarse: the network without its level set; likelihood: only that; joint: everything.",
        one_of("coarse", "likelihood", "joint"),
    )
    epochs: int = required("Passes over the training split.", POSITIVE)
    rate: float = setting(1.0, "Factor of the learning rate.", POSITIVE)


@dataclasses.dataclass(frozen=True)
class InferenceConfig(Settings):
    """How a network is applied to an image of any size."""

    image_size: tuple[int, int] | str = setting(
        "model",
        "Size at which images are segmented: model (that of the training), native (their own) or "
        "height,width.",
        Rule(
            f"model, native or {WORKING_SIZE.text}",
            lambda size: size in ("model", "native") or WORKING_SIZE.holds(size),
        ),
    )
    window: tuple[int, int] | None = setting(
        None,
        "height,width: larger native images are segmented in windows; none: as large as 50 million "
        "class logits, which bounds the memory.",
        WORKING_SIZE,
    )
    overlap: float = setting(0.25, "Share that two windows have in common.", SHARE_BELOW_1)
    scales: tuple[float, ...] = setting(
        (1.0,),
        "Factors of the size at which an image is seen; log-probabilities are averaged.",
        Rule(
            "numbers from 0.1 to 10",
            lambda scales: scales and all(0.1 <= scale <= 10 for scale in scales),
        ),
    )
    test_time_flip: bool = setting(False, "Average with the prediction for the mirrored image.")

    def sized_for(self, metadata: dict) -> "InferenceConfig":
        """With "model" replaced by the size that a model's metadata names, or "native"."""
        if self.image_size != "model":
            return self
        trained = metadata.get("image_size")
        return dataclasses.replace(self, image_size=tuple(trained) if trained else "native")

    @property
    def working_size(self) -> tuple[int, int] | None:
        """(height, width) to which images are resized, None for their own.

        Raises:
            UserError: it is that of a model, see `sized_for`.
        """
        if self.image_size == "model":
            raise UserError("image_size must be native or height,width, got 'model'")
        return None if isinstance(self.image_size, str) else self.image_size


@dataclasses.dataclass(frozen=True)
class FileConfig(Settings):
    """A network for images of one size."""

    image_size: tuple[int, int] | str = setting(
        "model",
        "Size that the network works at: model (that of the training) or height,width.",
        Rule(
            f"model or {WORKING_SIZE.text}",
            lambda size: size == "model" or WORKING_SIZE.holds(size),
        ),
    )

    def sized_for(self, metadata: dict) -> "FileConfig":
        """With "model" replaced by the size that a model's metadata names.

        Raises:
            UserError: it names none.
        """
        if self.image_size != "model":
            return self
        if not metadata.get("image_size"):
            raise UserError("this model was trained at no fixed size; pass --image_size")
        return dataclasses.replace(self, image_size=tuple(metadata["image_size"]))


@dataclasses.dataclass(frozen=True)
class ServingConfig(FileConfig):
    """A served model."""

    max_pixels: int = setting(50_000_000, "Of an encoded image; larger ones are refused.", POSITIVE)
    max_batch: int = setting(8, "Images in a request or a joined batch.", POSITIVE)
    optimize: str = setting(
        "none",
        "none: the network with its variables; others: weights are constants stored in this type, "
        "computed in float32.",
        one_of("none", "float32", "float16", "bfloat16"),
    )
    warm_up: bool = setting(True, "Add requests that the server runs before it serves.")


@dataclasses.dataclass(frozen=True)
class ConversionConfig(Settings):
    """How a data set is converted to records."""

    num_shards: int | None = setting(
        None, f"Shards per split; none: one per {IMAGES_PER_SHARD} images.", POSITIVE
    )
    num_workers: int = setting(os.cpu_count(), "Processes.", POSITIVE)
    max_side: int | None = setting(
        None,
        "Make longer images smaller, to this many pixels; none: take all as they are.",
        POSITIVE,
    )
    label_orientation: str = setting(
        "upright",
        "What a label is that fits its photograph both as EXIF turns it upright and as it is "
        "stored.",
        one_of("upright", "stored"),
    )
    on_error: str = setting(
        "fail", "skip: list faulty images, leave them out.", one_of("fail", "skip")
    )
    overwrite: bool = setting(False, "Replace existing records.")
