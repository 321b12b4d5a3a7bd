import pytest

from dmls_tf.errors import UserError
from dmls_tf.files import paths
from dmls_tf.inference.input_files import find_files


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_of(*patterns, output_dir=None):
    return set(find_files(patterns, output_dir)[0])


def test_files_directories_and_globs(tmp_path):
    touch(tmp_path, "a.jpg", "b.PNG", "c.webp", "d.TIF", "e.jfif", "f.bmp", "ride.mp4", "g/a.jpeg")
    files, notes = find_files([tmp_path])
    assert set(files) == {"a", "b", "c", "d", "e", "f", "ride", "g/a"}
    assert files["g/a"] == tmp_path / "g/a.jpeg"
    assert notes == []
    assert names_of(f"{tmp_path}/*.jpg", tmp_path / "c.webp", tmp_path / "ride.mp4") == {
        *("a", "c", "ride")
    }
    assert names_of(tmp_path / "a.jpg", f"{tmp_path}/*.jpg") == {"a"}
    with pytest.raises(UserError, match="gone: no such file"):
        find_files([tmp_path / "gone"])


def test_other_files_of_a_directory_are_named(tmp_path):
    touch(tmp_path, "a.jpg", "deep/b.txt", "c.csv", "d", "e.txt", ".hidden.png")
    (note,) = find_files([tmp_path])[1]
    line = f"not read: 4 of 5 files in {tmp_path}, neither images nor videos: "
    assert note == line + "c.csv, d, deep/b.txt, ..."
    assert set(find_files([tmp_path / "c.csv"])[0]) == {"c"}  # asked for by name, it is tried
    with pytest.raises(UserError, match="deep: no images or videos; not read: 1 of 1 files in"):
        find_files([tmp_path / "deep"])


def test_links_to_folders_are_followed(tmp_path):
    touch(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "round").symlink_to(tmp_path / "photos")
    assert names_of(tmp_path / "photos") == {"a", "more/b"}


def test_a_directory_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refused(folder, parents):
        raise PermissionError(13, "Permission denied", f"{folder}/closed")

    monkeypatch.setattr(paths, "_files_in", refused)
    with pytest.raises(UserError, match="/closed: Permission denied"):
        find_files([tmp_path])


def test_files_that_share_a_name_keep_their_suffix(tmp_path):
    touch(tmp_path, "IMG_1.JPG", "IMG_1.MOV", "IMG_2.JPG", "x/IMG_1.JPG", "a.png", "a_label.png")
    expected = {"IMG_1.JPG", "IMG_1.MOV", "IMG_2", "x/IMG_1", "a", "a_label"}
    assert names_of(tmp_path) == expected
    one_by_one = sorted(path for path in tmp_path.iterdir() if path.is_file())
    assert names_of(*reversed(one_by_one)) == expected - {"x/IMG_1"}
    with pytest.raises(UserError, match=r"x/IMG_1.JPG and .*IMG_1.JPG: their results would both"):
        find_files([tmp_path / "IMG_1.JPG", tmp_path / "x/IMG_1.JPG"])


def test_frames_of_a_video_and_a_folder_of_its_name(tmp_path):
    touch(tmp_path, "ride.mp4", "ride/000001.jpg")
    assert names_of(tmp_path) == {"ride.mp4", "ride/000001"}


def test_results_are_not_taken_for_images(tmp_path):
    touch(tmp_path, "a.png", "out/a_label.png", "out/ride/000001_label.png")
    files, (note,) = find_files([tmp_path], tmp_path / "out")
    assert set(files) == {"a"}
    line = f"not read: 2 of 3 files in {tmp_path}, in the output directory: "
    assert note == line + "out/a_label.png, out/ride/000001_label.png"
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert names_of(tmp_path, output_dir=tmp_path / "link") == {"a"}
    assert names_of(tmp_path / "out", output_dir=tmp_path) == {"a_label", "ride/000001_label"}
    with pytest.raises(UserError, match="holds the images and cannot be the output directory"):
        find_files([tmp_path], tmp_path / "out" / "..")


def test_results_do_not_replace_images(tmp_path):
    touch(tmp_path, "a.jpg", "b.png", "b_label.png", "legend.png")
    assert names_of(f"{tmp_path}/*.jpg", output_dir=tmp_path) == {"a"}
    for pattern in ("*.png", "b*.png", "legend.png"):
        with pytest.raises(UserError, match="png: a result would replace it"):
            find_files([tmp_path / pattern], tmp_path)


def test_a_text_file_names_images(tmp_path):
    images = [tmp_path / "a" / "x.jpg", tmp_path / "b" / "x.jpg", tmp_path / "b" / "c" / "y.png"]
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in images))
    files, notes = find_files([tmp_path / "list.txt"])
    assert files == dict(zip(("a/x", "b/x", "b/c/y"), images, strict=True))
    assert not notes
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(UserError, match="holds no paths of images"):
        find_files([tmp_path / "list.txt"])
