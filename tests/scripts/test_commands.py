"""The commands in the order of a user: train, evaluate, predict, export, serve."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto import event_pb2

from dmls_tf.datasets import DatasetInfo
from dmls_tf.models import load_dmls
from tests.helpers import failed, run_here, succeeded

SMALL = (
    "--backbone=vgg16",
    "--width_multiplier=0.1",
    "--decoder_channels=32",
    "--recurrent_steps=2",
    "--evolution_steps=2",
    "--image_size=48,64",
    "--batch_per_replica=4",
    "--optimizer=adam",
    "--learning_rate=3e-3",
    "--epochs=1",
)


@pytest.fixture(scope="module")
def work_dir(synthetic_records, run_command, tmp_path_factory):
    directory = tmp_path_factory.mktemp("work") / "run"
    flag_file = directory.parent / "small.flags"
    flag_file.write_text("# a comment\n" + "\n".join(SMALL) + "\n--epochs=7\n")
    done = run_command(
        "scripts/train.py",
        f"--flagfile={flag_file}",
        f"--records_dir={synthetic_records}",
        f"--work_dir={directory}",
        "--epochs=1",
        "--overwrite",
    )
    assert "wrote" in succeeded(done)
    assert "epoch 1/1" in done.stderr
    assert "val mIoU" in done.stderr
    return directory


@pytest.fixture(scope="module")
def model(work_dir):
    return work_dir / "model.keras"


@pytest.mark.slow
def test_resolved_flags_repeat_the_run(work_dir):
    """Also those of a training that was told to --overwrite another: they do not overwrite it."""
    lines = (work_dir / "resolved.flags").read_text().splitlines()
    assert "--epochs=1" in lines
    assert "--crop_size" not in "".join(lines)
    resolved = f"--flagfile={work_dir / 'resolved.flags'}"
    trained = (work_dir / "model.keras").stat().st_mtime_ns
    assert "is trained already" in succeeded(run_here("scripts/train.py", resolved))
    assert (work_dir / "model.keras").stat().st_mtime_ns == trained
    done = run_here("scripts/train.py", resolved, "--learning_rate=0.1")
    failed(done, "training.learning_rate = 0.003, now 0.1; to start from its weights, pass")


@pytest.mark.slow
def test_tensorboard_gets_scalars_and_pictures(work_dir):
    tags = set()
    for path in (work_dir / "tensorboard").rglob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch/loss", "epoch/coarse_1_loss", "epoch/val_mean_iou"} <= tags
    assert any(tag.startswith("image, truth") for tag in tags)


@pytest.mark.slow
def test_evaluate_counts_every_labelled_pixel(model, synthetic_records, tmp_path):
    text = succeeded(
        run_here(
            "scripts/evaluate.py",
            f"--model={model}",
            f"--records_dir={synthetic_records}",
            "--split=val",
            f"--output_dir={tmp_path}",
            *("--report", "--recurrent_steps=1,2", "--examples=1", "--scales=1.25"),
            *("--image_size=native", "--window=32,40"),
        )
    )
    page = (tmp_path / "report.html").read_text()
    assert f"{model} (native, scales 1.25); 4 images" in page
    assert page.count("<img") == 3 + 2 * 4
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    split = DatasetInfo.load(synthetic_records).split("val")
    assert metrics["final_output"] == "evolved_2"
    kinds = ("coarse", "likelihood", "evolved")
    assert list(metrics["outputs"]) == [f"{kind}_{k}" for k in (1, 2) for kind in kinds]
    matrix = np.array(metrics["confusion_matrix"])
    assert tuple(matrix.sum(1)) == split.class_pixels
    assert metrics["pixel_accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    assert re.search(rf"mean IoU +{100 * metrics['mean_iou']:.1f}\n", text)
    assert list(metrics["class_iou"]) == load_dmls(model).metadata["classes"]


@pytest.fixture(scope="module")
def predictions(model, synthetic_records, tmp_path_factory):
    """Predictions for two scenes and a grey JPEG of another size."""
    images = tmp_path_factory.mktemp("images")
    for path in sorted((synthetic_records / "png" / "val").iterdir())[:2]:
        (images / path.name).write_bytes(path.read_bytes())
    Image.fromarray(np.arange(30 * 50, dtype=np.uint8).reshape(30, 50)).save(images / "grey.jpg")
    out = images / "out"
    succeeded(
        run_here(
            "scripts/predict.py",
            f"--model={model}",
            f"--images={images}",
            f"--output_dir={out}",
        )
    )
    return images, out


@pytest.mark.slow
def test_predictions_have_the_size_of_their_image(predictions):
    images, out = predictions
    names = {"legend.png"}
    for path in images.glob("*.*"):
        image = np.asarray(Image.open(path))
        label = np.asarray(Image.open(out / f"{path.stem}_label.png"))
        overlay = np.asarray(Image.open(out / f"{path.stem}_overlay.png"))
        assert label.shape == image.shape[:2]
        assert overlay.shape == (*label.shape, 3)
        assert label.max() < 8
        pictures = ("label", "palette", "overlay", "confidence")
        names |= {f"{path.stem}_{picture}.png" for picture in pictures}
    assert {path.name for path in out.iterdir()} == names


@pytest.mark.slow
def test_export_answers_in_a_process_without_the_package(model, predictions, tmp_path):
    images, out = predictions
    base = tmp_path / "serving"
    (base / "1").mkdir(parents=True)
    metrics = {"dataset": "scenes", "split": "val", "images": 4}
    metrics |= {"pixel_accuracy": 0.9, "mean_iou": 0.5, "class_iou": {}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    options = "--optimize=float32", f"--metrics={tmp_path / 'metrics.json'}"
    done = run_here("scripts/export.py", f"--model={model}", f"--export_dir={base}", *options)
    assert "serving/2" in succeeded(done)
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]
    card = json.loads((base / "2" / "assets.extra" / "model_card.json").read_text())
    assert card["classes"][0] == "sky"
    assert card["scores"]["mean_iou"] == 0.5
    assert card["serving"]["optimize"] == "float32"
    code = f"""
