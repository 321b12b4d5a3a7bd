"""Records that another program has written."""

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.datasets import DatasetInfo
from dmls_tf.records.reading import read_split
from tests.helpers import failed, run_here, succeeded


@pytest.mark.slow
def test_a_deeplab_style_file_is_indexed_read_and_trained_on(tmp_path, rng):
    """Written as DeepLab's `build_data.py` does, which knows neither `dataset.json` nor ours."""
    directory = tmp_path / "voc"
    directory.mkdir()
    images = [tf.io.encode_jpeg(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(4)]
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (4, 24, 32))
    with tf.io.TFRecordWriter(str(directory / "train-00000-of-00001.tfrecord")) as writer:
        for i in range(4):
            writer.write(_deeplab_example(f"2007_{i:06d}", images[i], labels[i]))
    names = tmp_path / "names.txt"
    names.write_text("background\naeroplane\nbicycle\nbird\n")
    command = ("data_prep/index_records.py", directory, "--name=voc", f"--class_names={names}")
    done = run_here(*command)
    assert "dataset.json" in succeeded(done)
    assert done.stderr.endswith("warning: train: no pixel is bird\n")
    info = DatasetInfo.load(directory)
    assert info.class_names == ("background", "aeroplane", "bicycle", "bird")
    assert list(info.split("train").class_pixels) == [(labels == c).sum() for c in range(4)]
    for example, image, label in zip(read_split(directory, "train"), images, labels, strict=True):
        np.testing.assert_array_equal(example["image"], tf.io.decode_jpeg(image))
        np.testing.assert_array_equal(example["label"], label)
    small = ("--backbone=vgg16", "--width_multiplier=0.1", "--decoder_channels=16")
    trained = run_here(
        "scripts/train.py",
        *(f"--records_dir={directory}", f"--work_dir={tmp_path / 'run'}", "--val_split=train"),
        *(*small, "--recurrent_steps=1", "--nolevel_set"),
        *("--image_size=32,32", "--epochs=1", "--batch_per_replica=2"),
    )
    assert "model.keras" in succeeded(trained)
    assert "warning: train: no pixel is bird\n" in trained.stderr
    assert "warning: train is learned from and validated on, too\n" in trained.stderr
    verified = run_here("data_prep/verify_records.py", directory)
    assert "all 4 records are sound" in succeeded(verified)
    assert "warning: train: no pixel is bird\n" in verified.stderr
    names.write_text("background\naeroplane\n")
    failed(run_here(*command), "record 0: 2007_000000: label 2 is out of range 0..1")
    failed(run_here(command[0], tmp_path, *command[2:]), "no files named SPLIT-NNNNN")
    (shard,) = directory.glob("train-*")
    shard.rename(directory / "train-00000-of-00002.tfrecord")
    failed(run_here(*command), "1 shards of train, but their names say of 2")
    names.write_text("\n")
    failed(run_here(*command), "names.txt: 0 names, but there are 2 to 255 classes")


def _deeplab_example(name, image, label):
    def text(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def number(value):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    features = {
        "image/encoded": text(image.numpy()),
        "image/filename": text(name.encode()),
        "image/format": text(b"jpg"),
        "image/height": number(label.shape[0]),
        "image/width": number(label.shape[1]),
        "image/channels": number(3),
        "image/segmentation/class/encoded": text(tf.io.encode_png(label[..., None]).numpy()),
        "image/segmentation/class/format": text(b"png"),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
