import pytest

from dmls_tf.errors import DamagedFile
from dmls_tf.images.videos import read_frames, writing_video


def test_odd_frames_lose_a_row_and_a_column(scene, tmp_path):
    pytest.importorskip("av")
    with writing_video(tmp_path / "odd.mp4", 5) as append:
        append(scene[:39, :59])
    _, frames = read_frames(tmp_path / "odd.mp4")
    assert next(frames).shape == (38, 58, 3)
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(DamagedFile, match=r"notes.txt: not a readable video"):
        read_frames(tmp_path / "notes.txt")
