"""The flags of the commands about submissions: which images, and of which data set."""

import pathlib

from absl import flags
from tqdm import tqdm

from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a command lists them


def define():
    """Defines the flags."""
    flags.DEFINE_string("records_dir", None, "Directory with dataset.json.", required=True)
    flags.DEFINE_string("split", None, "Split of the records whose images it is about.")
    flags.DEFINE_list("images", [], "Files, directories or globs of images, instead of a split.")


def spec():
    """The `DatasetSpec` of the records."""
    return DatasetInfo.load(FLAGS.records_dir).spec


def named_images():
    """Yields (file name, uint8 `[H, W, 3]`) of each image, with a progress bar."""
    from dmls_tf.data.pipeline import faults_named, read_split
    from dmls_tf.photos import read_photo
    from dmls_tf.predict import find_files

    if bool(FLAGS.split) == bool(FLAGS.images):
        raise UserError("pass either --split or --images")
    if FLAGS.images:
        paths = find_files(FLAGS.images).values()
        for path in tqdm(paths, unit="image", dynamic_ncols=True):
            yield path.name, read_photo(path).image
        return
    examples = read_split(FLAGS.records_dir, FLAGS.split).as_numpy_iterator()
    total = DatasetInfo.load(FLAGS.records_dir).split(FLAGS.split).num_images
    with faults_named(FLAGS.records_dir, FLAGS.split):
        for example in tqdm(examples, total=total, unit="image", dynamic_ncols=True):
            yield example["filename"].decode(errors="replace"), example["image"]


def check(submission, sizes):
    """Checks a submission and prints what is wrong.

    Args:
        submission: its path.
        sizes: (file name, (height, width)) of the images that it is for.

    Raises:
        UserError: something is wrong.
    """
    from dmls_tf.evaluation.submissions import faults_of

    faults = faults_of(pathlib.Path(submission), sizes, spec())
    for fault in faults:
        print(fault)
    if faults:
        raise UserError(f"{submission}: {len(faults)} faults, the server would refuse it")
    print(f"{submission}: complete and sound")
