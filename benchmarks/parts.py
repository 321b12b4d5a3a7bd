"""Where the time goes, by part: of inference, and of a training step.

    python -m benchmarks.parts
    python -m benchmarks.parts --training=1,1+jit_compile,4,4+remat    # with its options

One image of 512 x 512, ResNet-50, float32. Inference: each part is timed alone, in turn with the
whole networks (`inference_parts.py`); what a call has of it follows from K. "Rest" is what the call
takes beyond the parts, below zero where they run faster together. Parts are also measured by
leaving them out; the likelihood goes with the evolution, which alone has a use for it.

Training: a process each (`training_parts.py`); the step without forward pass and loss is the
backward pass, the update and the counts of right pixels. The input, drawn scenes in PNG files of
the same size, is read while the step before runs.
"""

import tempfile

from benchmarks import training_parts
from benchmarks.inference_parts import pieces, wholes
from benchmarks.input_pipeline import batches, rate
from benchmarks.networks import dmls, random_images
from benchmarks.options import run
from benchmarks.processes import in_child
from benchmarks.timing import hardware, in_turn, table
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets.synthetic_scenes import SYNTHETIC
from dmls_tf.records.conversion import convert
from dmls_tf.records.scenes import Scene

STEPS = (1, 4)
TRAINING_CLASSES = 19


def main(
    backbone: str = "resnet50",
    size: int = 512,
    rounds: int = 3,
    inference: tuple[int, ...] = (19, 150),
    training: tuple[str, ...] = ("1", "4"),
):
    print(hardware(), flush=True)
    for num_classes in inference:
        calls = time_inference(backbone, num_classes, size, rounds)
        rows = []
        for part in calls[0]:
            pairs = [(call[part], 100 * call[part] / call["the whole call"]) for call in calls]
            rows.append((part, [number for pair in pairs for number in pair]))
        columns = [name for k in STEPS for name in (f"ms, K = {k}", "% of the call")]
        table(f"Inference, {backbone}, {num_classes} classes, {size} px", columns, rows)
    if training:
        columns, rows = time_trainings(backbone, training, size, rounds)
        classes = f"{TRAINING_CLASSES} classes"
        table(f"Training, {backbone}, {classes}, {size} px, batch 1", columns, rows)


def time_inference(backbone, num_classes, size, rounds):
    """{part: milliseconds} of a call, for each K of `STEPS`."""
    shape = (1, size, size, 3)
    model, _ = dmls(shape, num_classes, backbone=backbone)
    image = random_images(shape)
    runs = pieces(model, image)
    for k in STEPS:
        runs |= {(name, k): run for name, run in wholes(model, image, k).items()}
    ms = in_turn(runs, rounds)
    return [of_call(ms, k) for k in STEPS]


def of_call(ms, k):
    """{part: milliseconds} of a call of K steps, from those of the pieces."""
    layers = ms["level set, last step"] + (k - 1) * ms["level set, steps before"]
    still, distance = k * ms["level set, no evolution"], k * ms["distance transform"]
    parts = {
        "encoder": ms["image convolution"] + k * ms["encoder"],
        "decoder": k * ms["decoder"],
        "learned likelihood": ms["likelihood, image part"] + k * ms["likelihood"],
        "distance transform": distance,
        "evolution: force and steps": layers - still,
        "choice of phases, transposition": still - distance,
        "resizing": k * ms["logits to the level sets"] + ms["prediction to the image"],
        "prior": (k - 1) * ms["prior"],
    }
    whole = ms["whole", k]
    return parts | {
        "rest": whole - sum(parts.values()),
        "the whole call": whole,
        "level set and distance together": layers,
        "likelihood and evolution, by leaving them out": whole - ms["no evolution", k],
        "likelihood and level set, by leaving them out": whole - ms["no level set", k],
    }


def time_trainings(backbone, trainings, size, rounds):
    """Columns and rows of the table; a training is K, or K+OPTION."""
    reading, numbers = in_child(input_ms, size, rounds), {}
    for name in trainings:
        k, *switched_on = name.split("+")
        network = {"num_classes": TRAINING_CLASSES, "backbone": backbone, "recurrent_steps": int(k)}
        given = size, rounds, network, dict.fromkeys(switched_on, True)
        numbers[name] = in_child(training_parts.measure, *given)
    base, rows = numbers[trainings[0]], []
    for name, (forward, loss, step, peak) in numbers.items():
        ratios = [step, step / base[2], peak, peak / base[3]]
        rows.append((f"K = {name}", [reading, forward, loss, step - forward - loss, *ratios]))
    first = f"to K = {trainings[0]}"
    columns = ["input, ms", "forward", "loss", "backward, update", "step", first, "peak MiB", first]
    return columns, rows


def input_ms(size, rounds, num_images=48):
    """Milliseconds for which the pipeline alone keeps its reader waiting, per image."""
    scenes = [Scene("train", i, size, size, seed=0) for i in range(num_images)]
    with tempfile.TemporaryDirectory() as directory:
        records = f"{directory}/records"
        convert(records, SYNTHETIC, {"train": scenes}, ConversionConfig())
        dataset = batches(records, batch_size=1, image_size=(size, size))
        return 1e3 / max(rate(dataset, 1, num_images) for _ in range(rounds))


if __name__ == "__main__":
    run(main, tensorflow=True)
