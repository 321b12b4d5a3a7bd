"""Prints parameters and floating-point operations of a network, part by part.

    python scripts/summary.py --backbone=resnet50 --num_classes=19 --image_size=512,512

Operations are those of TensorFlow's profiler (a multiply-add counts two) for one image; what does
not run once runs at each of the K steps.
"""

import dataclasses

from dmls_tf import command_line
from dmls_tf.config import WORKING_SIZE, ModelConfig
from dmls_tf.settings import Settings, from_to, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    num_classes: int = setting(19, "N.", from_to(2, 255))
    image_size: tuple[int, int] = setting((512, 512), "height,width, pixels.", WORKING_SIZE)


def main(options):
    from dmls_tf.evaluation.complexity import complexity, complexity_table

    config = command_line.make(ModelConfig, num_classes=options.num_classes)
    print(complexity_table(complexity(config, options.image_size)))


if __name__ == "__main__":
    command_line.run(main, Options, also=[ModelConfig])
