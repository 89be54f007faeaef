"""Histograms as inline SVG: drawn by matplotlib, coloured by the page's style sheet for light and dark mode.

Matplotlib is already a dependency and chooses axes and ticks. Plotly or Vega would add megabytes of script to every
report, and Vega needs `eval`. The SVG contains no ids, styles or scripts, so that any number of charts fits into one
page with a strict content security policy.
"""

import io
from collections.abc import Mapping
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clism_core.preparation.statistics import Histogram, quantile

_INK, _GRID = "#000001", "#000002"
_SERIES = ("#000003", "#000004")
_COLOURS = {
    _INK: "var(--muted)",
    _GRID: "var(--line)",
    _SERIES[0]: "var(--source)",
    _SERIES[1]: "var(--target)",
}
"""Placeholder colours of the drawing, and the page's colours that replace them."""
_SHOWN = 0.995
"""Share of the values that a chart shows: a few outliers would compress all others."""
_STEPS = [1, 2, 2.5, 5, 10]
_SIZE = (3.4, 2.2)  # inches
_PRESENTATION = {"fill", "fill-opacity", "opacity", "stroke", "stroke-width", "stroke-opacity", "text-anchor"}
_SVG = "{http://www.w3.org/2000/svg}"


def histogram_svg(histograms: Mapping[str, Histogram], *, x_label: str, y_label: str, description: str) -> Markup:
    """Return one or two histograms with the same bins as an SVG element.

    Args:
        histograms: Histograms by name, drawn in the colours of source and target, as shares of their values.
        x_label: Meaning of a value, with its unit.
        y_label: Items of which the shares are shown.
        description: Text for screen readers.
    """
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    width = next(iter(histograms.values()))["width"]
    bins = 1 + max(quantile(histogram, _SHOWN)[0] // width for histogram in histograms.values())
    first = int(all(histogram["counts"][:1] == [0] for histogram in histograms.values()))  # omit an empty bin 0
    bar = width * 0.84 / len(histograms)
    for place, (colour, histogram) in enumerate(zip(_SERIES, histograms.values(), strict=False)):
        shares = _shares(histogram, bins)
        left = np.arange(bins) * width + (width - 1) / 2 + (place - (len(histograms) - 1) / 2) * bar
        axes.bar(left[first:], shares[first:], width=bar, color=colour, clip_on=False)
    axes.set_xlabel(x_label, color=_INK)
    axes.set_ylabel(y_label, color=_INK)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=_STEPS))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=_STEPS, integer=True))
    axes.tick_params(length=0, labelcolor=_INK)
    axes.grid(axis="y", color=_GRID, linewidth=0.8, clip_on=False)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    return _inline(figure, description)


def _shares(histogram: Histogram, bins: int) -> np.ndarray:
    counts = np.array([*histogram["counts"], *[0] * bins], dtype=float)
    shares: np.ndarray = counts[:bins] / max(counts.sum(), 1)
    return shares


def _inline(figure: Figure, description: str) -> Markup:
    """Return the figure without ids, and with attributes instead of styles, which a page's policy may forbid."""
    drawn = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "clism", "font.size": 9}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(drawn.getvalue())
    for child in list(root):
        if child.tag in (f"{_SVG}metadata", f"{_SVG}defs"):
            root.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib.pop("id", None)
        element.text, element.tail = (element.text or "").strip(), None
        style = dict(part.split(": ", 1) for part in element.attrib.pop("style", "").split("; ") if part)
        for name in _PRESENTATION & style.keys():
            element.set(name, _COLOURS.get(style[name], style[name]))
    view_box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {"viewBox": view_box, "class": "chart", "role": "img", "aria-label": description}
    return Markup(ElementTree.tostring(root, encoding="unicode"))
