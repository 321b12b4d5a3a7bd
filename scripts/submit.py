"""Writes a model's predictions as the benchmark's server takes them, and checks them.

    python scripts/submit.py --model=runs/cityscapes/model.keras --records_dir=records/cityscapes \\
        --images=data/cityscapes/leftImg8bit/test --output=submission.zip

The images are those of --images, or of a --split of the records, which also know the data set's
label values. --output is a .zip file or a directory to make; docs/evaluation.md has the formats.
"""

import dataclasses

import submission_options
import trained_model

from dmls_tf import command_line
from dmls_tf.config import InferenceConfig
from dmls_tf.datasets import DatasetInfo
from dmls_tf.settings import required


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(submission_options.Options):
    model: str = required("A trained model.keras.")
    output: str = required("A .zip file or a directory to make.")


def main(options):
    from dmls_tf.evaluation.submissions import write_submission
    from dmls_tf.inference.prediction import local_segmenter

    model = trained_model.load(options.model)
    segment = local_segmenter(model, command_line.make(InferenceConfig))
    sizes = []

    def predictions():
        for name, image in submission_options.named_images(options):
            sizes.append((name, image.shape[:2]))
            yield name, segment(image, name).labels

    write_submission(options.output, predictions(), DatasetInfo.load(options.records_dir).spec)
    submission_options.check(options.output, sizes, options)


if __name__ == "__main__":
    command_line.run(main, Options, also=[InferenceConfig, trained_model.Overrides])
