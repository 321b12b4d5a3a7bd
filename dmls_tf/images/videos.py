"""Videos, frame by frame, by PyAV (the extra `video`)."""

import contextlib
import fractions

import numpy as np

from dmls_tf.errors import DamagedFile, UserError
from dmls_tf.files import replacing

DEFAULT_RATE = 24  # frames per second, where a file has none
FINEST_TIME_BASE = fractions.Fraction(1, 90_000)  # MP4 holds times between frames in 32 bits


def read_frames(path):
    """A video's timing, and an iterator over its frames.

    Returns:
        timing: frames per second and the time base, the unit of the frames' times in seconds, as
            `writing_video` takes them.
        frames: yields image and time: uint8 `[H, W, 3]`, upright, and seconds, a `Fraction`; None
            where the file does not say.

    Raises:
        DamagedFile: not a readable video; so does the iterator.
        UserError: PyAV is not installed.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
            return (rate, stream.time_base), _frames(av, path)
    except (av.FFmpegError, IndexError) as error:
        raise DamagedFile(f"{path}: not a readable video") from error


@contextlib.contextmanager
def writing_video(path, frames_per_second, time_base=None):
    """Gives a function `append(image, time=None)` that adds a frame to an H.264 video `path`.

    An image is uint8 `[H, W, 3]`; an odd height or width loses its last row or column: the format
    stores colours two by two. A time is in seconds and is rounded to the time base, by default one
    frame; without a time, a frame follows the one before at the constant rate.
    """
    av = _av()
    unit = max(time_base or 1 / fractions.Fraction(frames_per_second), FINEST_TIME_BASE)
    step, last = max(1, round(1 / (frames_per_second * unit))), None
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        # Without frames that refer to later ones ("bf"): MP4 sums up the times of decoding, which
        # would then be others, and too short where the times are irregular.
        stream = container.add_stream("libx264", frames_per_second, options={"bf": "0"})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = unit

        def append(image, time=None):
            nonlocal last
            if not stream.codec_context.is_open:
                stream.height, stream.width = (side - side % 2 for side in image.shape[:2])
            image = np.ascontiguousarray(image[: stream.height, : stream.width])
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.time_base, frame.pts = unit, _tick(last, time, unit, step)
            last = frame.pts
            container.mux(stream.encode(frame))

        yield append
        container.mux(stream.encode(None))


def _tick(last, time, unit, step):
    """The time of a frame in units: after the last one, a step later where it is None."""
    if last is None:
        return round((time or 0) / unit)
    return last + step if time is None else max(round(time / unit), last + 1)


def _frames(av, path):
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                # The angle, counterclockwise, by which a player turns it.
                image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                yield image, None if frame.pts is None else frame.pts * frame.time_base
    except av.FFmpegError as error:
        raise DamagedFile(f"{path}: damaged video") from error


def _av():
    try:
        import av
    except ImportError as error:
        raise UserError('videos need PyAV: pip install -e ".[video]"') from error
    return av
