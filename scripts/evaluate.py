"""Scores a trained model over a split: one confusion matrix, at the labels' own sizes.

    python scripts/evaluate.py --model=runs/camvid/model.keras \\
        --records_dir=records/camvid --split=val --output_dir=runs/camvid/val
"""

from absl import flags

from dmls_tf import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
flags.DEFINE_string("records_dir", None, "Directory with dataset.json.", required=True)
flags.DEFINE_string("split", "val", "Split to score.")
flags.DEFINE_string("output_dir", None, "Where metrics.json goes.", required=True)
flags.DEFINE_integer("recurrent_steps", None, "K; that of the training by default.", 1)


def main():
    from dmls_tf.evaluation.scoring import evaluate, table, write_report
    from dmls_tf.models import load_dmls

    changes = {"num_steps": FLAGS.recurrent_steps} if FLAGS.recurrent_steps else {}
    model = load_dmls(FLAGS.model, **changes)
    matrix = evaluate(model, FLAGS.records_dir, FLAGS.split)
    class_names = model.metadata["classes"]
    scores = write_report(FLAGS.output_dir, class_names, FLAGS.split, matrix)
    print(table(class_names, scores))
    print(f"wrote {FLAGS.output_dir}/metrics.json")


if __name__ == "__main__":
    command_line.run(main)
