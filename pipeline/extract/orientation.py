"""Display matrix -> how planes and vectors are turned upright."""

import math
from fractions import Fraction
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

Side = TypeVar("Side", int, Fraction)


class Orientation(NamedTuple):
    """A turn by a multiple of 90 degrees, or a mirroring: transpose first, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def planes(self, values: np.ndarray) -> np.ndarray:
        """Turn (H, W) or (H, W, C) pixels. The same array if there is nothing to turn."""
        if self.transpose:
            values = cv2.transpose(values)
        if self.flip_x or self.flip_y:
            both = self.flip_x and self.flip_y
            values = cv2.flip(values, -1 if both else int(self.flip_x))
        return values

    def vectors(self, values: np.ndarray) -> np.ndarray:
        """Turn the directions of (..., 2) vectors (right, down), not their places."""
        if self.transpose:
            values = values[..., ::-1]
        signs = np.array(
            [-1 if self.flip_x else 1, -1 if self.flip_y else 1], values.dtype
        )
        return values * signs

    def size(self, height: Side, width: Side) -> tuple[Side, Side]:
        """Height and width of what (height, width) becomes; its own inverse."""
        return (width, height) if self.transpose else (height, width)

    @property
    def upright(self) -> bool:
        return not any(self)


UPRIGHT = Orientation()

TOLERATED_DEGREES = 1.0
"""Tolerance within which an angle counts as a multiple of 90 degrees, as in players: matrices
are rounded, and some phones write what they measure."""


def orientation(matrix: bytes | memoryview) -> Orientation:
    """The orientation that a display matrix asks for; upright if not a multiple of 90 degrees.

    Args:
        matrix: nine int32 (a b u, c d v, x y w): a pixel (x, y) is shown at
            (a x + c y, b x + d y), apart from the shift.
    """
    a, b, c, d = _linear(matrix)
    degrees = rotation(matrix)
    if is_askew(degrees):
        return UPRIGHT
    quarters = round(degrees / 90) % 4
    mirrored = a * d - b * c < 0
    return Orientation(
        transpose=quarters in (1, 3),
        flip_x=quarters in ((2, 3) if mirrored else (1, 2)),
        flip_y=quarters in ((0, 3) if mirrored else (2, 3)),
    )


def rotation(matrix: bytes | memoryview) -> float:
    """Degrees, clockwise, by which a display matrix turns the picture; 0 to below 360.

    Rounded to hundredths. Of a mirrored picture: how the line from left to right turns.
    """
    a, b, _, _ = _linear(matrix)
    return round(math.degrees(math.atan2(b, a)), 2) % 360


def is_askew(degrees: float) -> bool:
    """Whether an angle is no multiple of 90 degrees, so that nothing is turned."""
    return abs(degrees - 90 * round(degrees / 90)) > TOLERATED_DEGREES


def _linear(matrix: bytes | memoryview) -> tuple[int, int, int, int]:
    """a, b, c and d; those of no turn where the matrix is damaged."""
    if len(matrix) < 36:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(matrix, np.int32, count=5).tolist()
    return (a, b, c, d) if a * d - b * c else (1, 0, 0, 1)
