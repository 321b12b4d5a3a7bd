"""Which maps belong to which image, by the names of their files."""

from dmls_tf.errors import UserError

JPEG_OR_PNG = (".jpg", ".jpeg", ".png")


def pair_files(images, *maps):
    """Pairs files whose paths differ in their folders and endings alone, at any depth.

        pair_files((root / "train", *JPEG_OR_PNG), (root / "trainannot", ".png"))

    Args:
        images: a folder and the possible endings of its images.
        *maps: a folder and the ending of the label maps, and of the instance maps if there are any.

    Yields:
        A tuple of paths, (image, label) or (image, label, instance), for all images and all labels,
        sorted. A path whose file is missing is the one where it ought to be.

    Raises:
        UserError: a folder is missing, or holds no image.
    """
    found = [_files_in(*folder_and_endings) for folder_and_endings in (images, *maps)]
    if not found[0]:
        raise UserError(f"{images[0]}: no images; check --data_dir and --splits")
    for name in sorted(found[0].keys() | found[1].keys()):
        yield tuple(
            paths.get(name, folder / f"{name}{ending}")
            for paths, (folder, ending, *_) in zip(found, (images, *maps), strict=True)
        )


def _files_in(folder, *endings):
    """{path below the folder without its ending: path} of the files that have one."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory; check --data_dir and --splits")
    files = {}
    for path in folder.rglob("*"):
        for ending in endings:
            if path.name.lower().endswith(ending.lower()) and not path.name.startswith("."):
                files[str(path.relative_to(folder))[: -len(ending)]] = path
    return files
