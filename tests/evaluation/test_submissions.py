"""Submissions: written, refused, and scored against the records that they came from."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from dmls_tf.config import InferenceConfig
from dmls_tf.datasets import CAMVID, CITYSCAPES, DatasetInfo, ade20k
from dmls_tf.errors import UserError
from dmls_tf.evaluation.scoring import (
    FROM_FILES,
    evaluate,
    model_predictor,
    submission_predictor,
)
from dmls_tf.evaluation.submissions import Submission, faults_of, prediction_name, write_submission
from dmls_tf.models import load_dmls
from dmls_tf.records.reading import read_split
from tests.helpers import failed, run_here, succeeded
from tests.records.files import save

ADE20K = ade20k([f"class {i}" for i in range(150)])
ULM = "ulm_000000_000019_leftImg8bit.png"


def read(path):
    return np.asarray(Image.open(path))


def written(path, spec, *named):
    write_submission(path, [(name, np.array(label, np.uint8)) for name, label in named], spec)
    return path


def test_names_and_values_are_those_of_the_data_set(tmp_path):
    ade = written(tmp_path / "ade", ADE20K, ("ADE_test_00000001.jpg", [[0, 149, 255]]))
    assert read(ade / "ADE_test_00000001.png").tolist() == [[1, 150, 0]]
    city = written(tmp_path / "city", CITYSCAPES, (ULM, [[0, 13, 18, 255]]))
    assert read(city / "ulm_000000_000019_labelIds.png").tolist() == [[7, 26, 33, 0]]
    camvid = written(tmp_path / "camvid", CAMVID, ("0016E5_07959.png", [[0, 10]]))
    assert read(camvid / "0016E5_07959.png").tolist() == [[0, 10]]


def test_a_zip_holds_the_same_files(tmp_path):
    named = [("ADE_test_1.jpg", [[0, 1]]), ("ADE_test_2.jpg", [[2, 3]])]
    directory = written(tmp_path / "ade", ADE20K, *named)
    with zipfile.ZipFile(written(tmp_path / "ade.zip", ADE20K, *named)) as archive:
        assert sorted(archive.namelist()) == ["ADE_test_1.png", "ADE_test_2.png"]
        for name in archive.namelist():
            assert archive.read(name) == (directory / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ade", "ade.zip"]


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_fault_on_the_way_leaves_nothing(tmp_path, name):
    def predictions():
        yield "a.png", np.zeros((1, 1), np.uint8)
        raise UserError("damaged")

    with pytest.raises(UserError, match="damaged"):
        write_submission(tmp_path / name, predictions(), CAMVID)
    assert not list(tmp_path.iterdir())
    written(tmp_path / name, CAMVID, ("a.png", [[0]]))
    with pytest.raises(UserError, match=f"{name}: exists"):
        written(tmp_path / name, CAMVID, ("a.png", [[0]]))


def test_the_official_script_of_cityscapes_finds_the_files(tmp_path):
    script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    written(tmp_path / "results", CITYSCAPES, (ULM, [[0]]))
    arguments = script.CArgs()
    arguments.predictionPath, arguments.predictionWalk = str(tmp_path / "results"), None
    truth = "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png"
    found = script.getPrediction(arguments, truth)
    assert found == str(tmp_path / "results" / prediction_name(ULM, CITYSCAPES))


def test_the_checker_refuses(tmp_path):
    images = [("a.jpg", (2, 3)), ("b.jpg", (2, 3))]
    good = np.ones((2, 3))

    def faults(files, spec=ADE20K, images=images):
        directory = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, values in files.items():
            save(directory / name, values)
        return faults_of(directory, images, spec)

    assert faults({"a.png": good, "sub/b.png": good}) == []
    assert "no prediction for b.jpg, like b.png" in faults({"a.png": good})[0]
    assert "a.png: 1 x 3 pixels" in faults({"a.png": good[:1], "b.png": good})[0]
    assert "b.png: value 151 is no label" in faults({"a.png": good, "b.png": good + 150})[0]
    assert "c.png: for none of the images" in faults({f"{x}.png": good for x in "abc"})[0]
    assert "mode RGB" in faults({"a.png": np.zeros((2, 3, 3)), "b.png": good})[0]
    with pytest.raises(UserError, match="are for the same image"):
        faults({"a.png": good, "sub/a.png": good})
    with pytest.raises(UserError, match="neither a directory nor a zip"):
        Submission(tmp_path / "gone", ADE20K)
    with pytest.raises(UserError, match="holds no PNG"):
        faults({"a.jpg": good})


def test_the_checker_knows_the_traps_of_cityscapes(tmp_path):
    def faults(values, size=(1024, 2048)):
        directory = tmp_path / str(len(list(tmp_path.iterdir())))
        save(directory / "ulm_000000_000019.png", np.resize(values, size))
        return faults_of(directory, [(ULM, size)], CITYSCAPES)

    assert faults([7, 8, 26]) == []
    assert "these are trainIds" in faults([0, 1, 13])[0]
    assert "value 255" in faults([7, 26, 255])[0]
    assert "not 1024 x 2048" in faults([7, 26], size=(512, 1024))[0]


SAMPLES = {  # data set: directory of its files, split
    "camvid": ("camvid", "val"),
    "ade20k": ("ade20k_sample/ADEChallengeData2016", "validation"),
    "cityscapes": ("cityscapes_sample", "train"),
    "mapillary": ("mapillary_layout", "validation"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_truth_scores_100_percent(name, real_data, tmp_path):
    sample, split = SAMPLES[name]
    records, path = tmp_path / "records", tmp_path / "truth.zip"
    script = f"data_prep/{name}_to_tfrecord.py"
    root = f"--data_dir={real_data(sample)}"
    succeeded(run_here(script, root, f"--output_dir={records}", f"--splits={split}"))
    spec = DatasetInfo.load(records).spec
    examples = read_split(records, split).as_numpy_iterator()
    write_submission(path, ((e["filename"].decode(), e["label"]) for e in examples), spec)
    evaluation = evaluate(records, split, submission_predictor(path, records), num_threads=2)
    scores = evaluation.scores[FROM_FILES]
    assert scores["pixel_accuracy"] == scores["mean_accuracy"] == 1
    present = evaluation.confusion.sum(1) > 0
    for kind in ("class_iou", "class_iiou", "category_iou", "category_iiou"):
        values = np.array(list(scores.get(kind, {}).values()))
        assert set(values[~np.isnan(values)]) <= ({0, 1} if name == "ade20k" else {1})
    assert scores["mean_iou"] == (present.mean() if name == "ade20k" else 1)
    assert all(near["f1"] == 1 for near in scores["boundary"].values())
    assert [row[1:] for row in evaluation.images] == [(1, 1)] * len(evaluation.images)
    if name == "mapillary":
        with zipfile.ZipFile(path) as archive:
            image = Image.open(archive.open(archive.namelist()[0]))
        assert image.mode == "P"
        color = image.getpalette()[3 * spec.class_to_raw[0] :][:3]
        assert tuple(color) == spec.palette[0]


@pytest.mark.slow
def test_the_commands_write_check_and_score(synthetic_records, trained, tmp_path):
    records, path = f"--records_dir={synthetic_records}", tmp_path / "a.zip"
    images = f"--images={synthetic_records / 'png' / 'val'}"
    done = run_here("scripts/submit.py", f"--model={trained}", records, images, f"--output={path}")
    assert "a.zip: complete and sound" in succeeded(done)
    done = run_here("scripts/check_submission.py", path, records, "--split=train")
    assert "no prediction for" in done.stdout
    failed(done, "faults, the server would refuse it")
    name = min((synthetic_records / "png" / "val").iterdir()).name
    other = (tmp_path / name).with_suffix(".jpg")
    Image.new("RGB", (64, 48)).save(other)
    twice = f"{synthetic_records}/png/val/{name},{other}"
    done = run_here("scripts/check_submission.py", path, records, f"--images={twice}")
    failed(done, f"the predictions of both would be {name}")
    out = f"--output_dir={tmp_path / 'out'}"
    succeeded(run_here("scripts/evaluate.py", f"--predictions={path}", records, out))
    files = json.loads((tmp_path / "out" / "metrics.json").read_text())
    config = InferenceConfig(image_size=(48, 64))
    network = load_dmls(trained)
    predict = model_predictor([network], synthetic_records, config)
    model = evaluate(synthetic_records, "val", predict)
    assert model.confusion.tolist() == files["confusion_matrix"]
    assert model.scores[network.step_outputs[-1]]["boundary"] == files["boundary"]
