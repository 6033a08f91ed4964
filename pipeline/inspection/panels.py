"""Frame and motion of one interval -> a picture: titled panels over a legend."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.extract.x264 import LONGEST_PX
from pipeline.store import CELL_PX, motion_colours, motion_wheel

PANEL_PX = 300
"""Least width of a panel, so that its title fits; small videos are enlarged."""
HEADING_PX, TITLE_PX, LEGEND_PX, GAP_PX = 24, 26, 96, 6
LEGEND_WIDTH_PX = 500
"""Enough for any numbers: all pictures of a movie are of one size."""
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (150, 150, 150)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Frame k and interval k -> k+1 of a video, in the units of the store."""

    interval: int
    seconds: float
    rgb: np.ndarray | None = None
    flow: np.ndarray | None = None
    mv: np.ndarray | None = None
    mv_valid: bool = True


def draw(moment: Moment, *, bound_px: float | None, heading: str) -> np.ndarray:
    """Titled panels side by side, under a heading and over a legend.

    Args:
        bound_px: length of the vectors with full colour.
        heading: one line; its end is kept where the picture is too narrow for it.

    Returns:
        (rows, columns, 3) uint8 RGB, both even.
    """
    k = moment.interval
    panels = []
    if moment.rgb is not None:
        title = f"rgb: frame {k} ({moment.seconds:.2f} s)"
        panels.append(_panel(title, _shown(moment.rgb)))
    if moment.flow is not None:
        assert bound_px is not None
        colours = motion_colours(moment.flow, bound_px=bound_px)
        panels.append(_panel(f"flow: frame {k} to {k + 1}", _shown(colours)))
    if moment.mv is not None:
        assert bound_px is not None
        title = f"mv: frame {k} to {k + 1}"
        colours = _vector_colours(moment, bound_px)
        if not moment.mv_valid:
            title += ", not valid"
        panels.append(_panel(title, _shown(colours)))
    parts = [_beside(panels)]
    if bound_px is not None:
        parts.append(_legend(moment, bound_px))
    width = max(part.shape[1] for part in parts)
    drawn = np.concatenate(
        [
            _heading(heading, width),
            *(_padded(part, width - part.shape[1]) for part in parts),
        ]
    )
    return _padded(drawn, width % 2, len(drawn) % 2)


def _padded(picture: np.ndarray, right: int, below: int = 0) -> np.ndarray:
    """Add a margin on the right and below, px."""
    wider = ((0, below), (0, right), (0, 0))
    return np.pad(picture, wider, constant_values=PAPER[0])


def _heading(text: str, width: int) -> np.ndarray:
    picture = np.full((HEADING_PX, width, 3), PAPER, np.uint8)
    shown = text
    while len(shown) > 1 and _wide(shown) > width - 2 * GAP_PX:
        text = text[1:]
        shown = f"...{text}"
    _write(picture, shown, (GAP_PX, HEADING_PX - 7))
    return picture


def _vector_colours(moment: Moment, bound_px: float) -> np.ndarray:
    """(H, W, 3): each cell in its colour; hatched where the vectors are not valid."""
    assert moment.mv is not None
    cells = motion_colours(moment.mv, bound_px=bound_px)
    colours = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    for like in (moment.rgb, moment.flow):  # cells of the last row may stick out
        if like is not None:
            colours = colours[: like.shape[0], : like.shape[1]]
    if not moment.mv_valid:
        rows, columns = np.indices(colours.shape[:2])
        colours[(rows + columns) % CELL_PX < 2] = FAINT
    return colours


def _shown(picture: np.ndarray) -> np.ndarray:
    """Enlarged by a whole number where it is narrow: pixels and cells stay sharp."""
    height, width = picture.shape[:2]
    times = max(1, min(round(PANEL_PX / width), LONGEST_PX // height))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _panel(title: str, picture: np.ndarray) -> np.ndarray:
    """The picture, centred under its title."""
    height, width = picture.shape[:2]
    wide = max(width, PANEL_PX)
    panel = np.full((TITLE_PX + height, wide, 3), PAPER, np.uint8)
    left = (wide - width) // 2
    panel[TITLE_PX:, left : left + width] = picture
    corners = (left, TITLE_PX), (left + width - 1, TITLE_PX + height - 1)
    cv2.rectangle(panel, *corners, FAINT)  # white is a colour of motion, too
    _write(panel, title, (left + 2, TITLE_PX - 9))
    return panel


def _beside(panels: list[np.ndarray]) -> np.ndarray:
    """All of one height: they show one grid."""
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, GAP_PX, 3), PAPER, np.uint8)
    parts = [gap]
    for panel in panels:
        parts += [_padded(panel, 0, height - panel.shape[0]), gap]
    return np.concatenate(parts, axis=1)


def _legend(moment: Moment, bound_px: float) -> np.ndarray:
    """The wheel, what its rim means, and what the fields hold in pixels."""
    lines = [f"rim: {bound_px:g} px per frame, longer is darker"]
    for name, field in (("flow", moment.flow), ("mv", moment.mv)):
        if field is None:
            continue
        across, down = np.median(field.reshape(-1, 2), axis=0)
        longest = np.hypot(field[..., 0], field[..., 1]).max()
        median = f"median {across + 0:+.2f} right, {down + 0:+.2f} down"
        lines.append(f"{name}: {median}, longest {longest:.2f} px")
    size = LEGEND_PX - 2 * GAP_PX
    left = size + 4 * GAP_PX
    legend = np.full((LEGEND_PX, LEGEND_WIDTH_PX, 3), PAPER, np.uint8)
    drawn = motion_wheel(size, background=PAPER)
    legend[GAP_PX : GAP_PX + size, GAP_PX : GAP_PX + size] = drawn
    for row, line in enumerate(lines):
        _write(legend, line, (left, 30 + 22 * row))
    return legend


FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45


def _wide(text: str) -> int:
    return cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0]


def _write(picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(picture, text, place, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
