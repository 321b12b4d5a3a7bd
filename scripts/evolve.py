"""Draws the evolution of a label map over an image: an animated GIF, or a PNG strip.

python scripts/evolve.py --image=photo.jpg --label=photo_label.png --output=evolution.gif

The regions compete by the statistics of their colours: no trained model is needed. A label map
is a PNG of class ids, such as scripts/predict.py writes.
"""

import pathlib

from absl import flags

from dmls_tf import command_line
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_string("image", None, "A JPEG or PNG file.", required=True)
flags.DEFINE_string("label", None, "A PNG of class ids, of the same size.", required=True)
flags.DEFINE_string("output", None, "A .gif (animated) or .png (strip) file.", required=True)
flags.DEFINE_integer("num_frames", 20, "Frames after the first.", lower_bound=1)
flags.DEFINE_integer("steps_per_frame", 5, "Steps of the evolution a frame.", lower_bound=1)
flags.DEFINE_float("dt", 0.4, "Time step; above 0.4 the evolution may become unstable.", 0)
flags.DEFINE_float("epsilon", 1.0, "Weight of the curvature.", 0)
flags.DEFINE_integer("max_side", 640, "Larger images are scaled down to this.", lower_bound=1)


def main():
    from dmls_tf.animation import evolve_labels, save_evolution, shrink
    from dmls_tf.datasets import color_wheel
    from dmls_tf.label_maps import read_label
    from dmls_tf.photos import read_photo

    output = pathlib.Path(FLAGS.output)
    if output.suffix not in (".gif", ".png"):
        raise UserError(f"{output}: --output must end in .gif or .png")
    image = read_photo(FLAGS.image).image
    image, label = shrink(image, read_label(FLAGS.label), FLAGS.max_side)
    steps = (FLAGS.num_frames, FLAGS.steps_per_frame, FLAGS.dt, FLAGS.epsilon)
    labels = list(evolve_labels(image, label, *steps))
    save_evolution(image, labels, color_wheel(256), output)
    moved = (labels[0] != labels[-1]).mean()
    print(f"wrote {output}: {len(labels)} frames, {100 * moved:.1f} % of the pixels changed sides")


if __name__ == "__main__":
    command_line.run(main)
