"""Labels every pixel of images and videos.

    python scripts/predict.py --model=runs/camvid/model.keras --images=photos --output_dir=out
    python scripts/predict.py --model=exports/camvid --images='trip/*.jpg,ride.mp4' --output_dir=out
    python scripts/predict.py --server=localhost:8501 --images=photos --output_dir=out

For each image NAME: `NAME_label.png` (class ids), `NAME_palette.png` (the same, in colours),
`NAME_overlay.png` (with the contours of the level sets) and `NAME_confidence.png` (0..255), all at
the image's own size, upright; a video's overlays become `NAME_overlay.mp4`. Files that are not read
are listed.
"""

import dataclasses
import sys

import trained_model

from dmls_tf import command_line
from dmls_tf.config import PICTURES, InferenceConfig
from dmls_tf.errors import UserError
from dmls_tf.settings import (
    NOT_NEGATIVE,
    POSITIVE,
    Rule,
    Settings,
    one_of,
    required,
    setting,
)


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    images: tuple[str, ...] = required("Images, videos, directories, globs, lists (.txt).")
    output_dir: str = required("Where the pictures go.")
    model: str | None = setting(None, "A trained model.keras or an exported model's directory.")
    pictures: tuple[str, ...] = setting(
        PICTURES,
        "What to write.",
        Rule(f"some of {','.join(PICTURES)}", lambda some: some and set(some) <= set(PICTURES)),
    )
    server: str | None = setting(None, "host:port of TF Serving, instead of --model.")
    protocol: str = setting("rest", "Of that port.", one_of("rest", "grpc"))
    model_name: str = setting("dmls", "Of the model on the server.")
    model_version: int | None = setting(None, "There; none: the one it prefers.", POSITIVE)
    concurrency: int = setting(4, "Requests to the server at a time.", POSITIVE)
    timeout: float = setting(60.0, "Seconds for a response of the server.", POSITIVE)
    retries: int = setting(4, "Further attempts if the server is busy or away.", NOT_NEGATIVE)


def main(options):
    from dmls_tf.inference.input_files import find_files
    from dmls_tf.inference.prediction import PictureWriter, predict_files

    files, notes = find_files(options.images, options.output_dir)
    segment, classes, palette, workers = make_segmenter(options)
    writer = PictureWriter(options.output_dir, classes, palette, options.pictures)
    for note in notes:
        print(note, file=sys.stderr)
    faults = predict_files(segment, files, writer, workers)
    for fault in faults:
        print(f"left out {fault}", file=sys.stderr)
    if len(faults) == len(files):
        raise UserError("none of the files could be read")
    count = len(files) - len(faults)
    print(f"wrote pictures of {count} files to {options.output_dir}")


def make_segmenter(options):
    """A function from photographs to segmentations, classes, colours, how many run at a time."""
    from dmls_tf.client.segmentation import read_classes, segmenter
    from dmls_tf.inference.parallel import on_all_devices, threads_for
    from dmls_tf.inference.prediction import local_segmenter

    if bool(options.model) == bool(options.server):
        raise UserError("pass either --model or --server")
    if options.server or not options.model.endswith(".keras"):
        ask = connect(options)
        return segmenter(ask), *read_classes(ask), options.concurrency if options.server else 1
    config = command_line.make(InferenceConfig)
    segment, copies = on_all_devices(
        lambda: trained_model.load(options.model), lambda model: local_segmenter(model, config)
    )
    classes, palette = copies[0].metadata["classes"], copies[0].metadata["palette"]
    return lambda photo: segment(photo.image, photo.name), classes, palette, threads_for(copies)


def connect(options):
    """The function that asks the server or the exported model."""
    from dmls_tf.client import grpc, rest, saved_model
    from dmls_tf.client.connection import Server

    if not options.server:
        return saved_model.connect(options.model)
    server = Server(
        options.server,
        options.model_name,
        options.model_version,
        timeout=options.timeout,
        retries=options.retries,
    )
    return {"rest": rest, "grpc": grpc}[options.protocol].connect(server)


if __name__ == "__main__":
    command_line.run(main, Options, also=[InferenceConfig, trained_model.Overrides])
