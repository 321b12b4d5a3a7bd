"""Labels every pixel of images and videos.

    python scripts/predict.py --model=runs/camvid/model.keras --images=photos --output_dir=out
    python scripts/predict.py --model=exports/camvid --images='trip/*.jpg,ride.mp4' --output_dir=out
    python scripts/predict.py --server=localhost:8501 --images=photos --output_dir=out

For each image NAME: `NAME_label.png` (class ids), `NAME_palette.png` (the same, in colours),
`NAME_overlay.png` (with the contours of the level sets) and `NAME_confidence.png` (0..255), all at
the image's own size, upright; a video's overlays become `NAME_overlay.mp4`. Files that cannot be
read are listed and left out.
"""

import sys

import inference_flags
import network_flags
from absl import flags

from dmls_tf import command_line
from dmls_tf.errors import UserError

PICTURES = ("label", "palette", "overlay", "confidence")

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras or an exported model's directory.")
flags.DEFINE_list("images", None, "JPEGs, PNGs, videos, directories, globs.", required=True)
flags.DEFINE_string("output_dir", None, "Where the pictures go.", required=True)
flags.DEFINE_multi_enum("pictures", PICTURES, PICTURES, "What to write; repeat the flag.")
flags.DEFINE_string("server", None, "host:port of TF Serving, instead of --model.")
flags.DEFINE_enum("protocol", "rest", ["rest", "grpc"], "Of that port.")
flags.DEFINE_string("model_name", "dmls", "Of the model on the server.")
flags.DEFINE_integer("model_version", None, "There; the one it prefers by default.", 1)
flags.DEFINE_integer("concurrency", 4, "Requests to the server at a time.", 1)
flags.DEFINE_float("timeout", 60.0, "Seconds for an answer of the server.", 0.001)
flags.DEFINE_integer("retries", 4, "Further attempts where the server is busy or away.", 0)
network_flags.define()
inference_flags.define()


def main():
    from dmls_tf.predict import PictureWriter, find_files, predict_files

    files = find_files(FLAGS.images)
    segment, classes, palette = make_segmenter()
    writer = PictureWriter(FLAGS.output_dir, classes, palette, FLAGS.pictures)
    workers = FLAGS.concurrency if FLAGS.server else 1
    faults = predict_files(segment, files, writer, workers)
    for fault in faults:
        print(f"left out {fault}", file=sys.stderr)
    if len(faults) == len(files):
        raise UserError("none of the files could be read")
    count = len(files) - len(faults)
    print(f"wrote pictures of {count} files to {FLAGS.output_dir}")


def make_segmenter():
    """A function from photographs to segmentations, class names and colours."""
    from dmls_tf.client.segmentation import read_classes, segmenter
    from dmls_tf.predict import local_segmenter

    if bool(FLAGS.model) == bool(FLAGS.server):
        raise UserError("pass either --model or --server")
    if FLAGS.server or not FLAGS.model.endswith(".keras"):
        ask = connect()
        return segmenter(ask), *read_classes(ask)
    model = network_flags.load_model()
    segment = local_segmenter(model, inference_flags.settings(model))
    classes, palette = model.metadata["classes"], model.metadata["palette"]
    return lambda photo: segment(photo.image), classes, palette


def connect():
    """The function that asks the server or the exported model."""
    from dmls_tf.client import grpc, rest, saved_model
    from dmls_tf.client.connection import Server

    if not FLAGS.server:
        return saved_model.connect(FLAGS.model)
    server = Server(
        FLAGS.server,
        FLAGS.model_name,
        FLAGS.model_version,
        timeout=FLAGS.timeout,
        retries=FLAGS.retries,
    )
    return {"rest": rest, "grpc": grpc}[FLAGS.protocol].connect(server)


if __name__ == "__main__":
    command_line.run(main)
