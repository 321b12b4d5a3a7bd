"""The flags of a benchmark: the arguments of its `main`."""

import dataclasses
import inspect

from absl import flags

from dmls_tf import command_line
from dmls_tf.settings import Settings, required, setting

flags.disclaim_key_flags()  # they are those of the benchmark, whose --help lists them

MEANINGS = {
    "backbone": "Encoder of our networks.",
    "camvid": "Directory of the download of CamVid.",
    "cityscapes": "Directory of the download of Cityscapes.",
    "export_dir": "An exported model.",
    "image": "A JPEG for the requests with files; none: a drawn one.",
    "inference": "N of the networks.",
    "model": "A trained model.keras.",
    "num_classes": "N.",
    "output": "A PNG of the curves; none: no figure.",
    "records_dir": "Directory with dataset.json.",
    "recurrent_steps": "K of the networks.",
    "requests": "In all.",
    "rounds": "Rounds of the timing.",
    "rows": "The rows of the study.",
    "size": "Height and width, pixels.",
    "sizes": "Sides of the images, pixels.",
    "split": "Of the records.",
    "training": "K of the trainings, also +remat or +jit_compile.",
    "work_dir": "Directory of the study.",
}


def run(main, tensorflow=False):
    """Runs a benchmark with the flags as arguments; see `command_line.run`."""
    fields = []
    for name, argument in inspect.signature(main).parameters.items():
        needed = argument.default is argument.empty
        field = required(MEANINGS[name]) if needed else setting(argument.default, MEANINGS[name])
        fields.append((name, argument.annotation, field))
    options = dataclasses.make_dataclass(
        "Options", fields, bases=(Settings,), frozen=True, kw_only=True
    )
    command_line.run(lambda given: main(**vars(given)), options, tensorflow=tensorflow)
