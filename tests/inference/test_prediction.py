"""What comes of photographs and videos, locally and by a served model."""

import shutil
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from dmls_tf.images.videos import read_frames, writing_video
from dmls_tf.inference.input_files import find_files
from dmls_tf.inference.prediction import PictureWriter, predict_files
from dmls_tf.inference.segmentation import Segmentation
from tests.helpers import failed, run_here, succeeded

CLASSES = ["red", "blue", "green"]
PALETTE = [(255, 0, 0), (0, 0, 255), (0, 255, 0)]


def by_colour(photo):
    """The strongest channel as class."""
    shares = photo.image / np.maximum(photo.image.sum(-1, keepdims=True), 1)
    return Segmentation(photo.image.argmax(-1).astype(np.uint8), shares.max(-1).astype(np.float32))


def read(path):
    return np.asarray(Image.open(path))


def test_pictures_of_a_photograph(scene, tmp_path):
    Image.fromarray(scene).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    out = tmp_path / "out"
    writer = PictureWriter(out, CLASSES, PALETTE)
    files, _ = find_files([tmp_path / "a.png", tmp_path / "cut.png"])
    faults = predict_files(by_colour, files, writer)
    assert faults == [f"{tmp_path / 'cut.png'}: a damaged JPEG or PNG image"]
    names = {f"a_{picture}.png" for picture in ("label", "palette", "overlay", "confidence")}
    assert {path.name for path in out.iterdir()} == names | {"legend.png"}
    label = scene.argmax(-1)
    np.testing.assert_array_equal(read(out / "a_label.png"), label)
    coloured = Image.open(out / "a_palette.png")
    np.testing.assert_array_equal(np.asarray(coloured), label)
    np.testing.assert_array_equal(np.asarray(coloured.convert("RGB")), np.array(PALETTE)[label])
    shares = (scene / scene.sum(-1, keepdims=True)).max(-1)
    np.testing.assert_allclose(read(out / "a_confidence.png"), 255 * shares, atol=0.51)
    overlay = read(out / "a_overlay.png")
    border = (overlay == 255).all(-1)
    assert 0 < border.mean() < 0.3
    flat = ~border & (label == 0)
    tinted = 0.5 * scene[flat] + 0.5 * np.array(PALETTE[0])
    np.testing.assert_allclose(overlay[flat], tinted, atol=0.51)


def test_a_photograph_and_a_video_of_one_name(scene, tmp_path):
    pytest.importorskip("av")
    Image.fromarray(scene).save(tmp_path / "IMG_1.WEBP", lossless=True)
    with writing_video(tmp_path / "IMG_1.MOV", 10) as append:
        append(scene)
    files, _ = find_files([tmp_path])
    writer = PictureWriter(tmp_path / "out", CLASSES, PALETTE, ["label", "overlay"])
    assert not predict_files(by_colour, files, writer)
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    photograph = {"IMG_1.WEBP_label.png", "IMG_1.WEBP_overlay.png"}
    video = {"IMG_1.MOV", "IMG_1.MOV/000001_label.png", "IMG_1.MOV_overlay.mp4"}
    assert made == photograph | video | {"legend.png"}
    label = read(tmp_path / "out" / "IMG_1.WEBP_label.png")
    np.testing.assert_array_equal(label, scene.argmax(-1))


def test_a_video_becomes_frames_and_a_video(scene, tmp_path):
    pytest.importorskip("av")
    frames = [np.roll(scene, 5 * i, 1) for i in range(4)]
    with writing_video(tmp_path / "ride.mp4", 10) as append:
        for frame in frames:
            append(frame)
    (rate, _), found = read_frames(tmp_path / "ride.mp4")
    found = [image for image, _ in found]
    assert (rate, len(found)) == (10, 4)
    for frame, other in zip(frames, found, strict=True):
        assert np.abs(frame.astype(int) - other).mean() < 8  # it is compressed
    writer = PictureWriter(tmp_path / "out", CLASSES, PALETTE, ["label", "overlay"])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((tmp_path / "ride.mp4").read_bytes()[:300])
    files, _ = find_files([tmp_path / "ride.mp4", broken])
    assert predict_files(by_colour, files, writer) == [f"{broken}: not a readable video"]
    made = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    labels = {f"ride/{i:06d}_label.png" for i in range(1, 5)}
    assert made == {"ride_overlay.mp4", "legend.png"} | labels
    np.testing.assert_array_equal(read(tmp_path / "out/ride/000003_label.png"), found[2].argmax(-1))
    _, drawn = read_frames(tmp_path / "out/ride_overlay.mp4")
    assert [image.shape for image, _ in drawn] == [(40, 60, 3)] * 4


def test_the_overlays_of_a_video_keep_its_times(scene, tmp_path):
    pytest.importorskip("av")
    times = [Fraction(tick, 1000) for tick in (0, 40, 1000, 4100)]
    with writing_video(tmp_path / "ride.mp4", 25, Fraction(1, 1000)) as append:
        for time in times:
            append(scene, time)
    writer = PictureWriter(tmp_path / "out", CLASSES, PALETTE, ["overlay"])
    assert not predict_files(by_colour, {"ride": tmp_path / "ride.mp4"}, writer, workers=2)
    _, drawn = read_frames(tmp_path / "out/ride_overlay.mp4")
    assert [time for _, time in drawn] == times


@pytest.mark.slow
def test_the_command_takes_networks_exports_and_servers(
    trained, exported, synthetic_records, tmp_path
):
    servers = pytest.importorskip("tests.prediction_servers")
    images = shutil.copytree(synthetic_records / "png" / "val", tmp_path / "images")
    (images / "damaged.jpg").write_text("no image")
    (images / "notes.txt").write_text("no image")
    first = min(images.glob("*.png"))
    Image.open(first).save(images / "other.bmp")
    Image.new("RGB", (2000, 1600)).save(images / "large.png")
    served = servers.served_from(exported)
    with servers.rest_server(served) as rest, servers.grpc_server(served) as grpc:
        sources = {
            "network": [f"--model={trained}"],
            "exported": [f"--model={exported.parent}"],
            "rest": [f"--server={rest}"],
            "grpc": [f"--server={grpc}", "--protocol=grpc"],
        }
        for name, source in sources.items():
            out = f"--output_dir={tmp_path / name}"
            done = run_here("scripts/predict.py", *source, f"--images={images}", out)
            count = 6 if name == "network" else 5
            assert f"wrote pictures of {count} files" in succeeded(done)
            assert f"left out {images}/damaged.jpg: not a readable" in done.stderr
            assert f"not read: 1 of 8 files in {images}, neither images nor videos: notes.txt" in (
                done.stderr
            )
            label = read(tmp_path / name / f"{first.stem}_label.png")
            np.testing.assert_array_equal(read(tmp_path / name / "other_label.png"), label)
            assert ("large.png: 1600 x 2000 pixels" in done.stderr) == (name != "network")
    (tmp_path / "network" / "large_label.png").unlink()
    labels = [path.name for path in (tmp_path / "network").glob("*_label.png")]
    assert len(labels) == 5
    for name in ("exported", "rest", "grpc"):
        assert (
            read(tmp_path / name / "legend.png").shape
            == read(tmp_path / "network" / "legend.png").shape
        )
        for label in labels:
            one, other = (read(tmp_path / which / label) for which in ("network", name))
            np.testing.assert_array_equal(one, other)
    done = run_here("scripts/predict.py", f"--images={images}", f"--output_dir={tmp_path}")
    failed(done, "either --model or --server")
