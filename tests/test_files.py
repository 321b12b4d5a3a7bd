from dmls_tf.files import files_in


def test_links_are_followed_and_cycles_end(tmp_path):
    folders = one, other = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
        (folder / f"in_{folder.name}").touch()
    (one / "sibling").symlink_to(other)
    (other / "back").symlink_to(one)
    (other / "itself").symlink_to(other)
    (other / "broken").symlink_to(tmp_path / "gone")
    found = [str(path.relative_to(one)) for path in files_in(one)]
    assert found == ["in_one", "sibling/broken", "sibling/in_other"]
    both = {str(path.relative_to(tmp_path)) for path in files_in(tmp_path)}
    assert {"one/in_one", "other/in_other", "one/sibling/in_other", "other/back/in_one"} <= both


def test_hidden_files_and_those_of_archives_are_left_out(tmp_path):
    for name in ("b/a.jpg", "b.jpg", ".hidden.jpg", ".git/a.jpg", "__MACOSX/b.jpg", "b/._a.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert files_in(tmp_path) == [tmp_path / "b" / "a.jpg", tmp_path / "b.jpg"]
