"""Display matrix -> how planes and vectors are turned upright."""

from typing import NamedTuple

import cv2
import numpy as np


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

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what (height, width) becomes; its own inverse."""
        return (width, height) if self.transpose else (height, width)

    @property
    def upright(self) -> bool:
        return not any(self)


UPRIGHT = Orientation()


def orientation(matrix: bytes | memoryview) -> Orientation:
    """What a display matrix asks for; upright where it is no multiple of 90 degrees.

    Args:
        matrix: nine int32 (a b u, c d v, x y w): a pixel (x, y) is shown at
            (a x + c y, b x + d y), apart from the shift.
    """
    if len(matrix) < 36:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(matrix, np.int32, count=5).tolist()
    if a and d and not b and not c:
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    if b and c and not a and not d:
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return UPRIGHT
