import numpy as np
import pytest
from PIL import Image

from dmls_tf.datasets import color_wheel
from dmls_tf.errors import UserError
from dmls_tf.inference.animation import evolve_labels, save_evolution, shrink
from docs import chan_vese_picture
from tests.helpers import failed, run_here, succeeded

PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def two_halves(height=40, width=60):
    """An image whose left 30 columns are dark, and a label map that puts the border at 24."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, 30:] = 200
    label = np.full((height, width), 5, np.uint8)
    label[:, 24:] = 9
    return image, label


def test_a_contour_finds_the_edge_of_the_image():
    image, label = two_halves()
    first, *_, last = evolve_labels(image, label, num_frames=6)
    assert (first == label).all()
    assert (last[:, :30] == 5).all()
    assert (last[:, 30:] == 9).all()


@pytest.mark.parametrize(("name", "every"), [("camera", 2), ("coins", 1)])
def test_two_regions_of_a_photograph_are_those_of_scikit_image(name, every):
    photo = chan_vese_picture.photograph(name)[::every, ::every]
    found, expected = chan_vese_picture.ours(photo), chan_vese_picture.theirs(photo)
    assert chan_vese_picture.iou(found, expected) >= 0.9


def test_gif_and_strip_show_the_frames(tmp_path):
    image, label = two_halves()
    labels = list(evolve_labels(image, label, num_frames=6))
    save_evolution(image, labels, PALETTE * 4, tmp_path / "evolution.gif")
    with Image.open(tmp_path / "evolution.gif") as gif:
        assert gif.size == (60, 40)
        assert gif.n_frames > 2  # equal frames in a row are one
    save_evolution(image, labels, PALETTE * 4, tmp_path / "evolution.png")
    with Image.open(tmp_path / "evolution.png") as strip:
        assert strip.size == (5 * 60, 40)


def test_large_images_are_shrunk_and_labels_keep_their_ids():
    image, label = two_halves(400, 600)
    small, small_label = shrink(image, label, 60)
    assert small.shape == (40, 60, 3)
    assert set(np.unique(small_label)) == {5, 9}
    assert shrink(image, label, 600)[0] is image


def test_user_errors(tmp_path):
    image, label = two_halves()
    with pytest.raises(UserError, match="one value only, 5"):
        next(evolve_labels(image, np.full_like(label, 5), 1))
    with pytest.raises(UserError, match="differ in size: 60 x 40 and 60 x 20"):
        shrink(image, label[:20], 60)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "old.gif").mkdir()
    for path, words in (("file/a.gif", "a file is in the way"), ("old.gif", "Is a directory")):
        with pytest.raises(UserError, match=words):
            save_evolution(image, [label, label], color_wheel(256), tmp_path / path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "old.gif"]


@pytest.mark.slow
def test_the_command(tmp_path):
    image, label = two_halves()
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(label).save(tmp_path / "label.png")
    given = [f"--image={tmp_path}/photo.png", f"--label={tmp_path}/label.png"]
    output = tmp_path / "new" / "evolution.gif"
    printed = succeeded(run_here("scripts/evolve.py", *given, f"--output={output}"))
    assert "21 frames" in printed
    assert output.exists()
    wrong = run_here("scripts/evolve.py", *given, f"--output={tmp_path}/evolution.mp4")
    failed(wrong, "--output=", "must be a .gif or .png file", code=2)
