"""Videos, frame by frame, by PyAV (the extra `video`)."""

import contextlib

import numpy as np

from dmls_tf.errors import DamagedFile, UserError
from dmls_tf.files import replacing


def read_frames(path):
    """Frames per second, and an iterator over the frames, upright, uint8 `[H, W, 3]`.

    Raises:
        DamagedFile: not a readable video; so does the iterator.
        UserError: PyAV is not installed.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            return container.streams.video[0].average_rate, _frames(av, path)
    except (av.FFmpegError, IndexError) as error:
        raise DamagedFile(f"{path}: not a readable video") from error


@contextlib.contextmanager
def writing_video(path, frames_per_second):
    """Gives a function that appends a frame, uint8 `[H, W, 3]`, to an H.264 video `path`.

    An odd height or width loses its last row or column: the format stores colours two by two.
    """
    av = _av()
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", frames_per_second)
        stream.pix_fmt = "yuv420p"

        def append(frame):
            if not stream.codec_context.is_open:
                stream.height, stream.width = (side - side % 2 for side in frame.shape[:2])
            frame = np.ascontiguousarray(frame[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))

        yield append
        container.mux(stream.encode(None))


def _frames(av, path):
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                # The angle, counterclockwise, by which a player turns it.
                yield np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    except av.FFmpegError as error:
        raise DamagedFile(f"{path}: damaged video") from error


def _av():
    try:
        import av
    except ImportError as error:
        raise UserError('videos need PyAV: pip install -e ".[video]"') from error
    return av