import glob, sys
import numpy as np, tensorflow as tf
served = tf.saved_model.load({str(base / "2")!r}).signatures["serving_default"]
paths = sorted(glob.glob({str(images)!r} + "/*.*"))
answer = served(image_bytes=tf.constant([open(path, "rb").read() for path in paths]))
assert "dmls_tf" not in sys.modules
assert answer["labels"].shape == (3, 48, 64) and answer["labels"].dtype == tf.int32
assert answer["confidence"].numpy().min() > 0 and answer["confidence"].numpy().max() <= 1
for i, path in enumerate(paths):
    stem = path.split("/")[-1].split(".")[0]
    mask = tf.io.decode_png(answer["mask_png_bytes"][i]).numpy()
    assert mask.shape[:2] == (int(answer["height"][i]), int(answer["width"][i]))
    label = tf.io.decode_png(open({str(out)!r} + f"/{{stem}}_label.png", "rb").read()).numpy()
    assert (mask == label).mean() > 0.999, stem
library = served.graph.as_graph_def().library
operations = {{node.op for function in library.function for node in function.node_def}}
assert not [name for name in operations if "PyFunc" in name], operations
print("served", len(paths))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "served 3", done.stderr
    done = run_here("scripts/export.py", f"--model={model}", f"--export_dir={base}", "--version=2")
    failed(done, "serving/2: exists")


