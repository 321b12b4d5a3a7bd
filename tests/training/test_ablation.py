"""Every row of the table in docs/training.md trains from its flags."""

import re
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.training.runs import last_state

SMALL = (
    "--flagfile=configs/ablation.flags",
    "--backbone_weights=none",
    "--width=0.125",
    "--decoder_channels=16",
    "--image_size=48,64",
    "--steps_per_epoch=5",
    "--epochs=1",
)

# One process for all rows: most of a command's time is that of importing TensorFlow.
RUN_ROWS = """
import sys
sys.path.insert(0, "scripts")
from absl import flags
from dmls_tf import command_line
import train
for line in sys.stdin:
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["train.py", *line.split()])
    train.main()
"""


def rows_of_the_docs():
    """{row: flags}."""
    text = (ROOT / "docs" / "training.md").read_text()
    table = text.split("A row adds")[1].split("The table in the paper")[0]
    rows = re.findall(r"^\| (.+?) \| (?:`(.+?)`)? ?\| [\d., ]+ \|$", table, re.MULTILINE)
    return dict(rows)


def test_the_table_has_all_rows():
    rows = rows_of_the_docs()
    assert len(rows) == 17
    assert rows["FCN8s"] == ""
    assert len(set(rows.values())) == 17


@pytest.mark.slow
def test_every_row_trains(synthetic_records, tmp_path):
    lines = []
    for i, row in enumerate(rows_of_the_docs().values()):
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
    for i, row in enumerate(rows_of_the_docs()):
        state = last_state(tmp_path / str(i))
        assert '"step": 5' in str(state["facts"]), row
        assert all(np.isfinite(state[name]).all() for name in state if name != "facts"), row
