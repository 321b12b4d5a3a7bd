"""Label files of each kind, against arrays that were drawn or written by Pillow."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from dmls_tf.datasets.label_table import UNLABELLED, Row, label_table
from dmls_tf.errors import UserError
from dmls_tf.images.formats import as_png
from dmls_tf.images.label_files import decode_label, decode_panoptic
from tests.image_files import png_header

IDS = np.array([[0, 1, 1], [3, 0, 3]])
COLORS = np.array([(0, 0, 0), (128, 0, 0), (7, 7, 7), (0, 128, 64)], np.uint8)


def file_of(array, image_format="png", mode=None, **options):
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, image_format, **options)
    return buffer.getvalue()


def keys_of(label):
    """The key at each pixel, as nested lists."""
    return [[label.keys[index] for index in row] for row in label.indices.tolist()]


def with_palette(image_format="png", **options):
    image = Image.fromarray(IDS.astype(np.uint8)).convert("P")
    image.putpalette(COLORS.ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["png", "tiff", "bmp"])
def test_grey_images_hold_values(image_format):
    assert keys_of(decode_label(file_of(IDS.astype(np.uint8), image_format), "a")) == IDS.tolist()


@pytest.mark.parametrize("image_format", ["png", "tiff"])
def test_values_of_16_bits(image_format):
    label = decode_label(file_of((1000 * IDS).astype(np.uint16), image_format), "a")
    assert keys_of(label) == (1000 * IDS).tolist()


def test_values_of_one_bit_are_0_and_1_shown_as_black_and_white():
    label = decode_label(file_of(IDS == 1), "a")
    assert keys_of(label) == (IDS == 1).astype(int).tolist()
    assert label.colors == {0: (0, 0, 0), 1: (255, 255, 255)}


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_palettes_hold_indices_shown_in_colours(bits):
    label = decode_label(with_palette(bits=bits), "a")
    assert keys_of(label) == IDS.tolist()
    assert label.colors == {i: tuple(COLORS[i].tolist()) for i in (0, 1, 3)}


def test_greys_of_less_than_8_bits_are_values_and_not_their_shades():
    """Written by hand: Pillow writes grey images with 1, 8 or 16 bits."""
    import struct
    import zlib

    def chunk(kind, body):
        end = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + end

    header = struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0)  # 4 x 1, 2 bits, grey
    pixels = zlib.compress(bytes([0, 0b00_01_11_10]))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
    label = decode_label(content + chunk(b"IEND", b""), "a")
    assert keys_of(label) == [[0, 1, 3, 2]]
    assert label.colors == {0: (0,) * 3, 1: (85,) * 3, 2: (170,) * 3, 3: (255,) * 3}


def test_colours_with_and_without_transparency():
    colors = COLORS[IDS]
    expected = [[tuple(pixel) for pixel in row] for row in colors.tolist()]
    assert keys_of(decode_label(file_of(colors), "a")) == expected
    alpha = np.concatenate([colors, np.full((2, 3, 1), 255, np.uint8)], -1)
    assert keys_of(decode_label(file_of(alpha), "a")) == expected
    alpha[0, 0, 3] = 9
    expected[0][0] += (9,)
    assert keys_of(decode_label(file_of(alpha), "a")) == expected


@pytest.mark.parametrize(("image_format", "options"), [("jpeg", {}), ("webp", {})])
def test_formats_with_loss_are_refused(image_format, options):
    with pytest.raises(UserError, match=f"a: a label compressed as {image_format.upper()}"):
        decode_label(file_of(COLORS[IDS], image_format, **options), "a")


def test_damaged_files_are_refused():
    content = file_of(IDS.astype(np.uint8))
    damaged = content[:50] + bytes([content[50] ^ 1]) + content[51:]
    for broken in (b"", content[:-20], damaged, b"<html>"):
        with pytest.raises(UserError, match="a: not a readable label image"):
            decode_label(broken, "a")
    with pytest.raises(UserError, match="a: has more than [0-9,]* pixels"):
        decode_label(png_header(20_000, 20_000), "a")


TABLES = {
    "values": [Row("a", (0,), None), Row("b", (1,), None), Row("c", (3,), None)],
    "colours": [
        Row("a", ((0, 0, 0),), None),
        Row("b", ((128, 0, 0),), None),
        Row("c", ((0, 128, 64),), None),
    ],
}
TABLES["both"] = [
    Row(one.name, one.keys + other.keys, None)
    for one, other in zip(TABLES["values"], TABLES["colours"], strict=True)
]


def class_ids(content, table):
    label = decode_label(content, "a")
    found = label.class_ids_by(table, "a")
    return [[found[index] for index in row] for row in label.indices.tolist()]


@pytest.mark.parametrize("name", TABLES)
def test_one_table_reads_values_palettes_and_colours(name):
    table = label_table(TABLES[name])
    expected = np.array([0, 1, 9, 2])[IDS].tolist()
    grey = np.repeat(IDS[..., None], 3, -1).astype(np.uint8)
    files = {
        "palette": with_palette(),
        "values": file_of(IDS.astype(np.uint8)),
        "colours": file_of(COLORS[IDS]),
        "three equal channels": file_of(grey),
    }
    unknown = {
        "values": ["colours"],
        "colours": ["values", "three equal channels"],
        "both": [],
    }
    for kind, content in files.items():
        if kind in unknown[name]:
            assert None in np.ravel(class_ids(content, table))
        else:
            assert class_ids(content, table) == expected, kind


def test_a_palette_that_contradicts_the_table_is_refused():
    """Value 1 is drawn in the colour of c: the palette has an order of its own."""
    image = Image.fromarray(IDS.astype(np.uint8)).convert("P")
    image.putpalette(COLORS[[0, 3, 2, 1]].ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, "png")
    with pytest.raises(UserError, match="the value 1 is shown in the colour of another class"):
        class_ids(buffer.getvalue(), label_table(TABLES["both"]))
    expected = np.array([0, 2, 9, 1])[IDS].tolist()
    assert class_ids(buffer.getvalue(), label_table(TABLES["colours"])) == expected
    assert class_ids(buffer.getvalue(), label_table(TABLES["values"])) == [[0, 1, 1], [2, 0, 2]]


def test_black_in_a_label_of_colours_is_not_the_value_0():
    rows = [Row("a", (0, (128, 64, 128)), None), Row("b", (1, (0, 128, 64)), None)]
    colors = np.array([[(0, 0, 0), (128, 64, 128), (0, 128, 64)]], np.uint8)
    assert class_ids(file_of(colors), label_table(rows)) == [[None, 0, 1]]


@pytest.mark.parametrize("image_format", ["tiff", "bmp", "png"])
def test_one_bit_is_black_and_white_in_every_format(image_format):
    rows = [Row("a", ((0, 0, 0),), None), Row("b", ((255, 255, 255),), None)]
    content = file_of(IDS == 1, image_format)
    assert class_ids(content, label_table(rows)) == (IDS == 1).astype(int).tolist()


def test_several_images_in_a_file_are_refused():
    pages = [Image.fromarray((IDS + i).astype(np.uint8)) for i in range(2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(UserError, match="a: holds 2 images; a label is one"):
        decode_label(buffer.getvalue(), "a")
    with pytest.raises(UserError, match="a: holds 2 images; save them one by one"):
        as_png(buffer.getvalue(), "a")


def test_a_tiff_compressed_as_jpeg_is_refused():
    content = file_of(COLORS[IDS].repeat(8, 0).repeat(8, 1), "tiff", compression="jpeg")
    with pytest.raises(UserError, match="a: a label compressed as TIFF, whose loss"):
        decode_label(content, "a")


def labelme(shapes, size=(6, 8), **more):
    content = {"imageHeight": size[0], "imageWidth": size[1], "shapes": shapes} | more
    return json.dumps(content).encode()


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind} | more


def test_shapes_are_drawn_over_one_another():
    mask = np.array([[1, 0], [1, 1]], np.uint8)  # as LabelMe writes it
    mask = base64.b64encode(file_of(mask)).decode()
    shapes = [
        shape("road", [[0, 3], [7, 3], [7, 5], [0, 5]]),
        shape("car", [[2, 4], [4, 2]], "rectangle"),
        shape("7", [[6, 0], [7, 1]], "mask", mask=mask),
        shape("sun", [[0, 0], [0, 1]], "circle"),
    ]
    names = {UNLABELLED: ".", "road": "r", "car": "c", 7: "7", "sun": "s"}
    drawn = keys_of(decode_label(labelme(shapes), "a.json"))
    assert ["".join(names[key] for key in row) for row in drawn] == [
        "ss....7.",
        "s.....77",
        "..ccc...",
        "rrcccrrr",
        "rrcccrrr",
        "rrrrrrrr",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a readable LabelMe file"),
        (b"[]", "not a readable LabelMe file"),
        (b'{"shapes": []}', "not a readable LabelMe file"),
        (labelme([{}]), "not a readable LabelMe file"),
        (labelme([shape(None, [])]), "not a readable LabelMe file"),
        (labelme([shape("a", [[0, 0], [1, 1]], "line")]), "a line of 'a' is no area"),
        (labelme([shape("a", [[0, 0]], "mask", mask="?")]), "not a readable LabelMe file"),
        (labelme([shape("a", [[0, "x"]])]), "not a readable LabelMe file"),
        (labelme([shape("a", [[0, float("inf")]], "mask", mask="")]), "not a readable Lab"),
        (labelme([], (0, 3)), "imageWidth x imageHeight is 3 x 0"),
        (labelme([], (10**6, 10**6)), "imageWidth x imageHeight is 1000000"),
    ],
)
def test_what_is_no_labelme_file(content, message):
    with pytest.raises(UserError, match=f"a.json: {message}"):
        decode_label(content, "a.json")


def test_panoptic_segments_have_the_names_of_their_categories():
    ids = np.array([[0, 5, 300], [70000, 70000, 5]])
    pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    label = decode_panoptic(file_of(pixels), "a", {5: "cat", 300: "grass", 70000: "cat"})
    assert keys_of(label) == [[UNLABELLED, "cat", "grass"], ["cat", "cat", "cat"]]
    with pytest.raises(UserError, match="a: segment 300 is not in the JSON file"):
        decode_panoptic(file_of(pixels), "a", {5: "cat", 70000: "cat"})
