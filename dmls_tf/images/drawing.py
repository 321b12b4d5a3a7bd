"""Label maps as pictures: colours, overlays and a legend."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROW, MARGIN = 18, 4
LINE_PER_PIXELS = 600  # a line is one pixel wider for each so many of the image's shorter side


def colorize(label, palette):
    """Class ids to colours, black where an id has none.

    Args:
        label: integers `[H, W]` in 0..255.
        palette: an RGB colour a class.

    Returns:
        uint8 `[H, W, 3]`.

    >>> colorize([[0, 1, 255]], palette=[(128, 0, 0), (0, 128, 0)]).tolist()
    [[[128, 0, 0], [0, 128, 0], [0, 0, 0]]]
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[np.asarray(label)]


def overlay(image, label, palette, opacity=0.5):
    """The image tinted by class, with a white line on the borders between classes.

    Args:
        image: uint8 `[H, W, 3]`.
        label: integers `[H, W]`.
        palette: an RGB colour a class.
        opacity: of the tint, 0..1.

    Returns:
        uint8 `[H, W, 3]`.
    """
    mixed = (1 - opacity) * np.asarray(image, np.float32) + opacity * colorize(label, palette)
    mixed[_borders(label)] = 255
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def contours(image, label, color=(255, 230, 0)):
    """The image, uint8 `[H, W, 3]`, with a bright line on the borders between classes."""
    drawn = np.array(image, np.uint8)
    drawn[_borders(label)] = color
    return drawn


def _borders(label):
    """Where the label changes, as a line that is wider in larger images."""
    label = np.asarray(label)
    border = np.zeros(label.shape, bool)
    border[:, 1:] |= label[:, 1:] != label[:, :-1]
    border[1:] |= label[1:] != label[:-1]
    for _ in range(min(label.shape) // LINE_PER_PIXELS):
        border[:, 1:] |= border[:, :-1]
        border[1:] |= border[:-1]
    return border


def legend(class_names, palette, columns=1):
    """A PIL image with a colour patch and a name a class."""
    font = ImageFont.load_default()
    rows = -(-len(class_names) // columns)
    width = max(int(font.getlength(name)) for name in class_names) + ROW + 4 * MARGIN
    image = Image.new("RGB", (columns * width, rows * ROW + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    for index, (name, color) in enumerate(zip(class_names, palette, strict=True)):
        left, top = (index // rows) * width + MARGIN, (index % rows) * ROW + MARGIN
        draw.rectangle([left, top, left + ROW, top + ROW - MARGIN], tuple(color), "black")
        draw.text((left + ROW + MARGIN, top), name, "black", font)
    return image
