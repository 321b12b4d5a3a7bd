"""Street-like scenes drawn by a program: an unlimited, free data set with exact labels.

A scene is painted from back to front, so near things hide far ones: sky and ground, a skyline,
trees, vehicles, persons, and poles of a pixel or two that carry signs. The classes differ by
orders of magnitude in their pixels, every surface has its own texture and light, and colours
overlap between classes, so that neither colour nor position alone tells them apart. Some scenes
end in a strip of ignored pixels, like the bonnet of a recording car.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.spec import DatasetSpec

CLASSES = {
    "sky": (110, 170, 230),
    "ground": (120, 90, 110),
    "building": (170, 90, 60),
    "tree": (60, 140, 60),
    "vehicle": (40, 60, 180),
    "person": (220, 40, 80),
    "pole": (240, 220, 120),
    "sign": (250, 150, 20),
}
SKY, GROUND, BUILDING, TREE, VEHICLE, PERSON, POLE, SIGN = range(len(CLASSES))

SYNTHETIC = DatasetSpec(
    name="synthetic",
    class_names=tuple(CLASSES),
    palette=tuple(CLASSES.values()),
    raw_to_class={**{i: i for i in range(len(CLASSES))}, IGNORE_LABEL: IGNORE_LABEL},
    split_sizes={},
)


def draw_scene(height, width, rng):
    """Draws one scene.

    Args:
        height, width: pixels, at least 32.
        rng: a `numpy.random.Generator`, which decides everything.

    Returns:
        (image uint8 `[H, W, 3]`, label uint8 `[H, W]` with 255 for ignored pixels).
    """
    scene = _Scene(height, width, rng)
    horizon = rng.uniform(0.4, 0.6)
    scene.fill(SKY, [(0, 0), (1, 0), (1, 1), (0, 1)], (150, 180, 215), contrast=12, grain=6)
    ground = [(0, horizon), (1, horizon), (1, 1), (0, 1)]
    scene.fill(GROUND, ground, (115, 108, 105), contrast=16, grain=2)
    _draw_buildings(scene, horizon)
    for depth in np.sort(rng.uniform(0, 1, rng.integers(7, 14))):
        foot = horizon + (0.95 - horizon) * depth**1.5
        kind = rng.choice([TREE, VEHICLE, PERSON, POLE], p=[0.3, 0.3, 0.2, 0.2])
        draw = {TREE: _draw_tree, VEHICLE: _draw_vehicle, PERSON: _draw_person, POLE: _draw_pole}
        draw[kind](scene, rng.uniform(0.05, 0.95), foot, 0.5 + depth)
    return scene.finish()


def _draw_buildings(scene, horizon):
    rng, left = scene.rng, scene.rng.uniform(-0.15, 0.1)
    while left < 1:
        width, height = rng.uniform(0.1, 0.28), rng.uniform(0.12, 0.38)
        if rng.random() < 0.8:
            top, right = horizon - height, left + width
            color = _vary(rng, (150, 115, 95), 40)
            walls = [(left, top), (right, top), (right, horizon), (left, horizon)]
            scene.fill(BUILDING, walls, color, contrast=14, grain=1)
            dark = tuple(int(0.55 * c) for c in color)
            step = rng.uniform(0.025, 0.04)
            for y in np.arange(top + step, horizon - step, 2 * step):
                for x in np.arange(left + step, right - step, 1.6 * step):
                    window = [
                        (x, y),
                        (x + 0.7 * step, y),
                        (x + 0.7 * step, y + step),
                        (x, y + step),
                    ]
                    scene.fill(BUILDING, window, dark, contrast=10, grain=1)
        left += width + rng.uniform(0, 0.08)


def _draw_tree(scene, x, foot, scale):
    rng = scene.rng
    trunk, crown = 0.012 * scale, rng.uniform(0.07, 0.13) * scale
    top = foot - rng.uniform(0.18, 0.3) * scale
    trunk_box = [(x - trunk, top), (x + trunk, top), (x + trunk, foot), (x - trunk, foot)]
    scene.fill(TREE, trunk_box, (85, 65, 50), contrast=10, grain=1)
    color = _vary(rng, (70, 105, 55), 25)
    for _ in range(7):
        center = (x + rng.normal(0, 0.5) * crown, top + rng.normal(0, 0.4) * crown)
        scene.fill(TREE, _blob(rng, center, crown * rng.uniform(0.5, 0.9)), color, 28, 1)


def _draw_vehicle(scene, x, foot, scale):
    rng = scene.rng
    length, height = rng.uniform(0.12, 0.2) * scale, rng.uniform(0.08, 0.11) * scale
    belt, roof = foot - 0.55 * height, foot - height
    left, right = x - length / 2, x + length / 2
    color = _vary(rng, (110, 100, 110), 70)
    body = [(left, belt), (right, belt), (right, foot - 0.1 * height), (left, foot - 0.1 * height)]
    cabin = [(left + 0.2 * length, roof), (right - 0.25 * length, roof)]
    cabin += [(right - 0.1 * length, belt), (left + 0.05 * length, belt)]
    scene.fill(VEHICLE, cabin, (60, 70, 85), contrast=10, grain=2)
    scene.fill(VEHICLE, body, color, contrast=10, grain=4)
    for wheel in (left + 0.22 * length, right - 0.22 * length):
        scene.fill(
            VEHICLE, _blob(rng, (wheel, foot - 0.1 * height), 0.2 * height, 0.02), (35,) * 3, 6, 1
        )


def _draw_person(scene, x, foot, scale):
    rng = scene.rng
    height = rng.uniform(0.11, 0.15) * scale
    wide = 0.17 * height
    legs = [(x - wide, foot), (x - 0.6 * wide, foot - 0.5 * height)]
    legs += [(x + 0.6 * wide, foot - 0.5 * height), (x + wide, foot), (x, foot - 0.4 * height)]
    scene.fill(PERSON, legs, _vary(rng, (60, 60, 80), 30), contrast=10, grain=1)
    torso = [(x - wide, foot - 0.45 * height), (x + wide, foot - 0.45 * height)]
    torso += [(x + 0.8 * wide, foot - 0.82 * height), (x - 0.8 * wide, foot - 0.82 * height)]
    scene.fill(PERSON, torso, _vary(rng, (140, 100, 90), 70), contrast=14, grain=1)
    head = _blob(rng, (x, foot - 0.9 * height), 0.09 * height, 0.05)
    scene.fill(PERSON, head, (190, 150, 125), contrast=8, grain=1)


def _draw_pole(scene, x, foot, scale):
    rng = scene.rng
    thin, top = 0.0045 * scale, foot - rng.uniform(0.25, 0.45) * scale
    shaft = [(x - thin, top), (x + thin, top), (x + thin, foot), (x - thin, foot)]
    scene.fill(POLE, shaft, _vary(rng, (105, 108, 110), 25), contrast=8, grain=1)
    if rng.random() < 0.6:
        radius = rng.uniform(0.025, 0.035) * scale
        corners = rng.choice([3, 4, 12])
        angles = np.arange(corners) * 2 * np.pi / corners - np.pi / 2
        plate = [(x + radius * np.cos(a), top + radius * np.sin(a)) for a in angles]
        scene.fill(SIGN, plate, _vary(rng, (200, 120, 60), 50), contrast=8, grain=2)


class _Scene:
    """A canvas in units of the image width (x) and height (y), painted back to front."""

    def __init__(self, height, width, rng):
        self.rng = rng
        self.size = (width, height)
        self.image = np.zeros((height, width, 3), np.float32)
        self.label = np.zeros((height, width), np.uint8)

    def fill(self, class_id, polygon, color, contrast, grain):
        """Paints a polygon with a textured colour; `grain` is the texture's coarseness."""
        mask = Image.new("1", self.size)
        points = [(x * self.size[0], y * self.size[1]) for x, y in polygon]
        ImageDraw.Draw(mask).polygon(points, fill=1, outline=1)
        inside = np.asarray(mask)
        box = mask.getbbox()
        if box is None:
            return
        left, top, right, bottom = box
        window = (slice(top, bottom), slice(left, right))
        texture = _noise(self.rng, bottom - top, right - left, grain) * contrast
        shade = np.linspace(self.rng.uniform(-15, 15), self.rng.uniform(-15, 15), right - left)
        painted = np.asarray(color, np.float32) + (texture + shade)[..., None]
        self.image[window] = np.where(inside[window][..., None], painted, self.image[window])
        self.label[window] = np.where(inside[window], class_id, self.label[window])

    def finish(self):
        """Light, blur and sensor noise; a strip of ignored pixels in every third scene."""
        rng, (width, height) = self.rng, self.size
        light = rng.uniform(0.75, 1.2) * (1 + 0.15 * _noise(rng, height, width, height // 3))
        image = np.clip(self.image * light[..., None] * rng.uniform(0.92, 1.08, 3), 0, 255)
        blurred = Image.fromarray(image.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
        noisy = np.asarray(blurred, np.float32) + rng.normal(0, 5, image.shape)
        if rng.random() < 1 / 3:
            self.label[-max(1, height // 20) :] = IGNORE_LABEL
        return np.clip(noisy, 0, 255).astype(np.uint8), self.label


def _noise(rng, height, width, grain):
    """Smooth noise of about unit variance whose spots are `grain` pixels wide."""
    grain = max(1, int(grain))
    coarse = rng.normal(size=(-(-height // grain) + 1, -(-width // grain) + 1))
    coarse = Image.fromarray(coarse.astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR))


def _blob(rng, center, radius, roughness=0.2):
    """A roundish polygon, as wide as high in units of the canvas."""
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    radii = radius * (1 + roughness * rng.normal(size=angles.size))
    return [
        (center[0] + r * np.cos(a), center[1] + 1.2 * r * np.sin(a))
        for a, r in zip(angles, radii, strict=True)
    ]


def _vary(rng, color, spread):
    return tuple(
        int(c) for c in np.clip(np.asarray(color) + rng.uniform(-spread, spread, 3), 0, 255)
    )
