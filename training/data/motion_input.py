"""Motion in px -> input of a network. The store has motion in px, invalid fields included."""

import math
from typing import Literal

import numpy as np

BOUND_PX = 20.0

Fill = Literal["previous", "zero"]

Scale = Literal["linear", "log"]


def filled_from(valid: np.ndarray, fill: Fill) -> np.ndarray:
    """Positions of the entries that replace each entry of a video's motion vectors.

    An interval is invalid where the later frame is intra-coded, or where its vectors
    may not point to the frame before.

    Args:
        valid: (T-1,) bool, the store's `mv_valid`.
        fill: "previous" repeats the last valid field, "zero" says nothing moves.

    Returns:
        (T-1,) int64: k itself where valid, -1 where zeros replace it.

    Source:
        Zhang et al., "Real-Time Action Recognition With Deeply Transferred Motion
        Vector CNNs", IEEE TIP 2018: intra-coded frames have the previous field.
    """
    entries = np.where(valid, np.arange(len(valid)), -1)
    return np.maximum.accumulate(entries) if fill == "previous" else entries


def motion_input(fields: np.ndarray, *, gain: float) -> np.ndarray:
    """(F, H, W, 2) px -> float32 from -gain to gain; beyond 20 px is 20 px."""
    values = np.clip(fields, -BOUND_PX, BOUND_PX)
    values *= np.float32(gain / BOUND_PX)
    return values


def compressed_input(fields: np.ndarray, *, gain: float) -> np.ndarray:
    """The same with sign(x) log(1 + |x|) / log(1 + 20) for x / 20, x in px: 20 px stay
    `gain`, 1 px is 0.23 of it instead of 0.05."""
    values = np.clip(fields, -BOUND_PX, BOUND_PX)
    factor = np.float32(gain / math.log1p(BOUND_PX))
    return np.copysign(np.log1p(np.abs(values)) * factor, values)
