"""Prints parameters and floating-point operations of a network, part by part.

    python scripts/summary.py --backbone=resnet50 --num_classes=19 --height=512 --width=512

Operations are those of TensorFlow's profiler (a multiply-add counts two) for one image; what does
not run once runs at each of the K steps.
"""

from absl import flags

from dmls_tf import command_line, config

FLAGS = flags.FLAGS

flags.DEFINE_enum("network", "dfcn", config.NETWORKS, "fcn8s: the paper's baseline.")
flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py, like vgg16.")
flags.DEFINE_integer("num_classes", 19, "N.")
flags.DEFINE_float("width_multiplier", 1.0, "Of the backbone.")
flags.DEFINE_integer("output_stride", 16, "Of the dilated backbone, 8 or 16.")
flags.DEFINE_integer("score_stride", 4, "Of the decoder's scores, 2 or 4.")
flags.DEFINE_integer("decoder_channels", 128, "At stride 8; half of it at finer strides.")
flags.DEFINE_integer("level_set_stride", 2, "Resolution of the level sets, 1 or 2.")
flags.DEFINE_integer("height", 512, "Pixels.", 32)
flags.DEFINE_integer("width", 512, "Pixels.", 32)


def main():
    from dmls_tf.evaluation.complexity import complexity, complexity_table

    model_config = config.ModelConfig(
        num_classes=FLAGS.num_classes,
        network=FLAGS.network,
        backbone=FLAGS.backbone,
        width=FLAGS.width_multiplier,
        output_stride=FLAGS.output_stride,
        score_stride=FLAGS.score_stride,
        decoder_channels=FLAGS.decoder_channels,
        level_set_stride=FLAGS.level_set_stride,
    )
    print(complexity_table(complexity(model_config, (FLAGS.height, FLAGS.width))))


if __name__ == "__main__":
    command_line.run(main)
