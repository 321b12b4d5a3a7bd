"""Prints parameters and floating-point operations of a network, part by part.

    python scripts/summary.py --backbone=resnet50 --num_classes=19 --height=512 --width=512

Operations are those of TensorFlow's profiler (a multiply-add counts two) for one image: the image
convolution runs once, the other parts at each of the K steps.
"""

from absl import flags

from dmls_tf import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("backbone", "resnet50", "vgg16, resnet50, resnet101 or mobilenetv2.")
flags.DEFINE_integer("num_classes", 19, "N.")
flags.DEFINE_float("width_multiplier", 1.0, "Of the backbone.")
flags.DEFINE_integer("output_stride", 16, "Of the dilated backbone, 8 or 16.")
flags.DEFINE_integer("score_stride", 4, "Of the decoder's scores, 2 or 4.")
flags.DEFINE_integer("decoder_channels", 128, "At stride 8; half of it at finer strides.")
flags.DEFINE_integer("height", 512, "Pixels.", 32)
flags.DEFINE_integer("width", 512, "Pixels.", 32)


def main():
    from dmls_tf.config import ModelConfig
    from dmls_tf.evaluation.complexity import complexity, complexity_table

    config = ModelConfig(
        num_classes=FLAGS.num_classes,
        backbone=FLAGS.backbone,
        width=FLAGS.width_multiplier,
        output_stride=FLAGS.output_stride,
        score_stride=FLAGS.score_stride,
        decoder_channels=FLAGS.decoder_channels,
    )
    print(complexity_table(complexity(config, (FLAGS.height, FLAGS.width))))


if __name__ == "__main__":
    command_line.run(main)
