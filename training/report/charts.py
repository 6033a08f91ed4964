"""Curves as charts: of characters for a terminal, as SVG for a page."""

from collections.abc import Sequence

from motion_shards.markup import escape
from motion_shards.plain_text import printable

from .curves import Curve
from .svg import INK, LINE, SERIES, SOFT

MARKS = "abcdefghijklmnopqrstuvwxyz"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


class Scale:
    """Maps values from their range to positions from 0 to 1; a single value to 1/2."""

    def __init__(self, values: Sequence[float]) -> None:
        self.low, self.high = min(values), max(values)

    def __call__(self, value: float) -> float:
        width = self.high - self.low
        return (value - self.low) / width if width > 0 else 0.5


def scales(curves: Sequence[Curve]) -> tuple[Scale, Scale]:
    """Scales of the steps, which begin at 0, and of the values."""
    steps = [0.0, *(float(step) for curve in curves for step in curve.steps)]
    return Scale(steps), Scale([value for curve in curves for value in curve.values])


def text_chart(
    curves: Sequence[Curve],
    marks: Sequence[str],
    *,
    title: str,
    width: int = 76,
    height: int = 10,
) -> str:
    """A chart of characters, at most `width` columns and `height` + 3 lines.

    Where several points fall on one character, the last run's is shown.

    Args:
        marks: a character for each curve.
    """
    across, up = scales(curves)
    left = 10
    columns = max(width - left - 2, 8)
    cells = [[" "] * columns for _ in range(height)]
    for curve, mark in zip(curves, marks, strict=True):
        for step, value in zip(curve.steps, curve.values, strict=True):
            down = height - 1 - round(up(value) * (height - 1))
            cells[down][round(across(step) * (columns - 1))] = mark
    lines = [printable(title)]
    for number, row in enumerate(cells):
        label = {0: up.high, height - 1: up.low}.get(number)
        text = "" if label is None else f"{label:.4g}"
        lines.append(f"{text:>{left}} |{''.join(row)}".rstrip())
    lines.append(" " * left + " +" + "-" * columns)
    last = f"step {across.high:.0f}"
    lines.append(" " * (left + 2) + "0" + last.rjust(columns - 1))
    return "\n".join(lines)


def curves_svg(
    curves: Sequence[Curve],
    colours: Sequence[int],
    *,
    width: int = 560,
    height: int = 240,
) -> str:
    """Lines over the steps, with the range of the values and a legend.

    Args:
        colours: a number for each curve; equal numbers are equal colours.
    """
    across, up = scales(curves)
    left, right, top = 64, 12, 10
    inner, tall = width - left - right, height - 40
    total = height + 18 * len(curves)

    def point(step: float, value: float) -> str:
        x = left + across(step) * inner
        return f"{x:.1f},{top + (1 - up(value)) * tall:.1f}"

    size = f'viewBox="0 0 {width} {total}" width="{width}" height="{total}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>']
    for share in (0.0, 0.5, 1.0):
        value = up.low + share * (up.high - up.low)
        y = top + (1 - share) * tall
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y}" y2="{y}" stroke="{LINE}"/>'
            + _text(left - 6, y + 4, f"{value:.4g}", anchor="end")
        )
    parts.append(_text(left, top + tall + 18, "0"))
    end = f"step {across.high:.0f}"
    parts.append(_text(width - right, top + tall + 18, end, anchor="end"))
    for number, (curve, colour) in enumerate(zip(curves, colours, strict=True)):
        ink = SERIES[colour % len(SERIES)]
        points = " ".join(map(point, curve.steps, curve.values))
        title = f"<title>{escape(curve.run)}</title>"
        if len(curve.steps) == 1:
            cx, cy = points.split(",")
            parts.append(
                f'<circle cx="{cx}" cy="{cy}" r="3" fill="{ink}">{title}</circle>'
            )
        else:
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{ink}"'
                f' stroke-width="1.5">{title}</polyline>'
            )
        y0 = height + 18 * number
        parts.append(f'<rect x="{left}" y="{y0}" width="12" height="12" fill="{ink}"/>')
        parts.append(
            _text(left + 18, y0 + 10, f"{curve.run}: {curve.values[-1]:.4g}", ink=INK)
        )
    return "".join(parts) + "</svg>"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", ink: str = SOFT
) -> str:
    return (
        f'<text {FONT} fill="{ink}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">'
        f"{escape(text)}</text>"
    )
