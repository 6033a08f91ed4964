"""Classes, scores and motion vectors, drawn into a frame."""

from collections.abc import Sequence

import cv2
import numpy as np

from motion_shards.plain_text import printable
from pipeline.extract.x264 import enlargement
from pipeline.store import CELL_PX, motion_colours

from ..answers import Ranked
from .numbers import percent, share

LEAST_SIDE = 240
"""px, of the short side: smaller frames are enlarged, or text could not be read."""
FULL_COLOUR = 1 / 60
"""Length of the vectors with full colour, as a share of the short side."""
LENGTHENED = 4.0
"""Length of an arrow, in lengths of its vector."""
SHORTEST_PX = 4.0
"""Length of the shortest arrow that is drawn."""
SHADE = 0.35
"""Brightness that is left of the picture under text."""
WHITE, BAR, BEST_BAR = (255, 255, 255), (95, 105, 120), (31, 136, 61)
BOLD, REGULAR = 700, 500


class Overlay:
    """Draws into the frames of one video."""

    def __init__(self, *, height: int, width: int) -> None:
        self.times = enlargement(height, width, short_side=LEAST_SIDE)
        """Whole number by which frames are enlarged; mostly 1."""
        self.height, self.width = height * self.times, width * self.times
        """px, of the frames that are drawn."""
        height, width = self.height, self.width
        short = min(height, width)
        self._size = max(9, min(round(min(height, 0.75 * width) / 14), 48))
        """Height of the text, px."""
        self._row = round(1.5 * self._size)
        self._bound_px = FULL_COLOUR * short
        self._cells = max(1, round(short / 16 / (CELL_PX * self.times)))
        """Cells a side that share an arrow."""
        self._font = cv2.FontFace("sans")

    def draw(
        self,
        rgb: np.ndarray,
        best: Sequence[Ranked],
        vectors: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw over a frame: label above, a bar for each class below, arrows of motion.

        Args:
            rgb: (H, W, 3) uint8; may be changed.
            best: the classes, best first, as many as there should be bars.
            vectors: (M, N, 2) float32, px to the right and down since the frame before.

        Returns:
            (height, width, 3) uint8.
        """
        if self.times > 1:
            size = (self.width, self.height)
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
        if vectors is not None:
            self._arrows(rgb, vectors)
        if best:
            self._label(rgb, best[0])
            self._bars(rgb, best)
        return rgb

    def _arrows(self, rgb: np.ndarray, vectors: np.ndarray) -> None:
        """An arrow for each square of cells, of their mean, in the colours of motion."""
        each = self._cells
        rows, columns = (size // each for size in vectors.shape[:2])
        if not rows or not columns:
            return
        squares = vectors[: rows * each, : columns * each] * self.times
        mean = squares.reshape(rows, each, columns, each, 2).mean(axis=(1, 3))
        colours = motion_colours(mean, bound_px=self._bound_px)
        lengths = LENGTHENED * np.hypot(mean[..., 0], mean[..., 1])
        side = each * CELL_PX * self.times
        thickness = max(1, self._size // 14)
        for row, column in np.argwhere(lengths >= SHORTEST_PX):
            middle = np.array([column + 0.5, row + 0.5]) * side
            length = lengths[row, column]
            step = LENGTHENED * mean[row, column] * min(1, 2 * side / length)
            tail, tip = (
                (round(float(x)), round(float(y)))
                for x, y in (middle - step / 2, middle + step / 2)
            )
            colour = tuple(map(int, colours[row, column]))
            for paint, wide in (((0, 0, 0), thickness + 2), (colour, thickness)):
                cv2.arrowedLine(rgb, tail, tip, paint, wide, cv2.LINE_AA, tipLength=0.3)

    def _label(self, rgb: np.ndarray, best: Ranked) -> None:
        _shade(rgb[: round(1.3 * self._row)])
        text = f"{printable(best.label)}  {percent(best.score)}"
        self._write(rgb, text, top=0, high=round(1.3 * self._row), weight=BOLD)

    def _bars(self, rgb: np.ndarray, best: Sequence[Ranked]) -> None:
        height, width = rgb.shape[:2]
        most = max((height - 2 * self._row) // self._row, 1)
        shown = best[:most]
        wide = min(width, max(width // 2, 12 * self._size))
        top = height - len(shown) * self._row
        _shade(rgb[top:, :wide])
        for i, (label, score) in enumerate(shown):
            y = top + i * self._row
            filled = round(wide * share(score))
            rgb[y + 1 : y + self._row - 1, :filled] = BEST_BAR if i == 0 else BAR
            text = f"{percent(score)}  {printable(label)}"
            self._write(rgb[:, :wide], text, top=y, high=self._row, size=0.85)

    def _write(
        self,
        rgb: np.ndarray,
        text: str,
        *,
        top: int,
        high: int,
        weight: int = REGULAR,
        size: float = 1.0,
    ) -> None:
        """Write a line of text into rows `top` to `top + high`; its end is cut to fit."""
        pixels = max(round(size * self._size), 8)
        left = self._size // 2
        room = rgb.shape[1] - 2 * left
        shown = text
        while self._width(shown, pixels, weight) > room and len(text) > 1:
            text = text[:-1]
            shown = text + "…"
        base = top + (high + round(0.7 * pixels)) // 2
        line = np.ascontiguousarray(rgb[top : top + high])
        cv2.putText(line, shown, (left, base - top), WHITE, self._font, pixels, weight)
        rgb[top : top + high] = line

    def _width(self, text: str, pixels: int, weight: int) -> int:
        return cv2.getTextSize((0, 0), text, (0, 0), self._font, pixels, weight)[2]


def _shade(part: np.ndarray) -> None:
    part[:] = (part * SHADE).astype(np.uint8)
