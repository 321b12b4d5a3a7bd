"""Checks a submission before the server does: names, sizes and values, file by file.

    python scripts/check_submission.py submission.zip --records_dir=records/cityscapes \\
        --images=Cityscapes/leftImg8bit/test

The images are those of --images, or of a --split of the records, which also know the data set's
label values. Prints a line for each fault.
"""

import submission_flags

from dmls_tf import command_line


def main(submission):
    images = submission_flags.named_images()
    submission_flags.check(submission, ((name, image.shape[:2]) for name, image in images))


if __name__ == "__main__":
    submission_flags.define()
    command_line.run(main, operands=["SUBMISSION"])
