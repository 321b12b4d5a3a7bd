import fractions

import numpy as np
import pytest

from dmls_tf.errors import DamagedFile
from dmls_tf.images.videos import read_frames, writing_video

av = pytest.importorskip("av")

IRREGULAR = (0, 40, 80, 1000, 1040, 4000, 4100)  # thousandths of a second


def write(path, scene, ticks, time_base, frames_per_second=25):
    """A video whose frames have these times; with frames that refer to later ones."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", frames_per_second)
        stream.height, stream.width = scene.shape[:2]
        stream.time_base = stream.codec_context.time_base = time_base
        for i, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(np.roll(scene, 5 * i, 1), "rgb24")
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def copied(path, target):
    """Copies a video, frame by frame; returns the times of the frames and of the copies."""
    timing, frames = read_frames(path)
    frames = list(frames)
    with writing_video(target, *timing) as append:
        for image, time in frames:
            append(image, time)
    return [time for _, time in frames], [time for _, time in read_frames(target)[1]]


def test_odd_frames_lose_a_row_and_a_column(scene, tmp_path):
    with writing_video(tmp_path / "odd.mp4", 5) as append:
        append(scene[:39, :59])
    _, frames = read_frames(tmp_path / "odd.mp4")
    assert next(frames)[0].shape == (38, 58, 3)
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(DamagedFile, match=r"notes.txt: not a readable video"):
        read_frames(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4"])
@pytest.mark.parametrize("start", [0, 500])
def test_frames_keep_their_irregular_times(name, start, scene, tmp_path):
    ticks = [start + tick for tick in IRREGULAR]
    write(tmp_path / name, scene, ticks, fractions.Fraction(1, 1000))
    times, found = copied(tmp_path / name, tmp_path / "out.mp4")
    assert times == [fractions.Fraction(tick, 1000) for tick in ticks]
    assert found == times
    with av.open(str(tmp_path / "out.mp4")) as container:  # as long as a player shows it
        assert container.streams.video[0].duration * container.streams.video[0].time_base > 4.1


@pytest.mark.parametrize("rate", [10, fractions.Fraction(30000, 1001)])
def test_a_constant_rate_stays_exact(rate, scene, tmp_path):
    write(tmp_path / "in.mp4", scene, range(9), 1 / fractions.Fraction(rate), rate)
    times, found = copied(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert found == times == [i / fractions.Fraction(rate) for i in range(9)]
    assert read_frames(tmp_path / "out.mp4")[0][0] == rate


def test_a_fine_time_base_becomes_one_that_mp4_can_hold(scene, tmp_path):
    times = [0, fractions.Fraction(1, 25), 14]  # 14 seconds are more than 2^32 nanoseconds
    with writing_video(tmp_path / "out.mp4", 25, fractions.Fraction(1, 10**9)) as append:
        for time in times:
            append(scene, time)
    assert [time for _, time in read_frames(tmp_path / "out.mp4")[1]] == times


def test_frames_without_times_follow_at_the_rate(scene, tmp_path):
    write(tmp_path / "in.h264", scene, range(5), fractions.Fraction(1, 25))
    times, found = copied(tmp_path / "in.h264", tmp_path / "out.mp4")
    assert times == [None] * 5
    assert found == [fractions.Fraction(i, 25) for i in range(5)]


def test_times_rise_though_those_of_the_file_do_not(scene, tmp_path):
    times = [0, fractions.Fraction(1, 10), fractions.Fraction(1, 10), None]
    with writing_video(tmp_path / "out.mp4", 10, fractions.Fraction(1, 1000)) as append:
        for time in times:
            append(scene, time)
    found = [1000 * time for _, time in read_frames(tmp_path / "out.mp4")[1]]
    assert found == [0, 100, 101, 201]
