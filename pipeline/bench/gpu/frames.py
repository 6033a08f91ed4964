"""Frames of a size for speeds and answers."""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.bench.flow import drawn_pairs, real_pairs

from .settings import Settings

DRAWN = 4
"""Pairs of a clip whose frames only have to keep the device busy."""


def frame_pairs(settings: Settings, count: int) -> list[np.ndarray]:
    """(2, H, W) grey frames of real clips, or drawn ones where there are none."""
    if settings.clips_folder is not None:
        pairs = real_pairs(settings.clips_folder, count)
    else:
        pairs = drawn_pairs(count)
    return _resized(pairs, settings.height, settings.width)


def drawn_frames(height: int, width: int) -> np.ndarray:
    """(8, H, W) grey frames."""
    return np.concatenate(_resized(drawn_pairs(DRAWN), height, width))


def _resized(pairs: Sequence[np.ndarray], height: int, width: int) -> list[np.ndarray]:
    if pairs[0].shape[1:] == (height, width):
        return list(pairs)
    size = (width, height)
    return [
        np.stack([cv2.resize(it, size, interpolation=cv2.INTER_AREA) for it in pair])
        for pair in pairs
    ]
