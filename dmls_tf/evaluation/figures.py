"""Figures of the report, by matplotlib, as PNG bytes."""

import io

import numpy as np

from dmls_tf.errors import UserError

MAX_NUMBERS = 25  # classes up to which a confusion matrix shows its numbers


def figure_class(purpose="the report"):
    """Matplotlib's `Figure`, which `purpose` needs.

    Raises:
        UserError: it is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(f'{purpose} needs matplotlib: pip install -e ".[viz]"') from error
    return Figure


def curves(panels, xlabel):
    """Line plots side by side.

    Args:
        panels: {title: {name of a line: [(x, y)]}}.
        xlabel: of all.
    """
    figure = figure_class()(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, points in lines.items():
            x, y = zip(*points, strict=True)
            axis.plot(x, y, marker="o", label=name)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(xlabel)
        axis.set_xticks(x)
        axis.grid(alpha=0.4)
        axis.legend(fontsize=8)
    return _png(figure)


def dots(panels):
    """Values of named rows side by side, a dot each, groups in colours.

    Args:
        panels: {title: {row: {group: [values]}}}, the same rows in each.
    """
    rows = list(next(iter(panels.values())))
    height = 1.2 + 0.26 * len(rows)
    figure = figure_class()(figsize=(4 + 3.4 * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for color, marker, group in (("tab:gray", "o", "before"), ("tab:blue", "D", "prediction")):
            points = [
                (value, place)
                for place, line in enumerate(lines.values())
                for value in line.get(group, [])
            ]
            if points:
                axis.scatter(*zip(*points, strict=True), c=color, marker=marker, s=22, label=group)
        axis.set_title(title, fontsize=10)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
        axis.grid(alpha=0.4)
    axes[0].invert_yaxis()
    axes[0].legend(fontsize=8)
    return _png(figure)


def confusion(matrix, class_names):
    """Where the pixels of each true class went, in percent of them: a heat map."""
    matrix = np.asarray(matrix, np.float64)
    shares = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    count = len(class_names)
    side = min(2 + 0.36 * count, 20)
    figure = figure_class()(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    size = 8 if count <= 40 else 4
    axis.set_xticks(range(count), class_names, rotation=90, fontsize=size)
    axis.set_yticks(range(count), class_names, fontsize=size)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    if count <= MAX_NUMBERS:
        for row, column in zip(*np.nonzero(shares >= 0.5), strict=True):
            color = "white" if shares[row, column] > 60 else "black"
            text = f"{shares[row, column]:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=color, fontsize=7)
    figure.colorbar(shown, ax=axis, label="% of the true pixels", shrink=0.6)
    return _png(figure)


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
