"""Every signature of an exported model, by TensorFlow's Python loader and in its C++ runtime."""

import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.config import InferenceConfig
from dmls_tf.images.drawing import overlay
from dmls_tf.images.photos import Photo, read_photo
from dmls_tf.inference.prediction import local_segmenter
from dmls_tf.models import load_dmls
from tests import prediction_servers
from tests.image_files import bomb, damaged, encoded, exif, png_header
from tests.serving.bare_runtime import BareRuntime, Failure

pytestmark = pytest.mark.slow
SIZE = (48, 64)
STRICT = ("serving_default", "overlay")


@pytest.fixture(autouse=True)
def _seeded():
    """Nothing here is random, and a new seed makes TensorFlow optimise every signature again."""


@pytest.fixture(scope="module")
def model(trained):
    return load_dmls(trained)


class Local:
    """The network as predict.py runs it."""

    def __init__(self, model):
        self.model = model
        self.segment = local_segmenter(model, InferenceConfig(image_size=SIZE))

    def __call__(self, photo):
        return self.segment(photo.image)

    def lead(self, photo, labels):
        """How far the largest logit of each pixel is above the one of these labels, `[H, W]`."""
        images = tf.image.resize(photo.image[None], SIZE)
        logits = self.model(images, training=False)[self.model.final_output]
        logits = tf.image.resize(logits, labels.shape)[0]
        chosen = tf.gather(logits, tf.cast(labels, tf.int32), batch_dims=2)
        return (tf.reduce_max(logits, -1) - chosen).numpy()


@pytest.fixture(scope="module")
def local(model):
    return Local(model)


@pytest.fixture(scope="module")
def signatures(exported):
    return prediction_servers.load(str(exported)).signatures


@pytest.fixture
def ask(signatures):
    """`ask(signature, value)`: {output: array}."""

    def call(name, value):
        (key,) = signatures[name].structured_input_signature[1]
        outputs = signatures[name](**{key: tf.constant(value)})
        return {key: value.numpy() for key, value in outputs.items()}

    return call


@pytest.fixture(scope="module")
def bare(exported):
    """`bare([(signature, value), ...])`: outputs or a `Failure` for each, by the C++ runtime."""
    with BareRuntime(exported) as runtime:
        yield runtime.ask


