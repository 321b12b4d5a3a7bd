"""Classes files, against tables that a reader can check by eye."""

import pytest

from dmls_tf.datasets.label_table import Row, label_table, read_label_table
from dmls_tf.errors import UserError


def table_of(tmp_path, text, ignored=(), name="classes.csv"):
    (tmp_path / name).write_text(text)
    return read_label_table(tmp_path / name, ignored)


def test_names_alone_are_numbered(tmp_path):
    table = table_of(tmp_path, "\ufeffsky\n\n# no class\nroad\n")
    assert table.class_names == ("sky", "road")
    assert table.classes == {0: 0, "sky": 0, 1: 1, "road": 1}
    assert table.spec("own").raw_to_class == {0: 0, 1: 1}


def test_colours_of_one_class_and_of_none(tmp_path):
    text = "name,r,g,b\ncar,128,0,128\nroad,64,0,0\ncar,64,0,128\nignore,0,0,0\nglass,,1,2,3,4\n"
    table = table_of(tmp_path, text, ignored=("#ff00FF",))
    assert table.class_names == ("car", "road", "glass")
    assert table.palette == ((128, 0, 128), (64, 0, 0), (1, 2, 3))
    assert table.classes == {
        (128, 0, 128): 0,
        (64, 0, 0): 1,
        (64, 0, 128): 0,
        (0, 0, 0): 255,
        (1, 2, 3, 4): 2,
        (255, 0, 255): 255,
    }
    assert table.spec("own").raw_to_class == {0: 0, 1: 1, 2: 2, 255: 255}


def test_a_column_of_names_may_have_a_header(tmp_path):
    assert table_of(tmp_path, "name\nsky\nroad\n").classes == {0: 0, "sky": 0, 1: 1, "road": 1}


def test_negative_values_and_names_beside_values(tmp_path):
    table = table_of(tmp_path, "sky,-1\nroad,2\ncar,car\nlabel,label\n", ignored=("-9",))
    assert table.classes == {-1: 0, 2: 1, "car": 2, "label": 3, -9: 255}
    assert table.spec("own").raw_to_class == {0: 0, 1: 1, 2: 2, 3: 3, 255: 255}
    assert table_of(tmp_path, '"#1",a\nb,b\n').class_names == ("#1", "b")
    assert table_of(tmp_path, "label,label\nb,b\n").class_names == ("label", "b")


def test_values_of_8_bits_stay_what_submissions_hold(tmp_path):
    table = table_of(tmp_path, "road,7\ncar,26\nbus,28\ncar,27\n", ignored=("255",))
    assert table.spec("own").raw_to_class == {7: 0, 26: 1, 28: 2, 27: 1, 255: 255}
    wide = table_of(tmp_path, "road,7000\ncar,26\n")
    assert wide.classes == {7000: 0, 26: 1}
    assert wide.spec("own").raw_to_class == {0: 0, 1: 1, 255: 255}


def test_a_labelmap_of_cvat_leaves_the_outlines_of_voc_out(tmp_path):
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:64,0,0:head,tail:runs\n"
    table = table_of(tmp_path, text, name="labelmap.txt")
    assert table.class_names == ("background", "cat")
    assert table.classes == {(0, 0, 0): 0, (64, 0, 0): 1, (224, 224, 192): 255}


def test_a_name_can_be_ignored(tmp_path):
    table = table_of(tmp_path, "sky,1\nroad,2\nvoid,3\n", ignored=("void",))
    assert (table.class_names, table.classes) == (
        ("sky", "road"),
        {1: 0, 2: 1, 3: 255, "void": 255},
    )
    with pytest.raises(UserError, match="classes.csv: no row has the name 'viod' of --ignore=viod"):
        table_of(tmp_path, "sky,1\nroad,2\nvoid,3\n", ignored=("viod",))
    labels = table_of(tmp_path, "sky,sky\nroad,road\n", ignored=("a label of no row",))
    assert labels.classes == {"sky": 0, "road": 1, "a label of no row": 255}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 classes, but there must be 2"),
        ("road,1\n", "1 classes, but there must be 2 to 255; the background"),
        ("a,1\nb,1\n", "the value 1 stands for two classes, one is 'b'"),
        ("a,1,2,3\nb,1,2,3\n", "the colour 1,2,3 stands for two classes"),
        ("a,1\nb\n", "'b' has no key"),
        ("a,1\nb,1,2,3\n", "has no key that is a"),
        ("a,1,2\nb,2\n", "line 1: expected NAME"),
        ("a,1,2,300\nb,2\n", "line 1: the channels of a colour are 0 to 255"),
        (",1\nb,2\n", "line 1: a row begins with the name"),
        ("a,x,y,z\nb,1,2,3", "line 1: "),
        ("a;1\nb;2\n", "line 1: the parts of a row are divided by commas"),
        ("a\t1\nb\t2\n", "line 1: the parts of a row are divided by commas"),
        ("a 1 2 3\nb 4 5 6\n", "line 1: the parts of a row are divided by commas"),
        ("id,name\n0,a\n1,b\n", "line 2: a row begins with the name"),
    ],
)
def test_a_table_that_makes_no_sense(text, message, tmp_path):
    with pytest.raises(UserError, match=rf"classes\.csv: .*{message}"):
        table_of(tmp_path, text)


def test_no_table_at_all(tmp_path):
    with pytest.raises(UserError, match="gone.csv: not a readable text file"):
        read_label_table(tmp_path / "gone.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="picture.csv: not a readable text file"):
        read_label_table(tmp_path / "picture.csv")
    with pytest.raises(UserError, match="256 classes"):
        label_table([Row(str(i), (i,), None) for i in range(256)])
