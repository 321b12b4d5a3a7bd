"""Which maps belong to which image, by the names of their files."""

from dmls_tf.errors import UserError
from dmls_tf.files import files_in

JPEG_OR_PNG = (".jpg", ".jpeg", ".png")


def pair_files(images, *maps):
    """Pairs files whose paths differ in their folders and endings alone, at any depth.

        pair_files((root / "train", *JPEG_OR_PNG), (root / "trainannot", ".png"))

    Args:
        images: a folder and the possible endings of its images.
        *maps: a folder and the endings of the label maps, and of the instance maps if there are
            any.

    Yields:
        A tuple of paths, (image, label) or (image, label, instance), for all images and all labels,
        sorted. A path whose file is missing is the one where it ought to be.

    Raises:
        UserError: a folder is missing, holds no image, or two files of one name; no image has a
            label of its name.
    """
    found = [_files_of(*folder_and_endings) for folder_and_endings in (images, *maps)]
    if not found[0]:
        raise UserError(f"{images[0]}: no images ({', '.join(images[1:])})")
    if not found[1]:
        raise UserError(f"{maps[0][0]}: no labels ({', '.join(maps[0][1:])})")
    if not found[0].keys() & found[1].keys():
        image, label = next(iter(found[0].values())), next(iter(found[1].values()))
        raise UserError(f"no image has a label of its name: {image} and {label}, for example")
    for name in sorted(found[0].keys() | found[1].keys()):
        yield tuple(
            paths.get(name, folder / f"{name}{ending}")
            for paths, (folder, ending, *_) in zip(found, (images, *maps), strict=True)
        )


def _files_of(folder, *endings):
    """{path below the folder without its ending: path} of the files that have one."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such directory")
    files = {}
    for path in files_in(folder):
        fitting = [ending for ending in endings if path.name.lower().endswith(ending.lower())]
        if fitting:
            name = str(path.relative_to(folder))[: -len(max(fitting, key=len))]
            if files.setdefault(name, path) != path:
                raise UserError(
                    f"{files[name]} and {path.name}: two files of one name, of which one would be "
                    "left out; rename or remove one"
                )
    return files
