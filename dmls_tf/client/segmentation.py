"""Segmentations and class names from the responses of a model, wherever it runs."""

import io
import json

import numpy as np

from dmls_tf.errors import DamagedFile
from dmls_tf.images.label_maps import read_label
from dmls_tf.inference.segmentation import Segmentation

SIGNATURE = "masks"


def segmenter(ask):
    """A function from a `Photo` to a `Segmentation`, whose confidence is in steps of 1/255.

    It raises `DamagedFile` if the model refuses the image, and the errors of `ask`.
    """

    def segment(photo):
        try:
            response = ask(SIGNATURE, "image_bytes", [photo.content])
            if fault := _text(response["error"][0]):
                raise DamagedFile(fault)
        except DamagedFile as error:
            raise DamagedFile(f"{photo.name}: {error}") from error
        mask, confidence = (
            read_label(io.BytesIO(response[f"{kind}_png_bytes"][0]), "the model's response")
            for kind in ("mask", "confidence")
        )
        return Segmentation(mask, confidence.astype(np.float32) / 255)

    return segment


def read_classes(ask):
    """Names and colours of the classes, from the model card.

    >>> def ask(signature, key, values):
    ...     return {"json": [b'["road", "sky"]', b"[[128, 64, 128], [70, 130, 180]]"]}
    >>> read_classes(ask)
    (['road', 'sky'], [[128, 64, 128], [70, 130, 180]])
    """
    classes, palette = ask("about", "fields", [b"classes", b"palette"])["json"]
    return json.loads(_text(classes)), json.loads(_text(palette))


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
