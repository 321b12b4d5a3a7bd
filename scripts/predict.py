"""Labels every pixel of images: a label PNG and an overlay at the image's size, and a legend.

python scripts/predict.py --model=runs/camvid/model.keras --images=photos --output_dir=out
"""

from absl import flags
from tqdm import tqdm

from dmls_tf import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
flags.DEFINE_string("images", None, "A JPEG or PNG file, or a directory of them.", required=True)
flags.DEFINE_string("output_dir", None, "Where the pictures go.", required=True)
flags.DEFINE_integer("recurrent_steps", None, "K; that of the training by default.", 1)


def main():
    from dmls_tf.models import load_dmls
    from dmls_tf.predict import find_images, predict_files

    paths = find_images(FLAGS.images)
    changes = {"num_steps": FLAGS.recurrent_steps} if FLAGS.recurrent_steps else {}
    model = load_dmls(FLAGS.model, **changes)
    written = predict_files(model, paths, FLAGS.output_dir)
    for _ in tqdm(written, total=len(paths), unit="image", dynamic_ncols=True):
        pass
    print(f"wrote labels, overlays and legend.png for {len(paths)} images to {FLAGS.output_dir}")


if __name__ == "__main__":
    command_line.run(main)
