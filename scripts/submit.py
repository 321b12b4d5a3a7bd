"""Writes a model's predictions as the benchmark's server takes them, and checks them.

    python scripts/submit.py --model=runs/cityscapes/model.keras --records_dir=records/cityscapes \\
        --images=Cityscapes/leftImg8bit/test --output=submission.zip

The images are those of --images, or of a --split of the records, which also know the data set's
label values. --output is a .zip file or a directory to make; docs/evaluation.md has the formats.
"""

import inference_flags
import network_flags
import submission_flags
from absl import flags

from dmls_tf import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
flags.DEFINE_string("output", None, "A .zip file or a directory to make.", required=True)
network_flags.define()
submission_flags.define()
inference_flags.define()


def main():
    from dmls_tf.evaluation.submissions import write_submission
    from dmls_tf.predict import local_segmenter

    model, spec = network_flags.load_model(), submission_flags.spec()
    segment = local_segmenter(model, inference_flags.settings(model))
    sizes = []

    def predictions():
        for name, image in submission_flags.named_images():
            sizes.append((name, image.shape[:2]))
            yield name, segment(image).labels

    write_submission(FLAGS.output, predictions(), spec)
    submission_flags.check(FLAGS.output, sizes)


if __name__ == "__main__":
    command_line.run(main)
