"""Scores a model, or any model's predictions, over a split, as the data set's benchmark does.

    python scripts/evaluate.py --model=runs/camvid/model.keras \\
        --records_dir=records/camvid --split=val --output_dir=runs/camvid/val --report
    python scripts/evaluate.py --predictions=DIR --records_dir=records/cityscapes --split=val ...

Everything is counted at the labels' own sizes. --predictions takes a directory or zip archive of
label PNGs in the data set's submission format (docs/evaluation.md). OUTPUT_DIR receives
`metrics.json`, `images.csv` with the scores of each image and, with --report, `report.html`.
"""

import os
import pathlib

import inference_flags
from absl import flags

from dmls_tf import command_line
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.files import make_directory, writing

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras.")
flags.DEFINE_string("predictions", None, "A directory or zip of label PNGs, instead of a model.")
flags.DEFINE_string("records_dir", None, "Directory with dataset.json.", required=True)
flags.DEFINE_string("split", "val", "Split to score.")
flags.DEFINE_string("output_dir", None, "Where the results go.", required=True)
flags.DEFINE_list("recurrent_steps", [], "K, or several: 1,2,3,4; that of the training by default.")
flags.DEFINE_float("coarse_adjustment", None, "Instead of the model's, see scripts/train.py.")
flags.DEFINE_float("likelihood_adjustment", None, "Instead of the model's, likewise.")
flags.DEFINE_integer("evolution_steps", None, "Instead of the model's, likewise.", 0)
flags.DEFINE_bool("crf", False, "Refine the answer by a dense conditional random field.")
flags.DEFINE_bool("report", False, "Write report.html, too.")
flags.DEFINE_integer("examples", 5, "Best and worst images in the report.", 0)
inference_flags.define()


def main():
    from dmls_tf.evaluation import report, results
    from dmls_tf.evaluation.gallery import Gallery
    from dmls_tf.evaluation.scoring import evaluate

    if bool(FLAGS.model) == bool(FLAGS.predictions):
        raise UserError("pass either --model or --predictions")
    if FLAGS.report:
        report.check()
    answer, title, num_threads = make_answer()
    info = DatasetInfo.load(FLAGS.records_dir)
    info.split(FLAGS.split)  # that it is there
    gallery = Gallery(FLAGS.examples, info.palette) if FLAGS.report else None
    output_dir = pathlib.Path(FLAGS.output_dir)
    make_directory(output_dir)  # before minutes of work
    evaluation = evaluate(FLAGS.records_dir, FLAGS.split, answer, gallery, num_threads)
    with writing(output_dir):
        results.write_metrics(evaluation, output_dir / "metrics.json")
        results.write_images(evaluation, output_dir / "images.csv")
        if FLAGS.report:
            report.write_report(evaluation, gallery, title, output_dir / "report.html")
    print(results.table(evaluation))
    names = ["metrics.json", "images.csv"] + ["report.html"] * FLAGS.report
    print(f"wrote {', '.join(f'{output_dir}/{name}' for name in names)}")


def make_answer():
    """The function that gives each image's predictions, what it is, and how many run at a time."""
    from dmls_tf.evaluation.crf import with_crf
    from dmls_tf.evaluation.scoring import model_answer, submission_answer
    from dmls_tf.models import load_dmls

    if FLAGS.predictions:
        answer = submission_answer(FLAGS.predictions, FLAGS.records_dir)
        return answer, FLAGS.predictions, os.cpu_count()
    names = ("coarse_adjustment", "likelihood_adjustment", "evolution_steps")
    changes = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    steps = [{"num_steps": _whole(word)} for word in FLAGS.recurrent_steps] or [{}]
    models = [load_dmls(FLAGS.model, **changes, **step) for step in steps]
    config = inference_flags.settings(models[0])
    size = "x".join(map(str, config.image_size)) if config.image_size else "native"
    views = f"scales {', '.join(map(str, config.scales))}" + ", mirrored" * config.flip
    answer = model_answer(models, FLAGS.records_dir, config)
    if FLAGS.crf:
        answer = with_crf(answer, models[-1], config)
    return answer, f"{FLAGS.model} ({size}, {views})" + ", CRF" * FLAGS.crf, 1


def _whole(word):
    if not word.isdigit() or not int(word):
        raise UserError(f"--recurrent_steps must be whole numbers from 1 on, got {word!r}")
    return int(word)


if __name__ == "__main__":
    command_line.run(main)
