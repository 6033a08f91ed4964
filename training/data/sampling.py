"""Which entries make a clip. Integers in, integers out: no video, no tensors.

f = in the clip, . = skipped
length 4, stride 1: ffff          span 4
length 4, stride 3: f..f..f..f    span 10

`available` is T for clips of rgb alone, and T-1 as soon as flow or mv is part of the
sample: entry k is frame k, and the motion of the interval k -> k+1.
"""

import numpy as np


def span(length: int, stride: int = 1) -> int:
    """Entries from the first to the last of a clip, both included."""
    return (length - 1) * stride + 1


def clip_entries(start: int, *, length: int, stride: int, available: int) -> np.ndarray:
    """Entry numbers of one clip. Past the end it goes on at the beginning.

    Returns:
        (length,) int64, all from 0 to `available` - 1.
    """
    return (start + stride * np.arange(length)) % available


def random_start(rng: np.random.Generator, *, available: int, clip_span: int) -> int:
    """Start of one clip for training, every possible one equally likely.

    A video shorter than the clip is looped, so there any entry can be the first.
    """
    last = available - clip_span if available >= clip_span else available - 1
    return int(rng.integers(last + 1))


def even_starts(num_clips: int, *, available: int, clip_span: int) -> np.ndarray:
    """Starts of up to `num_clips` clips spread evenly over a video, each once.

    Returns:
        (<= num_clips,) int64, growing; only 0 where the video is shorter than a clip.
    """
    last = max(available - clip_span, 0)
    even = np.arange(num_clips) * last / max(num_clips - 1, 1) + 0.5
    return np.unique(even.astype(np.int64))


def consecutive_starts(*, available: int, clip_span: int) -> np.ndarray:
    """Starts of clips that follow each other without overlap; what is left over is not used.

    Returns:
        (max(available // clip_span, 1),) int64.
    """
    return np.arange(max(available // clip_span, 1)) * clip_span
