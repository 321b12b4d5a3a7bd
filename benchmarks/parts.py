"""Where the time goes, by part: of inference, and of a training step.

    python -m benchmarks.parts
    python -m benchmarks.parts --training=1,1+jit_compile,4,4+remat    # with its options

One image of 512 x 512, ResNet-50, float32. Inference: each part is timed alone, in turn with the
whole networks (`inference_parts.py`); what a call has of it follows from K. "Rest" is what the call
takes beyond the parts, below zero where they run faster together. Parts are also measured by
leaving them out; the head goes with the evolution, which alone has a use for it.

Training: a process each (`training_parts.py`); the step without forward pass and loss is the
backward pass, the update and the counts of right pixels. The input, drawn scenes in PNG files of
the same size, is read while the step before runs.
"""

import functools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl import app, flags

from benchmarks.timing import ROOT, hardware, in_turn, measure_in_child, table

FLAGS = flags.FLAGS

flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py.")
flags.DEFINE_list("inference", ["19", "150"], "N of the networks.")
flags.DEFINE_list("training", ["1", "4"], "K of the trainings, also +remat or +jit_compile.")
flags.DEFINE_integer("training_classes", 19, "N of the trainings.")
flags.DEFINE_integer("size", 512, "Height and width, pixels.")
flags.DEFINE_integer("rounds", 3, "Rounds of the timing.")

STEPS = (1, 4)


def main(_):
    print(hardware(), flush=True)
    for num_classes in map(int, FLAGS.inference):
        inference_table(num_classes)
    if FLAGS.training:
        training_table()


def inference_table(num_classes):
    from benchmarks.inference_parts import pieces, wholes
    from benchmarks.networks import dmls

    shape = (1, FLAGS.size, FLAGS.size, 3)
    model, _ = dmls(shape, num_classes, backbone=FLAGS.backbone)
    image = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    runs = pieces(model, image)
    for k in STEPS:
        runs |= {(name, k): run for name, run in wholes(model, image, k).items()}
    ms = {name: 1e3 * seconds for name, seconds in in_turn(runs, FLAGS.rounds).items()}
    calls = [of_call(ms, k) for k in STEPS]
    rows = []
    for row in calls[0]:
        rows.append((row, [value for call in calls for value in with_share(call, row)]))
    columns = [name for k in STEPS for name in (f"ms, K = {k}", "% of the call")]
    table(f"Inference, {FLAGS.backbone}, {num_classes} classes, {FLAGS.size} px", columns, rows)


def of_call(ms, k):
    """{part: milliseconds} of a call of K steps, from those of the pieces."""
    layers = ms["level set, last step"] + (k - 1) * ms["level set, steps before"]
    still, distance = k * ms["level set, no evolution"], k * ms["distance transform"]
    parts = {
        "encoder": ms["image convolution"] + k * ms["encoder"],
        "decoder": k * ms["decoder"],
        "likelihood head": ms["head, image part"] + k * ms["head"],
        "distance transform": distance,
        "evolution: force and steps": layers - still,
        "choice of phases, transposition": still - distance,
        "resizing": k * ms["scores to the level sets"] + ms["answer to the image"],
        "prior": (k - 1) * ms["prior"],
    }
    whole = ms["whole", k]
    return parts | {
        "rest": whole - sum(parts.values()),
        "the whole call": whole,
        "level set and distance together": layers,
        "head and evolution, by leaving them out": whole - ms["no evolution", k],
        "head and level set, by leaving them out": whole - ms["no level set", k],
    }


def with_share(call, row):
    return [call[row], 100 * call[row] / call["the whole call"]]


def training_table():
    reading = input_ms()
    numbers = {name: in_child(name) for name in FLAGS.training}
    base = next(iter(numbers.values()))
    rows = []
    for name, (forward, loss, step, peak) in numbers.items():
        ratios = [step, step / base[2], peak, peak / base[3]]
        rows.append((f"K = {name}", [reading, forward, loss, step - forward - loss, *ratios]))
    first = f"to K = {FLAGS.training[0]}"
    parts = ["input, ms", "forward", "loss", "backward, update", "step", first, "peak MiB", first]
    classes = f"{FLAGS.training_classes} classes"
    table(f"Training, {FLAGS.backbone}, {classes}, {FLAGS.size} px, batch 1", parts, rows)


def in_child(name):
    """[ms of the forward pass, of the loss, of the step, peak MiB]; `name` is K+OPTION."""
    settings = (FLAGS.backbone, FLAGS.training_classes, FLAGS.size, FLAGS.rounds)
    script = ROOT / "benchmarks" / "training_parts.py"
    return measure_in_child(script, *settings, *name.split("+"))


def input_ms(num_images=48):
    """Milliseconds for which the pipeline alone keeps its reader waiting, an image."""
    from benchmarks.input_pipeline import rate
    from dmls_tf.config import DataConfig
    from dmls_tf.data.pipeline import training_batches

    sides = [f"--height={FLAGS.size}", f"--width={FLAGS.size}"]
    script = ROOT / "data_prep" / "synthetic_to_tfrecord.py"
    with tempfile.TemporaryDirectory() as directory:
        records = pathlib.Path(directory) / "records"
        given = [f"--output_dir={records}", f"--num_images={num_images},1", *sides]
        subprocess.run([sys.executable, str(script), *given], check=True, capture_output=True)
        config = DataConfig(image_size=(FLAGS.size, FLAGS.size))
        batches = training_batches(records, "train", config, seed=0)
        run = functools.partial(rate, batches, 1, num_images)
        return 1e3 / max(run() for _ in range(FLAGS.rounds))


if __name__ == "__main__":
    app.run(main)
