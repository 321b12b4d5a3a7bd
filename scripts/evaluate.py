"""Scores a model, or any model's predictions, over a split, as the data set's benchmark does.

    python scripts/evaluate.py --model=runs/camvid/model.keras \\
        --records_dir=records/camvid --split=val --output_dir=runs/camvid/val --report
    python scripts/evaluate.py --predictions=DIR --records_dir=records/cityscapes --split=val ...

Everything is counted at the labels' own sizes. --predictions takes a directory or zip archive of
label PNGs in the data set's submission format (docs/evaluation.md). OUTPUT_DIR receives
`metrics.json`, `images.csv` with the scores of each image and, with --report, `report.html`.

All GPUs of the machine work on the images; where TF_CONFIG names several workers, each of them runs
this command, works on its share of the images, and the first one writes the results.
"""

import dataclasses
import os

from dmls_tf import command_line
from dmls_tf.config import InferenceConfig, ModelConfig
from dmls_tf.datasets import DatasetInfo, doubts
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, make_directory, writing
from dmls_tf.settings import (
    NOT_NEGATIVE,
    Rule,
    Settings,
    given,
    overrides_of,
    required,
    setting,
)

Overrides = overrides_of(
    ModelConfig, "initial_phi", "evolution_steps", "coarse_adjustment", "likelihood_adjustment"
)


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    records_dir: str = required("Directory with dataset.json.")
    output_dir: str = required("Where the results go.")
    model: str | None = setting(None, "A trained model.keras.")
    predictions: str | None = setting(None, "A directory or zip of label PNGs, not a model's.")
    split: str = setting("val", "Split to score.")
    recurrent_steps: tuple[int, ...] | None = setting(
        None,
        "K, or several: 1,2,3,4; none: that of the training.",
        Rule("whole numbers from 1 on", lambda steps: steps and min(steps) >= 1),
    )
    crf: bool = setting(False, "Refine the prediction by a dense conditional random field.")
    report: bool = setting(False, "Write report.html, too.")
    examples: int = setting(5, "Best and worst images in the report.", NOT_NEGATIVE)


def main(options):
    from dmls_tf.evaluation import report
    from dmls_tf.evaluation.gallery import Gallery
    from dmls_tf.evaluation.scoring import evaluation_of, scored_images, tally
    from dmls_tf.training.strategy import (
        barrier,
        gather,
        is_chief,
        lost_worker_told,
        make_strategy,
        worker_of,
    )

    if bool(options.model) == bool(options.predictions):
        raise UserError("pass either --model or --predictions")
    if options.report:
        report.check()
    where = (options.records_dir, options.split)
    info = DatasetInfo.load(options.records_dir)
    strategy = make_strategy()
    predict, title, num_threads = make_predictor(options)
    if is_chief(strategy):
        command_line.warn(*doubts(info, options.split))
        make_directory(as_path(options.output_dir))  # before minutes of work
    gallery = Gallery(options.examples, info.palette) if options.report else None
    with lost_worker_told(strategy):
        barrier(strategy)  # all workers have what they need
    counted = tally(scored_images(*where, predict, num_threads, worker_of(strategy)), gallery)
    with lost_worker_told(strategy):
        parts = gather(strategy, (counted, gallery))
    if is_chief(strategy):
        for _, other in parts[1:] if gallery else ():
            gallery.add(other)
        write(evaluation_of(*where, [counted for counted, _ in parts]), gallery, title, options)


def write(evaluation, gallery, title, options):
    """Writes the files of an evaluation, and prints its table."""
    from dmls_tf.evaluation import report, results

    output_dir = as_path(options.output_dir)
    with writing(output_dir):
        results.write_metrics(evaluation, output_dir / "metrics.json")
        results.write_images(evaluation, output_dir / "images.csv")
        if options.report:
            report.write_report(evaluation, gallery, title, output_dir / "report.html")
    print(results.table(evaluation))
    names = ["metrics.json", "images.csv"] + ["report.html"] * options.report
    print(f"wrote {', '.join(f'{output_dir}/{name}' for name in names)}")


def make_predictor(options):
    """The function that gives each image's predictions, what it is, and how many run at a time."""
    from dmls_tf.evaluation.scoring import submission_predictor
    from dmls_tf.inference.parallel import on_all_devices, threads_for
    from dmls_tf.models import load_dmls

    if options.predictions:
        predict = submission_predictor(options.predictions, options.records_dir)
        return predict, options.predictions, os.cpu_count()
    changes = given(command_line.make(Overrides))
    steps = [{"recurrent_steps": k} for k in options.recurrent_steps or ()] or [{}]
    config = command_line.make(InferenceConfig)
    predict, copies = on_all_devices(
        lambda: [load_dmls(options.model, **changes, **step) for step in steps],
        lambda models: predictor_of(models, config, options),
    )
    title = title_of(options, config.sized_for(copies[0][0].metadata))
    return predict, title, threads_for(copies)


def predictor_of(models, config, options):
    """A function from an example to {`Output`: class ids} of the models."""
    from dmls_tf.evaluation.crf import with_crf
    from dmls_tf.evaluation.scoring import model_predictor

    predict = model_predictor(models, options.records_dir, config)
    return with_crf(predict, models[-1], config) if options.crf else predict


def title_of(options, config):
    """Of the report: the model, and how it sees the images."""
    size = config.image_size
    size = size if isinstance(size, str) else "x".join(map(str, size))
    views = f"scales {', '.join(map(str, config.scales))}" + ", mirrored" * config.test_time_flip
    return f"{options.model} ({size}, {views})" + ", CRF" * options.crf


if __name__ == "__main__":
    command_line.run(main, Options, also=[InferenceConfig, Overrides])
