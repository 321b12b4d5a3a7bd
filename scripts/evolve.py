"""Draws the evolution of a label map over an image: an animated GIF, or a PNG strip.

python scripts/evolve.py --image=photo.jpg --label=photo_label.png --output=evolution.gif

The regions compete by the statistics of their colours: no trained model is needed. A label map
is a PNG of class ids, such as scripts/predict.py writes.
"""

import dataclasses

from dmls_tf import command_line
from dmls_tf.files import local_path
from dmls_tf.settings import NOT_NEGATIVE, POSITIVE, Rule, Settings, required, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    image: str = required("An image file.")
    label: str = required("A PNG of class ids, of the same size.")
    output: str = required(
        "A .gif (animated) or .png (strip) file.",
        Rule("a .gif or .png file", lambda name: name.endswith((".gif", ".png"))),
    )
    num_frames: int = setting(20, "Frames after the first.", POSITIVE)
    steps_per_frame: int = setting(5, "Steps of the evolution per frame.", POSITIVE)
    dt: float = setting(0.4, "Time step; above 0.4 the evolution may be unstable.", POSITIVE)
    epsilon: float = setting(1.0, "Weight of the curvature.", NOT_NEGATIVE)
    max_side: int = setting(640, "Larger images are scaled down to this.", POSITIVE)


def main(options):
    from dmls_tf.datasets import color_wheel
    from dmls_tf.images.label_maps import read_label
    from dmls_tf.images.photos import read_photo
    from dmls_tf.inference.animation import evolve_labels, save_evolution, shrink

    image = read_photo(options.image).image
    image, label = shrink(image, read_label(options.label), options.max_side)
    steps = (options.num_frames, options.steps_per_frame, options.dt, options.epsilon)
    labels = list(evolve_labels(image, label, *steps))
    save_evolution(image, labels, color_wheel(256), local_path(options.output))
    moved = (labels[0] != labels[-1]).mean()
    print(
        f"wrote {options.output}: {len(labels)} frames, {100 * moved:.1f} % of the pixels changed "
        "sides"
    )


if __name__ == "__main__":
    command_line.run(main, Options)
