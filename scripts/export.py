"""Exports a trained model for TF Serving: `EXPORT_DIR/<version>/`, encoded images in, masks out.

python scripts/export.py --model=runs/camvid/model.keras --export_dir=serving/camvid
"""

from absl import flags

from dmls_tf import command_line
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
flags.DEFINE_string("export_dir", None, "The model's base path in TF Serving.", required=True)
flags.DEFINE_integer("version", None, "One more than the highest there by default.", 1)
flags.DEFINE_integer("height", None, "Working height; the training height by default.", 1)
flags.DEFINE_integer("width", None, "Working width; the training width by default.", 1)
flags.DEFINE_integer("recurrent_steps", None, "K; that of the training by default.", 1)


def main():
    from dmls_tf.export import export
    from dmls_tf.models import load_dmls

    if (FLAGS.height is None) != (FLAGS.width is None):
        raise UserError("--height and --width go together")
    size = (FLAGS.height, FLAGS.width) if FLAGS.height else None
    changes = {"num_steps": FLAGS.recurrent_steps} if FLAGS.recurrent_steps else {}
    target = export(load_dmls(FLAGS.model, **changes), FLAGS.export_dir, size, FLAGS.version)
    print(f"wrote {target}")


if __name__ == "__main__":
    command_line.run(main)
