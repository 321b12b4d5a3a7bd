"""A user's folders, by the command: what labels hold, splits, mistakes, real data."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from dmls_tf.datasets import DatasetInfo
from tests.data_prep.own_folders import (
    COLORS,
    COMMAND,
    SIZE,
    WRITERS,
    converted,
    draw,
    run,
    write_images,
    write_labels,
)
from tests.helpers import ROOT, failed, run_here, succeeded
from tests.records.files import content_of, make_camvid, save

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.mark.parametrize("kind", WRITERS)
def test_the_classes_file_that_is_written_converts(kind, tmp_path, rng):
    labels = draw(rng, ["a", "b", "deep/c"])
    write_images(tmp_path / "images" / "train", labels, rng)
    write_labels(tmp_path / "labels" / "train", labels, kind)
    classes = tmp_path / "records_classes.csv"
    listed = succeeded(run(tmp_path, "--splits=train"))
    assert "what 3 labels hold: 3 of them" in listed
    share = 100 * np.mean([ids == 0 for ids in labels.values()])
    assert f"{share:10.3f}" in listed
    assert f"--classes={classes}" in listed.splitlines()[-1]
    text = classes.read_text()
    assert re.findall(r"^class_\d", text, re.M) == ["class_0", "class_1", "class_2"]
    done = run(tmp_path, "--splits=train", f"--classes={classes}")
    assert "train: 3 images in 1 shards" in succeeded(done)
    # Rows are sorted by values or colours; the colours of this test are not.
    order = {"colours": [2, 0, 1], "colours with alpha": [2, 0, 1]}.get(kind, [0, 1, 2])
    found = converted(tmp_path / "records", "train")
    assert found.keys() == {"a.jpg", "b.jpg", "c.jpg"}
    for name, ids in labels.items():
        np.testing.assert_array_equal(found[f"{name[-1]}.jpg"], np.array(order)[ids])
    again = run(tmp_path, "--splits=train")
    failed(again, "records_classes.csv: already exists; pass --classes=")


def test_masks_of_0_and_255_are_two_classes(tmp_path, rng):
    labels = draw(rng, "ab")
    write_images(tmp_path / "images", labels, rng)
    for name, ids in labels.items():
        save(tmp_path / "labels" / f"{name}.png", 255 * (ids == 1))
    succeeded(run(tmp_path))
    classes = tmp_path / "records_classes.csv"
    assert re.findall(r"^[^#].*", classes.read_text(), re.M) == ["class_0,0", "class_1,255"]
    succeeded(run(tmp_path, f"--classes={classes}", "--val_share=0.5"))
    found = converted(tmp_path / "records", "train+val")
    for name, ids in labels.items():
        np.testing.assert_array_equal(found[f"{name}.jpg"], ids == 1)


def test_the_shapes_of_labelme(tmp_path, rng):
    write_images(tmp_path / "images", "ab", rng)
    for name in "ab":
        shapes = [{"label": "car, red", "points": [[0, 0], [7, 0], [7, 5], [0, 5]]}]
        shapes += [{"label": "road", "points": [[4, 4], [9, 9]], "shape_type": "rectangle"}]
        content = {"imageHeight": SIZE[0], "imageWidth": SIZE[1], "shapes": shapes}
        (tmp_path / "images" / f"{name}.json").write_text(json.dumps(content))
    folders = [f"--{kind}={tmp_path / 'images'}" for kind in ("images", "labels")]
    command = [COMMAND, "--name=own", *folders, f"--output_dir={tmp_path / 'records'}"]
    assert "the label 'car, red'" in succeeded(run_here(*command))
    classes = tmp_path / "records_classes.csv"
    assert "\nignore,_background_\n" in classes.read_text()
    succeeded(run_here(*command, f"--classes={classes}", "--val_share=0.5"))
    expected = np.full(SIZE, 255)
    expected[:6, :8], expected[4:10, 4:10] = 0, 1
    for label in converted(tmp_path / "records", "train+val").values():
        np.testing.assert_array_equal(label, expected)
    unlabelled = run_here(*command, f"--classes={classes}", "--val_share=0.5", "--overwrite")
    assert "% of the pixels are ignored" in unlabelled.stderr


def test_the_panoptic_format_of_coco(tmp_path, rng):
    labels, annotations = draw(rng, "ab"), []
    write_images(tmp_path / "images", labels, rng)
    for name, ids in labels.items():
        segments = np.array([0, 9, 70_000])[ids]
        pixels = np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1)
        save(tmp_path / "panoptic" / f"{name}.png", pixels)
        info = [{"id": 9, "category_id": 5}, {"id": 70_000, "category_id": 3}]
        annotations.append({"file_name": f"{name}.png", "segments_info": info})
    categories = [{"id": 3, "name": "cat"}, {"id": 5, "name": "grass"}]
    content = {"annotations": annotations, "categories": categories}
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    flags = [f"--labels={tmp_path / 'panoptic.json'}", "--val_share=0.5"]
    succeeded(run(tmp_path, *flags))
    classes = tmp_path / "records_classes.csv"
    succeeded(run(tmp_path, *flags, f"--classes={classes}"))
    assert DatasetInfo.load(tmp_path / "records").class_names == ("cat", "grass")
    found = converted(tmp_path / "records", "train+val")
    for name, ids in labels.items():
        np.testing.assert_array_equal(found[f"{name}.jpg"], np.array([255, 1, 0])[ids])
    (tmp_path / "panoptic" / "c.png").touch()
    failed(run(tmp_path, *flags), "c.png: is not in", "panoptic.json")


@pytest.fixture
def own(tmp_path, rng):
    """Ten images of three sequences with labels of values, and a classes file."""
    labels = draw(rng, [f"{sequence}/{sequence}_{i}" for i, sequence in enumerate("aaaabbbbcc")])
    write_images(tmp_path / "images", labels, rng)
    write_labels(tmp_path / "labels", labels, "values")
    (tmp_path / "classes.csv").write_text("road,0\nsky,10\ntree,20\n")
    return f"--classes={tmp_path / 'classes.csv'}"


def splits_of(tmp_path):
    info = DatasetInfo.load(tmp_path / "records")
    return {name: sorted(converted(tmp_path / "records", name)) for name in info.splits}


def test_splits_are_sub_folders_or_stand_in_the_paths(own, tmp_path):
    succeeded(run(tmp_path, own, "--splits=a,c"))
    splits = splits_of(tmp_path)
    assert {name: len(files) for name, files in splits.items()} == {"a": 4, "c": 2}
    (tmp_path / "labels").rename(tmp_path / "masks")
    for sequence in "abc":
        (tmp_path / "masks" / sequence).rename(tmp_path / f"masks_{sequence}")
    paths = (f"--labels={tmp_path}/masks_{{split}}", f"--output_dir={tmp_path / 'others'}")
    succeeded(run(tmp_path, own, "--splits=a,c", *paths))
    ours, theirs = content_of(tmp_path / "records"), content_of(tmp_path / "others")
    assert ours.pop("sources.sha256") != theirs.pop("sources.sha256")
    assert ours == theirs


def test_splits_are_lists(own, tmp_path):
    (tmp_path / "train.txt").write_text("a_0\na/a_1.jpg\n\nb/b_4\n")
    (tmp_path / "test.txt").write_text("\ufeff./c/c_9.jpg\n")
    lists = f"--split_lists={tmp_path / 'train.txt'},{tmp_path / 'test.txt'}"
    (tmp_path / "images" / "a" / "notes.doc").touch()
    done = run(tmp_path, own, lists)
    succeeded(done)
    assert "images: 1 files are not images: a/notes.doc\n" in done.stderr
    assert "warning: 6 images are in no list: a/a_2.jpg, a/a_3.jpg, b/b_5.jpg\n" in done.stderr
    assert splits_of(tmp_path) == {"train": ["a_0.jpg", "a_1.jpg", "b_4.jpg"], "test": ["c_9.jpg"]}
    (tmp_path / "images" / "a" / "notes.doc").unlink()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "train.txt").write_text("b_5\n")
    failed(run(tmp_path, own, f"{lists},{tmp_path / 'more' / 'train.txt'}"), "a second list for")
    failed(run(tmp_path, own, "--split_lists=a+b.txt"), "must be text files like", code=2)
    (tmp_path / "test.txt").write_text("d_9.jpg\n")
    failed(run(tmp_path, own, lists), "test.txt: names d_9.jpg, which is not among the images")
    (tmp_path / "test.txt").write_text("a_0\n")
    failed(run(tmp_path, own, lists), "test.txt: lists ", "a_0.jpg, which ", "train.txt also lists")
    save(tmp_path / "images" / "b" / "a_0.jpg", np.zeros((*SIZE, 3)))
    failed(run(tmp_path, own, lists), "train.txt: a_0 is ambiguous")


def test_a_share_is_drawn_by_the_seed_and_sequences_stay_together(own, tmp_path):
    succeeded(run(tmp_path, own, "--val_share=0.3"))
    first = splits_of(tmp_path)
    assert {name: len(files) for name, files in first.items()} == {"train": 7, "val": 3}
    succeeded(run(tmp_path, own, "--val_share=0.3", "--overwrite"))
    assert splits_of(tmp_path) == first
    succeeded(run(tmp_path, own, "--val_share=0.3", "--overwrite", "--seed=1"))
    assert splits_of(tmp_path) != first
    succeeded(run(tmp_path, own, "--val_share=0.3", "--overwrite", "--group_by=(.)_"))
    grouped = {split: {file[0] for file in files} for split, files in splits_of(tmp_path).items()}
    assert grouped["train"] | grouped["val"] == {*"abc"}
    assert not grouped["train"] & grouped["val"]
    succeeded(run(tmp_path, own, "--val_share=0.1", "--overwrite", "--group_by=(.)_"))
    assert len(splits_of(tmp_path)["val"]) == 2  # no group is as small as asked for
    succeeded(run(tmp_path, own, "--val_share=0.3", "--overwrite", "--group_by=(a)_|b_|c_"))
    failed(run(tmp_path, own, "--splits=a", "--group_by=z"), "--group_by is for --val_share; it")
    failed(run(tmp_path, own, "--val_share=0.3", "--group_by=z"), "--group_by=z finds nothing in a")
    failed(run(tmp_path, own, "--val_share=0.3", "--group_by=_"), "all images are in one group")


def test_images_of_one_name_in_two_folders_have_the_names_of_their_paths(tmp_path, rng):
    labels = draw(rng, ["a/1", "b/1", "b/2"])
    write_images(tmp_path / "images" / "val", labels, rng)
    write_labels(tmp_path / "labels" / "val", labels, "values")
    (tmp_path / "classes.csv").write_text("road,0\nsky,10\ntree,20\n")
    succeeded(run(tmp_path, f"--classes={tmp_path / 'classes.csv'}", "--splits=val"))
    found = converted(tmp_path / "records", "val")
    assert found.keys() == {"a_1.jpg", "b_1.jpg", "b_2.jpg"}
    np.testing.assert_array_equal(found["b_1.jpg"], labels["b/1"])
    save(tmp_path / "images" / "val" / "a_1.jpg", np.zeros((*SIZE, 3)))
    save(tmp_path / "labels" / "val" / "a_1.png", np.zeros(SIZE))
    done = run(tmp_path, f"--classes={tmp_path / 'classes.csv'}", "--splits=val")
    failed(done, "both would be called a_1.jpg; rename one")


def test_what_stands_for_no_class_is_listed_with_its_files(own, tmp_path):
    (tmp_path / "classes.csv").write_text("road,0\nsky,10\n")
    done = run(tmp_path, own, "--val_share=0.3")
    failed(done, "the value 20 (", "% of the pixels, ", " files: a_", "or pass --ignore")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.csv", "images", "labels"]
    done = run(tmp_path, own, "--val_share=0.3", "--ignore=20")
    succeeded(done)
    assert DatasetInfo.load(tmp_path / "records").split("train").ignored_pixels > 0


def test_an_unknown_value_is_listed_even_in_the_colour_of_a_class(tmp_path, rng):
    labels = draw(rng, "ab")
    write_images(tmp_path / "images", labels, rng)
    write_labels(tmp_path / "labels", labels, "palette")
    r, g, b = COLORS[1]
    (tmp_path / "classes.csv").write_text(f"car,0,128,0,0\nroad,2,{r},{g},{b}\n")
    done = run(tmp_path, f"--classes={tmp_path / 'classes.csv'}", "--val_share=0.5")
    failed(done, "labels hold what stands for no class: the value 1 (", "files: a.png, b.png); add")


def test_another_table_is_not_complete_already(own, tmp_path):
    succeeded(run(tmp_path, own, "--splits=a"))
    assert "complete already" in succeeded(run(tmp_path, own, "--splits=a"))
    (tmp_path / "classes.csv").write_text("road,0\nsky,20\ntree,10\n")
    failed(run(tmp_path, own, "--splits=a"), "holds records of other files or settings; pass")


def test_images_of_other_formats_and_turned_ones_are_told(tmp_path, rng):
    labels = draw(rng, "ab")
    write_images(tmp_path / "images", "a", rng, "webp")
    exif = Image.Exif()
    exif[0x0112] = 3
    image = Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8))
    image.save(tmp_path / "images" / "b.jpg", exif=exif)
    write_labels(tmp_path / "labels", labels, "values")
    (tmp_path / "classes.csv").write_text("road,0\nsky,10\ntree,20\n")
    (tmp_path / "all.txt").write_text("a\nb\n")
    flags = (f"--classes={tmp_path / 'classes.csv'}", f"--split_lists={tmp_path / 'all.txt'}")
    done = run(tmp_path, *flags)
    assert "all: 2 images encoded anew, upright and as JPEG or PNG" in succeeded(done)
    assert "warning: all: 1 labels fit their images both as EXIF turns them and" in done.stderr
    np.testing.assert_array_equal(converted(tmp_path / "records", "all")["b.jpg"], labels["b"])
    succeeded(run(tmp_path, *flags, "--label_orientation=stored", "--overwrite"))
    turned = converted(tmp_path / "records", "all")["b.jpg"]
    np.testing.assert_array_equal(turned, labels["b"][::-1, ::-1])


def test_mistakes_of_users(own, tmp_path):
    failed(run(tmp_path, own), "pass one of --splits=train,val, --split_lists=FILES and --val_sh")
    failed(run(tmp_path, own, "--splits=a", "--val_share=0.3"), "pass one of --splits")
    failed(run(tmp_path, own, "--splits=d"), "images/d: no such directory")
    failed(run(tmp_path, "--classes=gone.csv", "--splits=a"), "gone.csv: not a readable text file")
    failed(run(tmp_path, own, "--splits=a", "--ignore=#12"), "--ignore=#12: a colour is #RRGG")
    failed(run(tmp_path, own, "--splits=a", "--ignore=raod"), "no row has the name 'raod'")
    failed(run(tmp_path, "--ignore=road"), "--ignore is for --classes")
    together = f"--labels={tmp_path / 'images'}"
    failed(run(tmp_path, own, together, "--val_share=0.3"), "holds images and labels; pass")
    failed(run(tmp_path, "--val_share=1"), "--val_share=1: must be above 0 and below 1", code=2)
    failed(run(tmp_path, "--group_by=("), "must be a regular expression", code=2)
    failed(run(tmp_path, name="../x"), "must be letters, digits", code=2)
    label = tmp_path / "labels" / "a" / "a_0"
    label.with_suffix(".png").rename(label.with_suffix(".jpg"))
    Image.fromarray(COLORS[np.zeros(SIZE, int)]).save(label.with_suffix(".jpg"), "jpeg")
    failed(run(tmp_path, own, "--splits=a"), "a_0.jpg: a label compressed as JPEG, whose loss")


def test_photographs_are_no_labels(tmp_path, rng):
    for folder in ("images", "labels"):
        save(tmp_path / folder / "a.png", rng.integers(0, 256, (100, 100, 3)))
    failed(run(tmp_path), "a.png: has thousands of colours; it is not a label map")
    save(tmp_path / "labels" / "a.png", rng.integers(0, 256, (20, 20, 3)))
    done = run(tmp_path)
    failed(done, "values or colours, more than there can be classes (255); photographs, or labels")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "labels"]


def test_camvid_by_its_folders_equals_the_converter(tmp_path, rng):
    root = make_camvid(tmp_path / "CamVid", rng, {"train": 3, "val": 1})
    check_camvid(root, tmp_path)


def test_real_camvid_by_its_folders(tmp_path, real_data):
    root = tmp_path / "CamVid"
    for split in ("train", "val"):
        for folder in (split, f"{split}annot"):
            (root / folder).mkdir(parents=True)
            for path in sorted((real_data("camvid") / folder).iterdir())[:8]:
                (root / folder / path.name).symlink_to(path)
    check_camvid(root, tmp_path)


def check_camvid(root, tmp_path):
    from dmls_tf.datasets import CAMVID

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    names = zip(CAMVID.class_names, CAMVID.palette, strict=True)
    rows = [f"{name},{i},{r},{g},{b}" for i, (name, (r, g, b)) in enumerate(names)]
    (tmp_path / "classes.csv").write_text("\n".join(rows))
    splits = "--splits=train,val"
    converter = "data_prep/camvid_to_tfrecord.py"
    succeeded(run_here(converter, f"--data_dir={root}", f"--output_dir={theirs}", splits))
    folders = (f"--images={root}/{{split}}", f"--labels={root}/{{split}}annot", splits)
    classes = (f"--classes={tmp_path / 'classes.csv'}", "--ignore=11")
    done = run_here(COMMAND, "--name=camvid", f"--output_dir={ours}", *folders, *classes)
    succeeded(done)
    found, expected = content_of(ours), content_of(theirs)
    assert found.pop("sources.sha256") != expected.pop("sources.sha256")
    info, other = (json.loads(files.pop("dataset.json")) for files in (found, expected))
    assert found == expected
    assert other["spec"].pop("split_sizes") == {"train": 367, "val": 101, "test": 233}
    info["spec"].pop("split_sizes")
    assert info == other


def test_the_original_colours_of_camvid(tmp_path, rng):
    rows = (ROOT / "configs" / "camvid32.csv").read_text().splitlines()
    rows = [row.split(",") for row in rows if row[0] != "#"][1:]
    assert len(rows) == 32
    ids = np.arange(192).reshape(SIZE) % 32
    colors = np.array([list(map(int, row[1:])) for row in rows], np.uint8)
    save(tmp_path / "images" / "0001TP_1.png", rng.integers(0, 256, (*SIZE, 3)))
    save(tmp_path / "images" / "0006R0_1.png", rng.integers(0, 256, (*SIZE, 3)))
    for name in ("0001TP_1", "0006R0_1"):
        save(tmp_path / "labels" / f"{name}_L.png", colors[ids])
    flags = ("--classes=configs/camvid32.csv", "--label_ending=_L.png", "--val_share=0.2")
    succeeded(run(tmp_path, *flags, "--group_by=^[^_]+"))
    info = DatasetInfo.load(tmp_path / "records")
    names = [row[0] for row in rows if row[0] != "ignore"]
    assert (list(info.class_names), info.split("val").ignored_pixels) == (names, 6)
    expected = [names.index(rows[i][0]) if rows[i][0] != "ignore" else 255 for i in range(32)]
    for label in converted(tmp_path / "records", "train+val").values():
        np.testing.assert_array_equal(label, np.array(expected)[ids])


def test_real_facades(tmp_path, real_data):
    root = tmp_path / "facades"
    for kind in ("images", "labels"):
        (root / kind / "val").mkdir(parents=True)
        for path in sorted((real_data("labelmefacade") / kind / "val").iterdir())[:20]:
            (root / kind / "val" / path.name).symlink_to(path)
    names = ["window", "vegetation", "sky", "building", "car", "road", "door", "pavement"]
    colors = [(0, 0, 128), (0, 128, 0), (0, 128, 128), (128, 0, 0), (128, 0, 128)]
    colors += [(128, 64, 0), (128, 128, 0), (128, 128, 128)]
    rows = [f"{n},{r},{g},{b}" for n, (r, g, b) in zip(names, colors, strict=True)]
    (tmp_path / "classes.csv").write_text("\n".join([*rows, "ignore,0,0,0"]))
    flags = ("--splits=val", f"--classes={tmp_path / 'classes.csv'}")
    folders = (f"--images={root / 'images'}", f"--labels={root / 'labels'}")
    succeeded(run(tmp_path, *folders, *flags, name="facades"))
    counts = np.zeros(9, int)
    for path in (root / "labels" / "val").iterdir():
        pixels = np.asarray(Image.open(path))[..., :3]
        for i, color in enumerate([*colors, (0, 0, 0)]):
            counts[i] += (pixels == color).all(-1).sum()
    split = DatasetInfo.load(tmp_path / "records").split("val")
    assert split.num_images == 20
    assert [*split.class_pixels, split.ignored_pixels] == counts.tolist()
