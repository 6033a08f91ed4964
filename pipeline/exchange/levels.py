"""Flow in px <-> the 8-bit levels of other programs: linear between two bounds.

Source:
    dense_flow, the extraction tool of Wang et al., "Temporal Segment Networks", ECCV
    2016, arXiv:1608.00859, and denseflow, its successor: `round(255 (v + b) / (2 b))`.
    Crasto et al., "MARS", CVPR 2019, and its extract_frames_flows.py: the same without
    rounding, so that a level means the values from its own up to the next one.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A linear curve from -bound (0) to +bound (255). No level is exactly zero."""

    bound_px: float = 20.0
    floor: bool = False
    """Whether values are truncated to the level below, not rounded to the nearest."""

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Values in px, any shape -> uint8; those beyond the bound are clipped."""
        share = (values.astype(np.float32) + self.bound_px) * (
            255 / (2 * self.bound_px)
        )
        np.clip(share, 0, 255, out=share)
        if not self.floor:
            np.rint(share, out=share)  # half to even, as OpenCV's cvRound
        return share.astype(np.uint8)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """uint8 levels, any shape -> float32 px, in the middle of what a level stands for."""
        return self._table()[levels]

    @property
    def max_error_px(self) -> float:
        """Largest error of a value within the bound, before JPEG."""
        return self.bound_px / 255

    def _table(self) -> np.ndarray:
        middle = np.arange(256) + (0.5 if self.floor else 0.0)
        values = middle * (2 * self.bound_px / 255) - self.bound_px
        return np.minimum(values, self.bound_px).astype(np.float32)