def png(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def files(*contents):
    return np.array(contents, object)


@pytest.fixture
def kinds(scene, tmp_path):
    """Photos of every kind of file."""
    image = Image.fromarray(scene)
    see_through = image.copy()
    see_through.putalpha(image.convert("L"))
    contents = {
        "plain.png": encoded(image),
        "turned.jpg": encoded(image, "jpeg", exif=exif(6)),
        "grey.jpg": encoded(image.convert("L"), "jpeg"),
        "palette.png": encoded(image.quantize(32)),
        "alpha.png": encoded(see_through),
        "animated.png": encoded(image, save_all=True, append_images=[image.rotate(180)]),
        "cmyk.jpg": encoded(image.convert("CMYK"), "jpeg"),
        "dot.png": encoded(scene[:1, :1]),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: read_photo(tmp_path / name) for name in contents}


def assert_as_local(answer, index, photo, local):
    """The export labels as the network does.

    TensorFlow optimises their graphs differently, which changes rounding: a tie may go either way.
    """
    expected, mask = local(photo), png(answer["mask_png_bytes"][index])
    if (differs := mask != expected.labels).any():
        assert local.lead(photo, mask)[differs].max() < 1e-4
    assert (answer["height"][index], answer["width"][index]) == expected.labels.shape
    if "confidence_png_bytes" in answer:
        grey = png(answer["confidence_png_bytes"][index])
        np.testing.assert_allclose(grey, 255 * expected.confidence, atol=0.501)


def test_files_of_every_kind_are_labelled_as_locally(ask, local, kinds):
    photos = list(kinds.values())
    for some in (photos[:4], photos[4:]):
        contents = files(*(photo.content for photo in some))
        default, masks = ask("serving_default", contents), ask("masks", contents)
        assert default["labels"].shape == default["confidence"].shape == (4, *SIZE)
        assert set(masks["error"]) == {b""}
        for index, photo in enumerate(some):
            assert_as_local(default, index, photo, local)
            assert_as_local(masks, index, photo, local)


def test_arrays_are_those_of_the_network(ask, model, scene):
    resized = tf.image.resize(tf.cast(scene, tf.float32)[None], SIZE)
    logits = model(resized, training=False)[model.final_output]
    answer = ask("serving_default", files(encoded(scene)))
    np.testing.assert_array_equal(answer["labels"], tf.argmax(logits, -1))
    expected = tf.reduce_max(tf.nn.softmax(logits), -1)
    np.testing.assert_allclose(answer["confidence"], expected, atol=1e-5)


def test_pixels_come_as_floats_or_bytes_of_any_size(ask, model, scene):
    images = np.stack([scene, scene[:, ::-1]])[:, :35]
    logits = model(images.astype(np.float32), training=False)[model.final_output]
    for name, value in (("tensors", images.astype(np.float32)), ("tensors_uint8", images)):
        answer = ask(name, value)
        np.testing.assert_allclose(answer["logits"], logits, atol=1e-4)
        assert (answer["labels"] == np.argmax(logits, -1)).mean() > 0.999
        assert answer["labels"].dtype == np.int32


def test_images_may_be_small_or_narrow(bare):
    sizes = [(32, 32), (32, 384), (33, 47), (101, 37)]
    answers = bare([("tensors_uint8", np.full((1, *size, 3), 9, np.uint8)) for size in sizes])
    for size, answer in zip(sizes, answers, strict=True):
        assert answer["labels"].shape == (1, *size)
        assert np.isfinite(answer["logits"]).all()


def test_overlays_are_those_of_predict(ask, local, model, scene):
    large = np.kron(scene, np.ones((31, 31, 1), np.uint8))  # with lines of three pixels
    for image in (scene, large):
        drawn = ask("overlay", files(encoded(image)))["overlay_png_bytes"][0]
        masks = ask("masks", files(encoded(image)))
        assert_as_local(masks, 0, Photo(image), local)
        labels = png(masks["mask_png_bytes"][0])
        expected = overlay(image, labels, model.metadata["palette"])
        np.testing.assert_array_equal(png(drawn), expected)


def test_the_model_tells_of_itself(ask, model):
    answer = ask("about", files(b"palette", b"classes"))["json"]
    assert [json.loads(one) for one in answer] == [
        [list(color) for color in model.metadata["palette"]],
        model.metadata["classes"],
    ]


def test_a_bad_file_is_named_and_the_good_ones_can_be_had(ask, local, scene):
    good = encoded(scene)
    contents = files(good, b"", good[:90], good)
    for name in STRICT:
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            ask(name, contents)
        assert "[image_bytes[1]: an empty file; image_bytes[2]: a damaged" in str(error.value)
    answer = ask("masks", contents)
    assert [bool(error) for error in answer["error"]] == [False, True, True, False]
    assert list(answer["height"]) == [40, 0, 0, 40]
    assert answer["mask_png_bytes"][1] == answer["confidence_png_bytes"][2] == b""
    for index in (0, 3):
        assert_as_local(answer, index, Photo(scene), local)


def faulty_requests(scene):
    """[(signature, value, words of the answer)]."""
    good, large = encoded(scene), bomb(2000, 1501)
    faults = [
        ("about", files(b"classes", b"colours"), "fields of the model card are .*classes, palette"),
        ("tensors", np.full((1, 32, 32, 3), np.nan, np.float32), "0..255"),
        ("tensors", np.full((1, 32, 32, 3), 256, np.float32), "0..255"),
        ("tensors", np.zeros((1, 0, 64, 3), np.float32), "at least 32 .* 1 x 0 x 64 x 3"),
        ("tensors", np.zeros((0, 64, 64, 3), np.float32), "at least 32 .* 0 x 64 x 64 x 3"),
        ("tensors_uint8", np.zeros((1, 64, 31, 3), np.uint8), "at least 32 .* 1 x 64 x 31 x 3"),
        ("tensors_uint8", np.zeros((4, 48, 65, 3), np.uint8), "at most 12288 in all"),
        (
            "tensors_uint8",
            np.zeros((1, 8, 8, 4), np.uint8),
            r"Shape .*\[1,8,8,4\] is not compatible",
        ),
        ("tensors_uint8", np.zeros((8, 8, 3), np.uint8), r"Shape .*\[8,8,3\] is not compatible"),
        ("tensors", np.zeros((3,), np.float32), r"Shape .*\[3\] is not compatible"),
        ("tensors", np.zeros((1, 8, 8, 3), np.uint8), "float but uint8 is provided"),
        ("masks", np.array(good, object), r"Shape .*\[\] is not compatible"),
        ("about", files(files(b"classes"), files(b"classes")), "Shape .* not compatible"),
    ]
    for name in STRICT:
        faults += [
            (name, files(large), r"image_bytes\[0\]: 1501 x 2000 pixels, more than 3000000"),
            (name, files(png_header(90_000, 90_000)), "90000 x 90000 pixels, more than"),
            (name, files(encoded(scene, "gif")), "not a readable JPEG or PNG"),
        ]
    for name in (*STRICT, "masks"):
        faults += [
            (name, files(*[good] * 5), "1 to 4 images, this one 5"),
            (name, files(), "1 to 4 images, this one 0"),
        ]
    return faults


def test_the_runtime_alone_answers_as_pythons_does(ask, bare, scene):
    value = scene[None].astype(np.float32)
    content = files(encoded(scene), encoded(scene, "jpeg", exif=exif(8)))
    requests = [(name, content) for name in ("serving_default", "masks", "overlay")]
    requests += [("tensors", value), ("tensors_uint8", scene[None]), ("about", files(b"classes"))]
    for (name, value), answer in zip(requests, bare(requests), strict=True):
        expected = ask(name, value)
        assert set(answer) == set(expected)
        for key in expected:
            np.testing.assert_array_equal(answer[key], expected[key])


def damaged_pixels(rng):
    """Pixels of another rank, size, type or value than the signature `tensors` takes."""
    shape = [1, 40, 40, 3]
    kind = rng.integers(4)
    if kind == 0:
        return np.zeros(rng.integers(0, 5, rng.choice([0, 1, 2, 3, 5, 6])), np.float32)
    if kind == 1:
        axis = rng.integers(4)
        shape[axis] = rng.choice([(0, 90), (0, 31), (0, 4000), (0, 4)][axis])
        return np.zeros(shape, np.float32)
    if kind == 2:
        return np.zeros(shape, rng.choice([np.int32, np.float64]))
    pixels = np.zeros(shape, np.float32)
    pixels[tuple(rng.integers(shape))] = rng.choice([np.nan, np.inf, -np.inf, -1, 256, 1e30])
    return pixels


def test_faulty_and_damaged_requests_are_invalid_arguments(bare, scene):
    """500 damaged inputs through every signature, in one process that goes on."""
    rng = np.random.default_rng(7)
    bad = [damaged(rng, scene) for _ in range(500)]
    faults = faulty_requests(scene)
    fuzz = [(name, files(file), r"image_bytes\[0\]: ") for file in bad for name in STRICT]
    fuzz += [("tensors", damaged_pixels(rng), "images|Shape|Expects") for _ in range(500)]
    fuzz += [("tensors_uint8", damaged_pixels(rng), "images|Shape|Expects") for _ in range(500)]
    fuzz += [("about", files(rng.bytes(rng.integers(99))), "the fields of") for _ in range(500)]
    tolerant = [("masks", files(*bad[start : start + 4])) for start in range(0, 500, 4)]
    tolerant.append(("masks", files(encoded(scene))))
    answers = bare([fault[:2] for fault in faults + fuzz] + tolerant)
    *told, last = answers[-len(tolerant) :]
    assert all(error for answer in told for error in answer["error"])
    assert last["error"][0] == b""
    for (name, value, words), answer in zip(faults + fuzz, answers, strict=False):
        assert isinstance(answer, Failure), (name, value)
        assert answer.code == tf.errors.INVALID_ARGUMENT, answer
        assert re.search(words, answer.message), answer.message


def test_real_photographs_of_many_sizes(real_data, ask, bare, local, tmp_path):
    """20 photographs: the network, the export in Python and the export in C++ label alike.

    The two runtimes do so bit by bit.
    """
    found = {
        "camvid": sorted(real_data("camvid").rglob("val/*.jpg"))[:9],
        "cityscapes": sorted(real_data("cityscapes_sample").rglob("*leftImg8bit.png"))[:4],
        "ade20k": sorted(real_data("ade20k_sample").rglob("images/*/*.jpg"))[:3],
        "mapillary": sorted(real_data("mapillary_layout").rglob("images/*.jpg"))[:4],
    }
    for number, path in enumerate(found["camvid"]):
        image = Image.open(path)
        size = image.width - 37 * number, image.height - 31 * number
        image.resize(size).save(tmp_path / f"{number}.jpg", quality=92)
    found["camvid"] = sorted(tmp_path.glob("*.jpg"))
    photos = [read_photo(path) for paths in found.values() for path in paths]
    assert len(photos) == 20
    answers = bare([("masks", files(photo.content)) for photo in photos])
    for photo, answer in zip(photos, answers, strict=True):
        assert_as_local(answer, 0, photo, local)
        for key, value in ask("masks", files(photo.content)).items():
            np.testing.assert_array_equal(answer[key], value)
