"""Sheets of small pictures of one kind as SVG: learning curves, confusion matrices."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from motion_shards.markup import escape

from .svg import FONT, INK, LINE, SERIES, SOFT, label, opening

COLUMNS = 4
WIDTH, HEIGHT = 236, 150
"""Size of a plot with its margins."""
LEFT, TOP, RIGHT, BOTTOM = 40, 24, 12, 20
MOST_POINTS = 60
SIDE, NAMES = 168, 84
"""Side of a matrix, and the width left for the names of its classes."""
LEVELS = 8
"""Different shades of a matrix."""
FEW, SOME = 16, 32
"""Most classes whose names are written, and whose rows say their shares when pointed at."""


class Curve(NamedTuple):
    """One line of a plot."""

    points: Sequence[tuple[float, float]]
    series: int
    """Index of its colour and of its name in the legend."""


class Plot(NamedTuple):
    """Lines over epochs."""

    title: str
    curves: Sequence[Curve]
    range: tuple[float, float] | None = None
    """Lowest and highest value of the axis; None: those of the lines."""


class Matrix(NamedTuple):
    """A confusion matrix."""

    title: str
    counts: np.ndarray
    """(K, K): rows are the true classes."""


def curves_svg(plots: Sequence[Plot], legend: Sequence[str]) -> str:
    """Plots in rows, and what the colours mean above them."""
    rows = -(-len(plots) // COLUMNS)
    parts = [opening(COLUMNS * WIDTH, 26 + rows * HEIGHT)]
    x = 8
    for colour, name in zip(SERIES, legend, strict=False):
        parts.append(f'<rect x="{x}" y="4" width="12" height="12" fill="{colour}"/>')
        parts.append(label(x + 18, 14, name))
        x += 40 + 7 * len(name)
    for i, plot in enumerate(plots):
        row, column = divmod(i, COLUMNS)
        parts.append(
            f'<g transform="translate({column * WIDTH} {26 + row * HEIGHT})">'
            f"{_plot(plot)}</g>"
        )
    return "".join(parts) + "</svg>"


def _plot(plot: Plot) -> str:
    parts = [_small(4, 14, plot.title, INK)]
    values = [y for curve in plot.curves for _, y in curve.points]
    if not values:
        return "".join(parts) + _small(LEFT, HEIGHT / 2, "no values")
    low, high = plot.range or (min(values), max(values))
    last = max(x for curve in plot.curves for x, _ in curve.points)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> str:
        right = LEFT + wide * ((x - 1) / (last - 1) if last > 1 else 0.5)
        down = TOP + tall * (1 - ((y - low) / (high - low) if high > low else 0.5))
        return f"{right:.0f} {down:.1f}"

    for value in (low, high):
        y = TOP + tall * (value == low)
        parts.append(
            f'<path d="M{LEFT} {y}h{wide}" stroke="{LINE}"/>'
            + _small(LEFT - 4, y + 4, f"{value:.3g}", anchor="end")
        )
    parts.append(_small(LEFT, HEIGHT - 6, "1"))
    parts.append(_small(WIDTH - RIGHT, HEIGHT - 6, f"{last:g}", anchor="end"))
    for curve in plot.curves:
        step = -(-len(curve.points) // MOST_POINTS)
        points = [*curve.points[:-1:step], curve.points[-1]]
        path = "L".join(at(x, y) for x, y in points)
        colour = SERIES[curve.series % len(SERIES)]
        dot = "h.1" * (len(points) == 1)  # a single value would not be seen
        parts.append(
            f'<path d="M{path}{dot}" fill="none" stroke="{colour}" stroke-opacity=".7"'
            ' stroke-linecap="round"/>'
        )
    return "".join(parts)


def confusions_svg(
    matrices: Sequence[Matrix], classes: Sequence[str], *, fewest: float
) -> str:
    """Matrices in rows.

    Args:
        classes: names of all rows and columns.
        fewest: least share of a row that is drawn.
    """
    named = len(classes) <= FEW
    wide, tall = SIDE + (NAMES if named else 0) + 16, SIDE + 34
    columns = 4
    rows = -(-len(matrices) // columns)
    parts = [opening(columns * wide, rows * tall)]
    for i, matrix in enumerate(matrices):
        row, column = divmod(i, columns)
        parts.append(f'<g transform="translate({column * wide} {row * tall})">')
        parts.append(_small(4, 14, matrix.title[:40], INK))
        parts.append(_matrix(matrix, classes, NAMES if named else 4, fewest))
        parts.append("</g>")
    return "".join(parts) + "</svg>"


def _matrix(matrix: Matrix, classes: Sequence[str], left: int, fewest: float) -> str:
    number = len(classes)
    cell = SIDE / max(number, 1)
    shares = matrix.counts / np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
    scaled = f'transform="translate({left} 22) scale({cell:.4f})" fill="{SERIES[0]}"'
    whole = f'<path d="M0 0h{number}v{number}h-{number}z" fill-opacity=".06"/>'
    parts = [f"<g {scaled}>{whole}"]
    levels = np.clip(np.ceil(shares * LEVELS), 1, LEVELS) * (shares >= fewest)
    for level in range(1, LEVELS + 1):
        cells = "".join(f"M{j} {i}h1v1h-1z" for i, j in np.argwhere(levels == level))
        if cells:
            parts.append(f'<path d="{cells}" fill-opacity="{level / LEVELS:.3g}"/>')
    for i in range(number) if number <= SOME else ():
        often = [j for j in np.argsort(-shares[i]) if shares[i, j] >= fewest]
        answers = ", ".join(f"{classes[j]} {shares[i, j]:.0%}" for j in often)
        parts.append(
            f'<path d="M0 {i}h{number}v1h-{number}z" fill-opacity="0">'
            f"<title>{escape(f'{classes[i]} called {answers}')}</title></path>"
        )
    parts.append("</g>")
    if number <= FEW:
        parts += [
            _small(left - 4, 22 + (i + 0.7) * cell, name[:14], anchor="end")
            for i, name in enumerate(classes)
        ]
    return "".join(parts)


def _small(
    x: float, y: float, text: str, colour: str = SOFT, *, anchor: str = "start"
) -> str:
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text {FONT} font-size="10" fill="{colour}" x="{x:.0f}" y="{y:.0f}"{where}>'
        f"{escape(text)}</text>"
    )
