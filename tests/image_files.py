"""Image files in memory, good and bad, for those that decode them."""

import io
import struct
import zlib

from PIL import Image

ORIENTATION = 0x0112
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(pixels, kind="png", **options):
    """The bytes of a file of pixels, an array or a Pillow image."""
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation, order=None, extra=()):
    """An EXIF block with an orientation, behind other entries; in a byte order, "<" or ">"."""
    made = Image.Exif()
    if order:
        made.endian = order
    for tag in extra:
        made[tag] = "a camera of some name"
    made[ORIENTATION] = orientation
    return made


def png_header(width, height):
    """A PNG of a size that it only claims."""
    return _png(width, height, color_type=2, data=zlib.compress(b"\0" * 100))


def bomb(width, height):
    """A PNG of a few bytes a row whose pixels, all black, really are there."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + width)) for _ in range(height)) + rows.flush()
    return _png(width, height, color_type=0, data=data)


def _png(width, height, color_type, data):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)
    chunks = [header, b"IDAT" + data, b"IEND"]
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return PNG_SIGNATURE + b"".join(parts)


def damaged(rng, scene):
    """A file that no decoder takes: cut, overwritten, of another kind, or too large."""
    png, jpeg = encoded(scene), encoded(scene, "jpeg")
    whole = png if rng.random() < 0.5 else jpeg
    kind = rng.integers(8)
    if kind == 0:
        return whole[: rng.integers(len(whole) - 200)]
    if kind == 1:
        return rng.bytes(rng.integers(300))
    if kind == 2:  # its first bytes
        return rng.bytes(8) + whole[8:]
    if kind == 3:  # the checksum of a chunk no longer fits
        place = rng.integers(len(PNG_SIGNATURE) + 8, len(png) - 16)
        return png[:place] + bytes([png[place] ^ (1 << rng.integers(8))]) + png[place + 1 :]
    if kind == 4:
        return png_header(*(int(side) for side in rng.integers(2000, 2**31, 2)))
    if kind == 5:
        return encoded(scene, ["gif", "bmp", "tiff", "webp"][rng.integers(4)])
    if kind == 6:
        return b"".join([b'{"b64": "', png[:20], b'"}'])
    return jpeg[:2] + rng.bytes(40) + jpeg[42:]
