import types

import numpy as np
import pytest

from dmls_tf.training.reports import EpochTable, ProgressLine, peak_memory, scores_from

SUMS = {
    "steps": 2,
    "loss": 3.0,
    "coarse_1/loss": 1.0,
    "coarse_1/correct": 6,
    "valid": 8,
    "confusion": np.array([[3, 1], [1, 3]]),
}


def test_scores_are_means_over_steps_and_shares_of_pixels():
    scores = scores_from(SUMS)
    assert scores == {
        "loss": 1.5,
        "coarse_1_loss": 0.5,
        "coarse_1_accuracy": 0.75,
        "mean_iou": pytest.approx(3 / 5),
    }
    nothing = SUMS | {"valid": 0, "coarse_1/correct": 0, "confusion": np.zeros((2, 2))}
    assert scores_from(nothing)["coarse_1_accuracy"] == 0


def test_the_line_goes_on_where_the_training_does(capsys):
    line = ProgressLine(steps_per_epoch=4, epochs=3, output="coarse_1")
    for step in (6, 7, 8):
        line.on_step(types.SimpleNamespace(step=step, sums=SUMS), rate=0.01)
    row = {"val_loss": 1.0, "val_mean_iou": 0.25, "val_coarse_1_accuracy": 0.5}
    line.on_epoch([{}, row], model=None)
    shown = capsys.readouterr().err
    assert "epoch 2/3" in shown
    assert "4/4" in shown
    for words in ("loss=1.500", "acc=0.750", "mIoU=0.600", "rate=1.0e-02", "val mIoU=0.250"):
        assert words in shown
    line.on_epoch([row], model=None)  # of an epoch that was validated after a restart
    line.close()


def test_the_table_holds_every_epoch(tmp_path):
    table = EpochTable(tmp_path / "log.csv")
    table.on_epoch([{"epoch": 1, "loss": 0.5}], None)
    table.on_epoch([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], None)
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss", "1,0.5", "2,0.25"]


def test_memory_is_in_mebibytes():
    assert 100 < peak_memory() < 1e5
