"""Rows of settings: read, trained, scored, drawn up."""

import csv
import io
import shutil
import sys

import pytest
from PIL import Image

from dmls_tf.errors import UserError
from dmls_tf.evaluation import studies
from tests.forks import forking_python
from tests.helpers import failed, run_here, succeeded

ROWS = """\
# a comment

plain
plain + longer | | --evolution_steps=4
no level set | --nolevel_set
"""


def results():
    """Two rows of two seeds: one before and after its level set, one without."""
    found = []
    for seed, iou in (("0", 0.5), ("1", 0.6)):
        for row, kind, step, value, is_final in (
            ("A", "coarse", 2, iou, 0),
            ("A", "evolved", 1, 0.1, 0),
            ("A", "evolved", 2, iou + 0.1, 1),
            ("B", "coarse", 1, 0.25, 1),
        ):
            scores = dict.fromkeys(studies.SCORES, value)
            output = {"kind": kind, "step": step, "is_final": is_final}
            row_of_seed = {"row": row, "seed": seed, "settings": "ab"}
            found.append(row_of_seed | output | scores | {"train_seconds": 7})
    return found


def test_rows_are_read(tmp_path):
    path = tmp_path / "some.rows"
    path.write_text(ROWS)
    plain, longer, none = studies.read_rows(path)
    assert (plain.name, plain.training, plain.train_flags) == ("plain", "plain", ())
    assert (longer.training, longer.evaluate_flags) == ("plain", ("--evolution_steps=4",))
    assert longer.directory == "plain-plus-longer"
    assert (none.training, none.train_flags) == ("no-level-set", ("--nolevel_set",))


@pytest.mark.parametrize(
    ("text", "message"),
    [("a | b | c | d", "line 1: not of the form"), ("a\nb\nA |", "line 3: a row is called 'A'")],
)
def test_other_lines_are_told(text, message, tmp_path):
    (tmp_path / "some.rows").write_text(text)
    with pytest.raises(UserError, match=message):
        studies.read_rows(tmp_path / "some.rows")


def test_the_table_has_means_and_ranges_before_and_after():
    lines = studies.markdown(results()).splitlines()
    assert len(lines) == 4
    after, before = "65.0 (60.0 to 70.0)", "55.0 (50.0 to 60.0)"
    assert lines[2] == f"| A | 2 | {after} | {after} | {after} | {before} | {before} |"
    assert lines[3].endswith("25.0 (25.0 to 25.0) |  |  |")


def test_results_are_read_as_they_were_written(tmp_path):
    path, written = tmp_path / "results.csv", results()
    written[0] |= {"train_seconds": None, "boundary_f1": None}
    for result in written:
        result["seed"] = int(result["seed"])
    assert studies.read_results(path) == []
    studies.write_results(written, path)
    assert studies.read_results(path) == written
    for damaged in ("row,score\n", path.read_text().replace("0.5", "half")):
        path.write_text(damaged)
        with pytest.raises(UserError, match="results.csv: not the results of a study"):
            studies.read_results(path)


def test_results_of_other_rows_and_seeds_are_kept():
    old = [{"row": name, "seed": 0, "mean_iou": 0.1} for name in ("gone", "B", "A")]
    new = [{"row": "A", "seed": seed, "mean_iou": 0.2} for seed in (1, 0)]
    rows = [studies.Row(name, name, (), ()) for name in ("A", "B")]
    found = studies.merged(old, new, rows)
    assert [(result["row"], result["seed"], result["mean_iou"]) for result in found] == [
        ("A", 0, 0.2),
        ("A", 1, 0.2),
        ("B", 0, 0.1),
        ("gone", 0, 0.1),
    ]


def test_the_figure_is_a_png():
    assert Image.open(io.BytesIO(studies.figure(results()))).format == "PNG"


def test_a_file_without_rows_is_told(tmp_path):
    (tmp_path / "no.rows").write_text("# nothing yet\n")
    with pytest.raises(UserError, match="no.rows: holds no rows"):
        studies.read_rows(tmp_path / "no.rows")


@pytest.fixture
def _python_forks(tmp_path_factory, monkeypatch):
    """The trainings and evaluations of a study are forks."""
    directory = tmp_path_factory.mktemp("bin")
    with forking_python(directory):
        monkeypatch.setattr(sys, "executable", str(directory / "python"))
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_python_forks")
def test_a_study_runs_fails_and_goes_on(synthetic_records, tmp_path):
    rows, base, work_dir = tmp_path / "some.rows", tmp_path / "base.flags", tmp_path / "study"
    small = ("--backbone=vgg16", "--width_multiplier=0.1", "--decoder_channels=16")
    size = ("--recurrent_steps=1", "--image_size=48,64", "--batch_per_replica=2")
    base.write_text("\n".join((*small, *size, "--epochs=1", "--steps_per_epoch=2")))
    rows.write_text(ROWS + "wrong | --recurrent_steps=0\nmistaken | --band=4 | --none\n")
    arguments = (f"--rows={rows}", f"--base={base}", f"--work_dir={work_dir}", "--jobs=2")
    arguments += (f"--records_dir={synthetic_records}",)
    done = run_here("scripts/ablate.py", *arguments)
    assert done.returncode == 1
    for fault in (
        "wrong of seed 0: train.py failed: error: flag --recurrent_steps=0: must be from 1 to 100",
        "mistaken of seed 0: evaluate.py failed: error: Unknown command line flag 'none'",
    ):
        assert fault in done.stderr
    assert not (work_dir / "mistaken" / "seed0" / "train.log").exists()
    assert "2 of 4 trainings failed" in done.stderr
    with open(work_dir / "results.csv", newline="") as file:
        found = list(csv.DictReader(file))
    names = 3 * ["plain"] + 3 * ["plain + longer"] + ["no level set"]
    assert [result["row"] for result in found] == names
    kinds = [(result["kind"], result["step"], result["is_final"]) for result in found[:3]]
    assert kinds == [("coarse", "1", "0"), ("likelihood", "1", "0"), ("evolved", "1", "1")]
    trained = (work_dir / "plain" / "seed0" / "model.keras").stat().st_mtime_ns
    rows.write_text(ROWS)
    assert "| plain + longer | 1 |" in succeeded(run_here("scripts/ablate.py", *arguments))
    assert (work_dir / "plain" / "seed0" / "model.keras").stat().st_mtime_ns == trained
    shutil.rmtree(work_dir / "plain")
    assert "| plain + longer | 1 |" in succeeded(run_here("scripts/ablate.py", *arguments))
    assert not (work_dir / "plain").exists()
    other_split = run_here("scripts/ablate.py", *arguments, "--val_split=train")
    failed(other_split, "results.csv: the row 'plain' has results of other flags; give it another")
    failed(run_here("scripts/ablate.py", *arguments, "--rows=none.rows"), "none.rows", "no such")
    failed(run_here("scripts/ablate.py", *arguments, "--base=no.flags"), "--base=no.flags: cannot")
    failed(run_here("scripts/ablate.py", *arguments, "--seeds=0,x"), "must be whole", code=2)
    failed(run_here("scripts/ablate.py", *arguments, f"--work_dir={rows}"), "is in the way")
