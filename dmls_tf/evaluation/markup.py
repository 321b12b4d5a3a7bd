"""Pieces of an HTML page that needs nothing but itself."""

import base64
import html

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1400px; margin: 2em auto;
       padding: 0 1.5em; }
h1 { font-size: 1.6em; margin-bottom: 0 } h2 { font-size: 1.2em; margin-top: 2em }
.note { color: #666; margin-top: .3em }
table { border-collapse: collapse; margin-bottom: 1em } th { text-align: left; font-weight: 600 }
th, td { padding: .15em .8em .15em 0; border-bottom: 1px solid #e4e4e4 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
tr.marked { background: #fdf5d8; font-weight: 600 }
.bar { background: #eee; width: 260px; height: .8em } .bar div { height: 100% }
.swatch { display: inline-block; width: .8em; height: .8em; border: 1px solid #888;
          margin-right: .4em }
.legend span { display: inline-block; margin-right: 1.2em; white-space: nowrap }
.row { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 6px;
       margin: .3em 0 1em }
.row img { width: 100%; display: block } .figure { max-width: 100% }
"""


class Markup(str):
    """HTML; any other string is text."""


def text(value):
    """HTML of a value: itself if it is `Markup`."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def page(title, *parts):
    """A whole document, with the title as its heading."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{text(title)}</title><style>{STYLE}</style><h1>{text(title)}</h1>"
        f"{_joined(parts)}</html>\n"
    )


def section(title, *parts):
    """A heading and what is below it."""
    return Markup(f"<h2>{text(title)}</h2>{_joined(parts)}")


def note(value):
    """A paragraph in small print."""
    return Markup(f"<p class=note>{text(value)}</p>")


def table(head, rows, marked=None):
    """A table, numbers to the right.

    Args:
        head: titles of the columns.
        rows: sequences of text or `Markup`, the first cell to the left.
        marked: index of the row that stands out.
    """
    lines = ["<tr>" + _joined(f"<th>{text(cell)}</th>" for cell in head) + "</tr>"]
    for index, (first, *others) in enumerate(rows):
        cells = _joined(f"<td class=number>{text(cell)}</td>" for cell in others)
        attributes = " class=marked" if index == marked else ""
        lines.append(f"<tr{attributes}><td>{text(first)}</td>{cells}</tr>")
    return Markup(f"<table>{_joined(lines)}</table>")


def row(*cells):
    """Cells of the same width, side by side."""
    return Markup(f"<div class=row>{_joined(f'<div>{text(cell)}</div>' for cell in cells)}</div>")


def image(png, css_class=""):
    """A PNG, given by its bytes."""
    content = base64.b64encode(png).decode()
    return Markup(f"<img class='{css_class}' alt='' src='data:image/png;base64,{content}'>")


def bar(share, color):
    """A horizontal bar, `share` in 0..1 of its full length."""
    filled = f"width:{100 * share:.1f}%;background:{_css(color)}"
    return Markup(f"<div class=bar><div style='{filled}'></div></div>")


def swatch(color, name):
    """A patch of colour and a name."""
    return Markup(f"<i class=swatch style='background:{_css(color)}'></i>{text(name)}")


def legend(named_colors):
    """Swatches of (name, colour) pairs."""
    swatches = _joined(f"<span>{swatch(color, name)}</span>" for name, color in named_colors)
    return Markup(f"<p class=legend>{swatches}</p>")


def _joined(parts):
    return "".join(parts)


def _css(color):
    return "rgb({},{},{})".format(*color)
