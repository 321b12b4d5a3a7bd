import numpy as np

from dmls_tf.images.drawing import colorize, contours, legend, overlay

PALETTE = [(255, 0, 0), (0, 0, 255)]
LABEL = np.array([[0, 0, 1], [0, 0, 255]])


def test_colors_follow_the_palette_and_ignored_pixels_are_black():
    colors = colorize(LABEL, PALETTE)
    assert colors.tolist() == [
        [[255, 0, 0], [255, 0, 0], [0, 0, 255]],
        [[255, 0, 0], [255, 0, 0], [0, 0, 0]],
    ]


def test_overlay_mixes_image_and_colour_and_draws_borders_white():
    image = np.full((2, 3, 3), 100, np.uint8)
    mixed = overlay(image, LABEL, PALETTE, opacity=0.5)
    assert mixed[0, 0].tolist() == [178, 50, 50]
    assert mixed[0, 2].tolist() == [255, 255, 255]


def test_lines_are_wider_in_large_images():
    label = np.zeros((1300, 1300), np.uint8)
    label[:, 650:] = 1
    for stride, columns in ((1, [650, 651, 652]), (3, [217])):
        part = label[::stride, ::stride]
        line = (overlay(np.zeros((*part.shape, 3), np.uint8), part, PALETTE) == 255).all(-1)
        assert np.flatnonzero(line[100]).tolist() == columns


def test_contours_lie_on_the_borders_and_leave_the_rest():
    image = np.full((2, 3, 3), 100, np.uint8)
    drawn = contours(image, LABEL, color=(1, 2, 3))
    border = (drawn == (1, 2, 3)).all(-1)
    assert border.tolist() == [[False, False, True], [False, False, True]]
    assert (drawn[~border] == 100).all()


def test_legend_shows_every_colour():
    picture = np.asarray(legend(["road", "sky"], PALETTE))
    for color in PALETTE:
        assert (picture == color).all(-1).any()
