"""Exports a trained model for TF Serving: `EXPORT_DIR/<version>/`, encoded images in, masks out.

    python scripts/export.py --model=runs/camvid/model.keras --export_dir=exports/camvid

Before the version appears, TF Serving's loader has answered its warm-up requests in a process of
its own. `docs/serving.md` tells of the signatures, the server and its clients.
"""

import json
import pathlib

import export_flags
import network_flags
from absl import flags

from dmls_tf import command_line
from dmls_tf.config import OPTIMIZATIONS, ServingConfig
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_string("export_dir", None, "The model's base path in TF Serving.", required=True)
flags.DEFINE_integer("version", None, "One more than the highest there by default.", 1)
flags.DEFINE_enum(
    "optimize",
    "none",
    OPTIMIZATIONS,
    "float32, float16, bfloat16: weights are constants stored in this type, and batch "
    "normalisation is frozen with them.",
)
flags.DEFINE_integer("max_pixels", 50_000_000, "Larger images are refused undecoded.", 1)
flags.DEFINE_integer("max_batch", 8, "Images in a request; see serving/batching.config.", 1)
flags.DEFINE_bool("warm_up", True, "Add requests that the server runs before it serves.")
flags.DEFINE_string("metrics", None, "evaluate.py's metrics.json, for the model card.")
export_flags.define()


def main():
    from dmls_tf.serving.export import export

    scores = read_scores(FLAGS.metrics) if FLAGS.metrics else None
    model = network_flags.load_model()
    config = ServingConfig(
        image_size=export_flags.working_size(model),
        max_pixels=FLAGS.max_pixels,
        max_batch=FLAGS.max_batch,
        optimize=FLAGS.optimize,
        warm_up=FLAGS.warm_up,
    )
    target = export(model, FLAGS.export_dir, config, FLAGS.version, scores)
    print(f"wrote {target}")


def read_scores(path):
    """What a model card says of an evaluation."""
    try:
        metrics = json.loads(pathlib.Path(path).read_text())
        names = ("dataset", "split", "images", "pixel_accuracy", "mean_iou")
        return {name: metrics[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the metrics.json of evaluate.py") from error


if __name__ == "__main__":
    command_line.run(main)
