"""Labels any number of images with an exported model, in processes or on a cluster.

    python scripts/label_images.py --model=exports/camvid --images=photos --output_dir=labels
    python scripts/label_images.py --model=gs://bucket/exports/camvid --images=gs://bucket/photos \\
        --output_dir=gs://bucket/labels -- --runner=DataflowRunner --project=... --region=...

Arguments after `--` are options of Apache Beam. For each image NAME, OUTPUT_DIR receives
`NAME_label.png` (class ids) and a row in `table/*.parquet`: size, mean confidence, share of each
class. Images that cannot be read are listed in `failed/*.txt`. After an interruption, rerun the
same command to resume; it labels what has no row. predict.py is for few images and for pictures.
"""

import contextlib
import dataclasses
import os
import sys
import threading

from tqdm import tqdm

from dmls_tf import command_line
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, make_directory, remove_tree, sizes_in
from dmls_tf.settings import POSITIVE, Settings, required, setting

NUM_NAMED = 3  # of the images that are left out
SECONDS = 2  # between looks at what is done


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    model: str = required("The directory of an exported model.")
    images: tuple[str, ...] = required("Images, directories, globs, text files of paths (.txt).")
    output_dir: str = required("Where the labels go.")
    batch_size: int = setting(4, "Images per request, at most the model's --max_batch.", POSITIVE)
    group_size: int = setting(256, "Images that are done at a time, a file of the table.", POSITIVE)
    num_workers: int = setting(
        os.cpu_count(), "Processes, without a runner of Beam; 1 with a GPU.", POSITIVE
    )


def main(options, *beam_options):
    from dmls_tf import beam_jobs
    from dmls_tf.client import labelling
    from dmls_tf.serving.layout import version_of

    output_dir, model = as_path(options.output_dir), version_of(options.model)
    if not (model / "saved_model.pb").is_file():
        raise UserError(f"{model}: not what scripts/export.py writes")
    images = find_images(options)
    make_directory(output_dir)
    done = labelling.finished_images(output_dir)
    todo = {name: path for name, path in images.items() if name not in done}
    remove_tree(output_dir / labelling.FAILED)
    groups = labelling.write_groups(todo, options.group_size, output_dir)
    calls = [(str(model), group, str(output_dir), options.batch_size) for group in groups]
    if groups:
        with progress(len(groups), lambda: len(sizes_in(output_dir / labelling.TODO))):
            beam_jobs.run(labelling.label_group, calls, beam_options, options.num_workers)
        remove_tree(output_dir / labelling.TODO)
    faults = labelling.failed_images(output_dir)
    for fault in faults[:NUM_NAMED]:
        print(f"left out {fault}", file=sys.stderr)
    if len(faults) == len(images):
        raise UserError("none of the images could be read")
    now = len(labelling.finished_images(output_dir)) - len(done)
    print(f"wrote labels of {now} images to {output_dir}")
    if before := len(images) - len(todo):
        print(f"{before} images had labels already")
    if faults:
        print(f"left out {len(faults)} images, see {output_dir / labelling.FAILED}")


def find_images(options):
    """{name of the results: path}; says what is not read."""
    from dmls_tf.inference.input_files import find_files, is_video

    files, notes = find_files(options.images, options.output_dir)
    images = {name: path for name, path in files.items() if not is_video(path)}
    if len(images) < len(files):
        notes.append(f"not read: {len(files) - len(images)} videos; predict.py labels them")
    for note in notes:
        print(note, file=sys.stderr)
    if not images:
        raise UserError("no images, only videos; predict.py labels them")
    return images


@contextlib.contextmanager
def progress(total, count_left):
    """A bar of the groups that are done, brought up to date every few seconds."""
    done = threading.Event()

    def watch(bar):
        while not done.wait(SECONDS):
            with contextlib.suppress(OSError):  # a file goes while they are counted
                bar.update(total - count_left() - bar.n)

    with tqdm(total=total, unit="group", dynamic_ncols=True) as bar:
        watcher = threading.Thread(target=watch, args=[bar], daemon=True)
        watcher.start()
        try:
            yield
            bar.update(total - bar.n)
        finally:
            done.set()
            watcher.join()


if __name__ == "__main__":
    command_line.run(main, Options, tensorflow=False, rest=True)
