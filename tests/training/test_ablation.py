"""Every row of the paper's ablation trains from its flags."""

import subprocess
import sys

import numpy as np
import pytest

from dmls_tf.evaluation.studies import read_rows
from tests.conftest import ROOT
from tests.training.runs import last_state

SMALL = (
    "--flagfile=configs/ablation.flags",
    "--train_split=train",
    "--val_split=val",
    "--backbone_weights=none",
    "--width_multiplier=0.125",
    "--decoder_channels=16",
    "--image_size=32,32",
    "--steps_per_epoch=2",
    "--epochs=1",
)

# One process for all rows: most of a command's time is that of importing TensorFlow.
RUN_ROWS = """
import sys
sys.path.insert(0, "scripts")
from absl import flags
from dmls_tf.command_line import setting_flags
import train
for settings in (train.Options, train.ModelConfig, train.DataConfig, train.TrainConfig):
    setting_flags.define(settings)
for line in sys.stdin:
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["train.py", *line.split()])
    train.main(setting_flags.make(train.Options))
"""


def trainings():
    """{row: flags}, of rows that share a training the first."""
    rows = read_rows(ROOT / "configs" / "paper.rows")
    return {row.name: " ".join(row.train_flags) for row in rows if row.evaluate_flags == ()}


def test_the_study_has_all_rows_of_the_paper():
    rows = trainings()
    assert len(read_rows(ROOT / "configs" / "paper.rows")) == 19
    assert len(rows) == 18
    assert rows["FCN8s"] == ""
    assert len(set(rows.values())) == 18


@pytest.mark.slow
def test_every_row_trains(synthetic_records, tmp_path):
    lines = []
    for i, row in enumerate(trainings().values()):
        where = (f"--records_dir={synthetic_records}", f"--work_dir={tmp_path / str(i)}")
        lines.append(" ".join([*SMALL, *where, *row.split()]))
    done = subprocess.run(
        [sys.executable, "-c", RUN_ROWS],
        input="\n".join(lines),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for i, row in enumerate(trainings()):
        state = last_state(tmp_path / str(i))
        assert '"step": 2' in str(state["facts"]), row
        assert all(np.isfinite(state[name]).all() for name in state if name != "facts"), row
