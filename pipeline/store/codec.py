"""`Codec`: entries in physical units <-> stored rows, one flat array per frame or interval."""

from typing import ClassVar, Protocol

import numpy as np

from .errors import LayoutError
from .json_value import Json

Window = tuple[slice, slice]
"""Rows and columns of one entry's grid."""
WHOLE: Window = (slice(None), slice(None))


class Codec(Protocol):
    """Conversion between entries of one modality and flat rows."""

    name: ClassVar[str]
    modality: ClassVar[str]

    def to_dict(self) -> dict[str, Json]:
        """Name and parameters, as the manifest and each file record them."""

    def encode(self, block: np.ndarray) -> list[np.ndarray]:
        """(F, ...) entries -> F flat rows of uint8.

        Raises:
            LayoutError: the entries are not what the layout says, or not finite.
        """

    def decode(
        self, row: np.ndarray, height: int, width: int, window: Window = WHOLE
    ) -> np.ndarray:
        """One row of a video of this size in px -> its entry, or a window of it.

        Raises:
            LayoutError: the row is damaged, or of another size.
        """

    def clipped(self, block: np.ndarray) -> int:
        """Number of values of these entries beyond the range that can be stored."""


def expect_vectors(modality: str, block: np.ndarray) -> None:
    """Check a block of flow or mv.

    Raises:
        LayoutError: another shape or type, or a value is not finite.
    """
    if block.ndim != 4 or block.shape[3] != 2 or block.dtype != np.float32:
        axes = "(F, M, N, 2)" if modality == "mv" else "(F, H, W, 2)"
        raise LayoutError(
            f"{modality}: expected {axes} float32, got {block.shape} {block.dtype}"
        )
    if not np.isfinite(block).all():
        raise LayoutError(f"{modality}: expected finite values, got NaN or infinity")
