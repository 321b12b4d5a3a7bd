"""Small data sets on disk that tests share."""

import json

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


def make_cityscapes(root, rng, counts, kind="gtFine", size=(8, 8), raw_ids=(26,)):
    """A Cityscapes directory with so many frames of Ulm in each split: {split: count}.

    Images and labels, of `raw_ids`, are of blocks of 8 x 8 pixels, `size` a multiple of that.
    """
    blocks = [side // 8 for side in size]

    def enlarged(values):
        return values.repeat(8, axis=0).repeat(8, axis=1)

    for split, count in counts.items():
        for i in range(count):
            frame = f"{split}/ulm/ulm_{i:06d}_000019"
            image = enlarged(rng.integers(0, 256, (*blocks, 3)))
            save(root / f"leftImg8bit/{frame}_leftImg8bit.png", image)
            raw = enlarged(rng.choice(raw_ids, blocks))
            save(root / f"{kind}/{frame}_{kind}_labelIds.png", raw)
            instances = np.where(raw == 26, 26003, raw)
            save(root / f"{kind}/{frame}_{kind}_instanceIds.png", instances, np.uint16)
    return root


def make_ade20k(root, rng, counts, size=(24, 32)):
    """An ADEChallengeData2016 directory with so many images in each split: {split: count}."""
    short = {"training": "train", "validation": "val"}
    for split, count in counts.items():
        for i in range(count):
            stem = f"{split}/ADE_{short[split]}_{i:08d}"
            save(root / f"images/{stem}.jpg", rng.integers(0, 256, (*size, 3)))
            save(root / f"annotations/{stem}.png", rng.integers(0, 151, size))
    rows = ["Idx\tRatio\tTrain\tVal\tName", *(f"{i}\t0\t0\t0\tname {i}" for i in range(1, 151))]
    (root / "objectInfo150.txt").write_text("\n".join(rows))
    return root


def make_mapillary(root, rng, version):
    """The layout of v2.0 with two images in a split; label 1 of three is not evaluated."""
    labels = [
        {
            "name": f"class--{i}",
            "readable": "",
            "color": [i, 0, 9],
            "evaluate": i != 1,
            "instances": True,
        }
        for i in range(3)
    ]
    for split in ("training", "validation"):
        for stem in "ab":
            save(root / split / "images" / f"{stem}.jpg", rng.integers(0, 256, (24, 32, 3)))
            raw = rng.integers(0, 3, (24, 32))
            maps = root / split / version if version == "v2.0" else root / split
            save(maps / "labels" / f"{stem}.png", raw)
            save(maps / "instances" / f"{stem}.png", 256 * raw + 7, np.uint16)
    (root / f"config_{version}.json").write_text(json.dumps({"labels": labels}))
    return root


def content_of(directory):
    """{relative path: bytes} of all files below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
