"""Checks a submission before the server does: names, sizes and values, file by file.

    python scripts/check_submission.py submission.zip --records_dir=records/cityscapes \\
        --images=data/cityscapes/leftImg8bit/test

The images are those of --images, or of a --split of the records, which also know the data set's
label values. Prints a line for each fault.
"""

import submission_options

from dmls_tf import command_line


def main(options, submission):
    images = submission_options.named_images(options)
    sizes = ((name, image.shape[:2]) for name, image in images)
    submission_options.check(submission, sizes, options)


if __name__ == "__main__":
    command_line.run(main, submission_options.Options, operands=["SUBMISSION"])
