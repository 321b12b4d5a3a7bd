"""Every row of the paper's ablation trains from its flags."""

import contextlib

import numpy as np
import pytest

from dmls_tf.evaluation.studies import read_rows
from tests.helpers import ROOT, run_here, succeeded
from tests.training.runs import eagerly, last_state

SMALL = (
    "--flagfile=configs/ablation.flags",
    "--train_split=train",
    "--val_split=val",
    "--backbone_weights=none",
    "--width_multiplier=0.125",
    "--decoder_channels=16",
    "--image_size=32,32",
    "--batch_per_replica=4",
    "--steps_per_epoch=1",
    "--epochs=1",
)

COMPILED = "FCN8s + all"  # which holds what the other rows are made of


def trainings():
    """{row: flags}, of rows that share a training the first."""
    rows = read_rows(ROOT / "configs" / "paper.rows")
    return {row.name: row.train_flags for row in rows if row.evaluate_flags == ()}


def test_the_study_has_all_rows_of_the_paper():
    rows = trainings()
    assert len(read_rows(ROOT / "configs" / "paper.rows")) == 19
    assert len(rows) == 18
    assert rows["FCN8s"] == ()
    assert len(set(rows.values())) == 18


@pytest.mark.slow
def test_every_row_trains(synthetic_records, tmp_path):
    for i, (row, flags) in enumerate(trainings().items()):
        work_dir = tmp_path / str(i)
        where = (f"--records_dir={synthetic_records}", f"--work_dir={work_dir}")
        with contextlib.nullcontext() if row == COMPILED else eagerly():
            succeeded(run_here("scripts/train.py", *SMALL, *where, *flags))
        state = last_state(work_dir)
        assert '"step": 1' in str(state["facts"]), row
        assert all(np.isfinite(state[name]).all() for name in state if name != "facts"), row
