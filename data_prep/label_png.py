"""PNG files of label and instance maps.

Each row is stored as its difference from the row above, which is nearly always zero, and deflated
by run lengths alone. That takes a quarter of the time of Pillow's choice of a filter for every row
and makes no larger files; the time counts, since a converter does little else that copying does
not.
"""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, UP = 0, 2  # colour type; filter type


def encode_label_png(values):
    """A grey PNG, lossless.

    Args:
        values: uint8 or uint16 `[H, W]`.

    Returns:
        The bytes of an 8-bit or 16-bit PNG.
    """
    height, width = values.shape
    samples = values.astype(values.dtype.newbyteorder(">")).view(np.uint8)
    rows = np.empty((height, 1 + samples.shape[1]), np.uint8)
    rows[:, 0] = UP
    rows[0, 1:] = samples[0]
    np.subtract(samples[1:], samples[:-1], out=rows[1:, 1:])
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    data = deflate.compress(rows) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8 * values.itemsize, GREY, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
