"""Label maps and pictures of photographs and videos, as files of the same size.

    files -> upright photographs -> segment -> label, palette, overlay, confidence

`segment` is a function from a `Photo` to a `Segmentation`, by `local_segmenter` or by
`dmls_tf.client`.
"""

import contextlib
import functools

import numpy as np
from tqdm import tqdm

from dmls_tf.config import PICTURES
from dmls_tf.errors import DamagedFile
from dmls_tf.files import as_path, local_copy, make_directory, make_parent, replacing, writing
from dmls_tf.images.drawing import legend, overlay
from dmls_tf.images.label_maps import png_bytes
from dmls_tf.images.photos import Photo, read_photo
from dmls_tf.images.videos import read_frames, writing_video
from dmls_tf.inference.input_files import is_video
from dmls_tf.inference.parallel import in_order
from dmls_tf.inference.segmenter import make_segmenter


def local_segmenter(model, config):
    """A function from an image, uint8 `[H, W, 3]`, and its name to its `Segmentation`.

    Args:
        model: a `DMLS`.
        config: an `InferenceConfig`.
    """
    output = model.final_output

    def network(images):
        return {output: model(images, training=False)[output]}

    config = config.sized_for(model.metadata)
    segment = make_segmenter(
        network, model.config.num_classes, config, True, model.config.check_size
    )
    return lambda image, name="image": segment(image, name)[output]


def predict_files(segment, files, writer, workers=1):
    """Segments files and writes the pictures; files that cannot be read are left out.

    Args:
        segment: a function from a `Photo` to a `Segmentation`.
        files: {name: path}, see `dmls_tf.inference.input_files`.
        writer: a `PictureWriter`.
        workers: images that are segmented at a time, in threads of their own if several.

    Returns:
        What is wrong with the files that were left out, a line each.

    Raises:
        UserError: a result cannot be written, or `segment` fails.
    """
    faults = []
    videos = {name: path for name, path in files.items() if is_video(path)}
    images = {name: path for name, path in files.items() if name not in videos}

    def predicted(path):
        try:
            photo = read_photo(path)
            return photo.image, segment(photo)
        except DamagedFile as error:
            return error

    with tqdm(total=len(files), unit="file", dynamic_ncols=True) as bar:
        for name, result in zip(images, in_order(predicted, images.values(), workers), strict=True):
            if isinstance(result, DamagedFile):
                faults.append(str(result))
            else:
                writer.write(name, *result)
            bar.update()
        for name, path in videos.items():
            try:
                with local_copy(path) as file:
                    _predict_video(segment, file, name, writer, workers, bar)
            except DamagedFile as error:
                faults.append(str(error))
            bar.update()
    return faults


def _predict_video(segment, path, name, writer, workers, bar):
    """NAME/000001_label.png and so on; the overlays become one video, NAME_overlay.mp4."""
    timing, frames = read_frames(path)

    def predicted(frame):
        image, time = frame
        return time, image, segment(Photo(image, name=str(path)))

    with contextlib.ExitStack() as closing:
        append = None
        if "overlay" in writer.pictures:
            target = writer.path(name, "overlay", ".mp4")
            append = closing.enter_context(writing_video(target, *timing))
        for number, (time, *result) in enumerate(in_order(predicted, frames, workers), 1):
            draw = append and functools.partial(append, time=time)
            writer.write(f"{name}/{number:06d}", *result, draw)
            bar.set_postfix(frame=number)


class PictureWriter:
    """Writes results below a directory, and `legend.png`.

    - `NAME_label.png`: class ids, 8 bits, grey.
    - `NAME_palette.png`: the same ids, with the colours of the classes as palette.
    - `NAME_overlay.png`: the image tinted by class; a line where two classes meet, which is where
      the level-set functions of both are zero.
    - `NAME_confidence.png`: the probability of the class, 0..255 for 0..1, 8 bits, grey.

    Args:
        output_dir: made if need be.
        classes, palette: names and RGB colours.
        pictures: which of `PICTURES`.

    Raises:
        UserError: the directory cannot be written.
    """

    def __init__(self, output_dir, classes, palette, pictures=PICTURES):
        self.output_dir = as_path(output_dir)
        self.palette, self.pictures = [tuple(color) for color in palette], pictures
        make_directory(self.output_dir)
        path = self.output_dir / "legend.png"
        with writing(path), replacing(path) as temporary:
            legend(classes, self.palette).save(temporary)

    def path(self, name, picture, suffix=".png"):
        """Where a picture goes; its directory exists."""
        path = self.output_dir / f"{name}_{picture}{suffix}"
        make_parent(path)
        return path

    def write(self, name, image, segmentation, append=None):
        """Writes the pictures of one image.

        Args:
            name: without suffix, relative to the output directory.
            image: uint8 `[H, W, 3]`.
            segmentation: a `Segmentation`, with confidence.
            append: takes the overlay instead of a file.
        """
        labels = segmentation.labels
        for picture in self.pictures:
            if picture == "overlay":
                drawn = overlay(image, labels, self.palette)
                if append:
                    append(drawn)
                    continue
                content = png_bytes(drawn)
            elif picture == "confidence":
                content = png_bytes(np.round(255 * segmentation.confidence).astype(np.uint8))
            else:
                content = png_bytes(labels, self.palette if picture == "palette" else None)
            path = self.path(name, picture)
            with writing(path), replacing(path) as temporary:
                temporary.write_bytes(content)
