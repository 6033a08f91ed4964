"""Pictures as SVG, drawn with text and rectangles; pixels travel inside as PNG.

They use the page's colours where it has them (`var(--ink, ...)`), so that they suit a
light and a dark page, and stand alone too.
"""

import base64
from collections.abc import Sequence

import numpy as np

from motion_shards.markup import escape
from motion_shards.page_frame import LIGHT
from pipeline.store import encode_png

FONT = 'font-family="system-ui, sans-serif"'
INK, SOFT, LINE = (f"var(--{name}, {LIGHT[name]})" for name in ("ink", "soft", "line"))
SERIES = ("var(--a, #2f6fb5)", "var(--b, #c2571a)", "#6b8e23", "#8e5aa8", "#b58900")


FILTERS_SHOWN, FILTERS_PER_ROW = 32, 8


def confusion_svg(counts: np.ndarray, classes: Sequence[str]) -> str:
    """Rows are the true classes, columns the answers; dark is often.

    Args:
        counts: (K, K).
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    number = len(classes)
    cell = max(5, min(30, 640 // max(number, 1)))
    named = cell >= 12
    left = 12 + 7 * max(map(len, classes), default=0) if named else 12
    size = cell * number
    height = size + (left if named else 12)
    parts = [opening(left + size + 12, height)]
    for i in range(number):
        y = 6 + i * cell
        if named:
            parts.append(label(left - 6, y + cell * 0.7, classes[i], anchor="end"))
            x = left + (i + 0.6) * cell
            parts.append(
                f'<text {FONT} font-size="11" fill="{SOFT}" text-anchor="end"'
                f' transform="translate({x:.1f} {size + 14}) rotate(-60)">'
                f"{escape(classes[i])}</text>"
            )
        for j in range(number):
            share = float(shares[i, j])
            title = f"{classes[i]} called {classes[j]}: {share:.0%}"
            parts.append(
                f'<rect x="{left + j * cell}" y="{y}" width="{cell - 1}"'
                f' height="{cell - 1}" fill="{SERIES[0]}"'
                f' fill-opacity="{0.06 + 0.94 * share:.3f}"><title>{escape(title)}</title>'
                "</rect>"
            )
            if cell >= 24 and share >= 0.005:
                colour = "#fff" if share > 0.55 else INK
                parts.append(
                    f'<text {FONT} font-size="10" fill="{colour}" text-anchor="middle"'
                    f' x="{left + (j + 0.5) * cell:.1f}" y="{y + cell * 0.62:.1f}">'
                    f"{100 * share:.0f}</text>"
                )
    return "".join(parts) + "</svg>"


def bars_svg(
    groups: Sequence[str],
    series: Sequence[tuple[str, Sequence[tuple[float, float, float]]]],
) -> str:
    """Grouped bars with intervals, in percent from 0 to 100.

    Args:
        series: name, and (mean, low, high) of each group, as shares.
    """
    bar, gap, height, left = 26, 26, 220, 44
    wide = len(series) * bar + gap
    parts = [opening(left + wide * len(groups) + 10, height + 44 + 18 * len(series))]
    for percent in range(0, 101, 20):
        y = 10 + height * (1 - percent / 100)
        parts.append(
            f'<line x1="{left}" x2="{left + wide * len(groups)}" y1="{y}" y2="{y}"'
            f' stroke="{LINE}"/>'
        )
        parts.append(label(left - 6, y + 4, f"{percent}", anchor="end"))
    for i, group in enumerate(groups):
        x0 = left + gap / 2 + i * wide
        for j, (name, values) in enumerate(series):
            mean, low, high = values[i]
            if np.isnan(mean):
                continue
            x, y = x0 + j * bar, 10 + height * (1 - mean)
            title = f"{name}, {group}: {mean:.1%} ({low:.1%} to {high:.1%})"
            parts.append(
                f'<rect x="{x + 2:.1f}" y="{y:.1f}" width="{bar - 4}"'
                f' height="{height * mean:.1f}" fill="{SERIES[j % len(SERIES)]}">'
                f"<title>{escape(title)}</title></rect>"
            )
            middle = x + bar / 2
            top, bottom = 10 + height * (1 - high), 10 + height * (1 - low)
            parts.append(
                f'<line x1="{middle}" x2="{middle}" y1="{top:.1f}" y2="{bottom:.1f}"'
                f' stroke="{INK}" stroke-width="1.5"/>'
            )
        middle = x0 + len(series) * bar / 2
        parts.append(label(middle, height + 28, group, anchor="middle"))
    for j, (name, _) in enumerate(series):
        y = height + 44 + 18 * j
        parts.append(
            f'<rect x="{left}" y="{y}" width="12" height="12"'
            f' fill="{SERIES[j % len(SERIES)]}"/>'
        )
        parts.append(label(left + 18, y + 10, name))
    return "".join(parts) + "</svg>"


def pictures_svg(
    columns: Sequence[tuple[str, Sequence[np.ndarray]]], *, scale: int = 1
):
    """Columns of pixel pictures under their titles.

    Args:
        columns: title, and pictures (H, W, 3) uint8.
        scale: pixels on the page of one pixel.
    """
    wide = [max((p.shape[1] for p in c), default=0) * scale for _, c in columns]
    wide = [max(w, 7 * len(title)) for w, (title, _) in zip(wide, columns, strict=True)]
    tall = [sum(p.shape[0] * scale + 10 for p in c) for _, c in columns]
    parts = [opening(sum(wide) + 16 * len(wide), max(tall, default=0) + 30)]
    x = 4
    for (title, pictures), width in zip(columns, wide, strict=True):
        parts.append(label(x, 14, title))
        y = 22
        for picture in pictures:
            height = picture.shape[0] * scale
            parts.append(
                f'<image x="{x}" y="{y}" width="{picture.shape[1] * scale}"'
                f' height="{height}" style="image-rendering:pixelated"'
                f' href="data:image/png;base64,{_base64(encode_png(picture))}"/>'
            )
            y += height + 10
        x += width + 16
    return "".join(parts) + "</svg>"


def filters_picture(weight: np.ndarray) -> np.ndarray:
    """First-layer filters as a sheet of grey tiles, each with its own contrast.

    Args:
        weight: (outputs, h, w): one input plane of every filter.

    Returns:
        (H, W, 3) uint8, zero of a filter is middle grey.
    """
    chosen, columns = weight[:FILTERS_SHOWN], FILTERS_PER_ROW
    count, height, width = chosen.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), 255, np.uint8)
    for i, one in enumerate(chosen):
        strongest = float(np.abs(one).max()) or 1.0
        y, x = divmod(i, columns)
        y, x = y * (height + 1) + 1, x * (width + 1) + 1
        sheet[y : y + height, x : x + width] = np.round(127.5 + 127.5 * one / strongest)
    return np.repeat(sheet[..., None], 3, axis=2)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def opening(width: float, height: float) -> str:
    """The start tag of a picture, in px."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}">'
    )


def label(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    """A line of text."""
    return (
        f'<text {FONT} font-size="12" fill="{SOFT}" text-anchor="{anchor}"'
        f' x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
    )
