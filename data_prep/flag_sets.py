"""The flags that every converter has, and the call that spends them."""

from absl import flags

FLAGS = flags.FLAGS


def define(default_splits, from_files):
    """Defines the converters' common flags; `from_files` adds the source directory."""
    if from_files:
        flags.DEFINE_string("data_dir", None, "Directory of the unpacked data set.", required=True)
    flags.DEFINE_string("output_dir", None, "Records directory to make.", required=True)
    flags.DEFINE_list("splits", default_splits, "Splits to convert.")
    flags.DEFINE_integer("num_shards", None, "Shards a split; one per 256 images by default.", 1)
    flags.DEFINE_integer("num_workers", 2, "Threads that read and check images.", 1)
    flags.DEFINE_bool("overwrite", False, "Replace existing records.")


def write(spec, splits):
    """Writes the records as the flags say and prints what came of it."""
    from data_prep import shards

    info = shards.write_dataset(
        FLAGS.output_dir, spec, splits, FLAGS.num_shards, FLAGS.num_workers, FLAGS.overwrite
    )
    for name, split in info.splits.items():
        official = spec.split_sizes.get(name)
        note = (
            f" (the official split has {official})"
            if official not in (None, split.num_images)
            else ""
        )
        print(f"{name}: {split.num_images} images in {len(split.shards)} shards{note}")
    print(f"wrote {FLAGS.output_dir}")
