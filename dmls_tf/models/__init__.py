"""Networks: the dilated encoders, one step of the recurrence, and the whole of it."""

from dmls_tf.models.backbones import BACKBONES, load_backbone_weights
from dmls_tf.models.dfcn import build_dfcn
from dmls_tf.models.dmls import DMLS, build_dmls, copy_weights, load_dmls, with_settings
from dmls_tf.models.remat import batch_norms_of
from dmls_tf.models.transfer import transfer_weights

__all__ = [
    "BACKBONES",
    "DMLS",
    "batch_norms_of",
    "build_dfcn",
    "build_dmls",
    "copy_weights",
    "load_backbone_weights",
    "load_dmls",
    "transfer_weights",
    "with_settings",
]
