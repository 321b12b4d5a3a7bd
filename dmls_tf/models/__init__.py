"""Networks: the dilated encoders, one step of the recurrence, and the whole of it."""

from dmls_tf.models.backbones import BACKBONES, load_backbone_weights
from dmls_tf.models.dfcn import build_dfcn
from dmls_tf.models.dmls import DMLS, build_dmls, load_dmls

__all__ = ["BACKBONES", "DMLS", "build_dfcn", "build_dmls", "load_backbone_weights", "load_dmls"]
