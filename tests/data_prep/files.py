"""Small data sets on disk that tests of the converters share."""

import numpy as np
from PIL import Image


def save(path, array, dtype=np.uint8, **options):
    """Writes an array as an image file, in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype)).save(path, **options)
    return path


def make_camvid(root, rng, counts, size=(24, 32)):
    """A CamVid directory with so many images in each split: {split: count}."""
    for split, count in counts.items():
        for i in range(count):
            save(root / split / f"{i:03d}.png", rng.integers(0, 256, (*size, 3)))
            save(root / f"{split}annot" / f"{i:03d}.png", rng.integers(0, 12, size))
    return root


def content_of(directory):
    """{relative path: bytes} of all files below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