@pytest.mark.slow
def test_faults_of_the_user_are_one_line(model, synthetic_records, tmp_path):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    records, run = f"--records_dir={synthetic_records}", f"--work_dir={tmp_path / 'run'}"
    out = f"--output_dir={tmp_path / 'out'}"
    train, evaluate, predict = (f"scripts/{name}.py" for name in ("train", "evaluate", "predict"))
    model = f"--model={model}"
    for arguments, words in (
        ((train, f"--records_dir={tmp_path}", run), "dataset.json: not found"),
        ((train, records, run, "--scale_range=1,2"), "scale_range must be 1,1 without crop_size"),
        ((evaluate, f"--model={text}", records, out), "text.keras: not a readable"),
        ((evaluate, model, f"--records_dir={tmp_path}", out), "is no records directory"),
        ((evaluate, model, records, out, "--split=test"), "no split 'test'"),
        ((evaluate, records, out), "either --model or --predictions"),
        ((evaluate, f"--predictions={text}", records, out), "neither a directory nor"),
        ((predict, model, "--images=gone", out), "gone: no such file"),
        ((predict, "--server=", "--images=docs", out), "either --model or --server"),
    ):
        failed(run_here(*arguments), words)
    for arguments, words in (
        ((train, records, run, *SMALL, "--backbone=alexnet"), "backbone=alexnet: must be vgg16,"),
        ((train, records, run, "--image_size=big"), "image_size=big: must be height,width"),
        ((train, records, run, "--epochs=many"), "epochs=many: must be a whole number"),
        ((train, records, run, "--likelihood=gravity"), "gravity"),
        ((train, run), "--records_dir"),
        ((train, "--flagfile=gone.flags"), "gone.flags"),
        ((evaluate, model, records, out, "--window=7"), "height,width"),
        ((predict, model, "--images=docs", out, "--window=7,9"), "at least 32 pixels"),
        (("scripts/export.py", f"--model={tmp_path / 'x'}", out), "flag 'output_dir'"),
    ):
        failed(run_here(*arguments), words, code=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_training_names_a_damaged_record_in_one_line(synthetic_records, tmp_path):
    records = shutil.copytree(synthetic_records, tmp_path / "records")
    shard = records / "train-00001-of-00002.tfrecord"
    content = bytearray(shard.read_bytes())
    content[20] ^= 1  # in the first record
    shard.write_bytes(content)
    run = (f"--records_dir={records}", f"--work_dir={tmp_path / 'run'}")
    done = run_here("scripts/train.py", *run, *SMALL, "--recurrent_steps=1", "--nolevel_set")
    failed(done, f"{shard}: record 0: truncated, or its checksum is wrong")


def test_summary_keeps_within_the_papers_size(run_command):
    """Table VIII of the paper: 34.0 M parameters, 102.4 GFLOPs at 512 x 512 and 19 classes."""
    text = succeeded(run_here("scripts/summary.py", "--backbone=resnet50", "--num_classes=19"))
    *_, parameters, gflops = text.splitlines()[-1].split()
    assert 24e6 < int(parameters.replace(",", "")) <= 34.0e6
    assert 70 < float(gflops) <= 80  # the paper: 102.4


def test_summary_counts_fcn8s_as_the_paper_does(run_command):
    """Table VIII: 134.5 M parameters, 220.4 GFLOPs."""
    baseline = ("--network=fcn8s", "--backbone=vgg16", "--num_classes=19")
    lines = succeeded(run_here("scripts/summary.py", *baseline)).splitlines()
    image, *_, encoder, decoder = (float(line.split()[-1]) for line in lines[1:-2])
    assert image + encoder + decoder == pytest.approx(220.4, rel=0.01)


@pytest.mark.slow
def test_150_classes_train_on_real_ade20k_frames(run_command, real_data, tmp_path):
    root = real_data("ade20k_sample") / "ADEChallengeData2016"
    records = tmp_path / "ade20k"
    succeeded(
        run_here(
            "data_prep/ade20k_to_tfrecord.py",
            f"--data_dir={root}",
            f"--output_dir={records}",
            "--splits=validation",
        )
    )
    done = run_here(
        "scripts/train.py",
        f"--records_dir={records}",
        f"--work_dir={tmp_path / 'run'}",
        "--train_split=validation",
        "--val_split=validation",
        *SMALL,
        "--batch_per_replica=1",
        "--steps_per_epoch=3",
        "--recurrent_steps=1",
    )
    succeeded(done)
    assert load_dmls(tmp_path / "run" / "model.keras").config.num_classes == 150
