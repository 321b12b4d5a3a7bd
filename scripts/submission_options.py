"""What the commands about submissions share: which images, and of which data set."""

import dataclasses
import sys

from tqdm import tqdm

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.files import local_path
from dmls_tf.settings import Settings, required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Settings):
    records_dir: str = required("Directory with dataset.json.")
    split: str | None = setting(None, "Split of the records whose images it is about.")
    images: tuple[str, ...] = setting(
        (), "Files, directories or globs of images, instead of a split."
    )


def named_images(options):
    """Yields (file name, uint8 `[H, W, 3]`) of each image, with a progress bar."""
    from dmls_tf.images.photos import read_photo
    from dmls_tf.inference.input_files import find_files
    from dmls_tf.records.reading import faults_named, name_of, read_split

    if bool(options.split) == bool(options.images):
        raise UserError("pass either --split or --images")
    if options.images:
        files, notes = find_files(options.images)
        for note in notes:
            print(note, file=sys.stderr)
        _check_names(files.values(), DatasetInfo.load(options.records_dir).spec)
        for path in tqdm(files.values(), unit="image", dynamic_ncols=True):
            yield path.name, read_photo(path).image
        return
    examples = read_split(options.records_dir, options.split).as_numpy_iterator()
    total = DatasetInfo.load(options.records_dir).split(options.split).num_images
    with faults_named(options.records_dir, options.split):
        for example in tqdm(examples, total=total, unit="image", dynamic_ncols=True):
            yield name_of(example), example["image"]


def _check_names(paths, spec):
    """Refuses two images whose predictions would be one file."""
    from dmls_tf.evaluation.submissions import prediction_name

    names = {}
    for path in paths:
        name = prediction_name(path.name, spec)
        if names.setdefault(name, path) is not path:
            raise UserError(f"{path} and {names[name]}: the predictions of both would be {name}")


def check(submission, sizes, options):
    """Checks a submission and prints what is wrong.

    Args:
        submission: its path.
        sizes: (file name, (height, width)) of the images that it is for.
        options: `Options`.

    Raises:
        UserError: something is wrong.
    """
    from dmls_tf.evaluation.submissions import faults_of

    spec = DatasetInfo.load(options.records_dir).spec
    faults = faults_of(local_path(submission), sizes, spec)
    for fault in faults:
        print(fault)
    if faults:
        raise UserError(f"{submission}: {len(faults)} faults, the server would refuse it")
    print(f"{submission}: complete and sound")
