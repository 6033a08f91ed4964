"""Choice of the entries of a clip. Integers in, integers out: no video, no tensors.

f = in the clip, . = skipped
length 4, stride 1: ffff          span 4
length 4, stride 3: f..f..f..f    span 10

`available` is T for clips of rgb alone, and T-1 as soon as flow or mv is part of the
sample: entry k is frame k, and the motion of the interval k -> k+1.
"""

from typing import Literal

import numpy as np

Short = Literal["loop", "hold"]
"""Padding of a video that is shorter than a clip: it begins again (clips of 3D
networks), or its last entry is repeated (stacks of 2D networks)."""


def span(length: int, stride: int = 1) -> int:
    """Entries from the first to the last of a clip, both included."""
    return (length - 1) * stride + 1


def clip_entries(
    start: int, *, length: int, stride: int, available: int, short: Short = "loop"
) -> np.ndarray:
    """Entry numbers of one clip, which goes on past the end as `short` says.

    Returns:
        (length,) int64, all from 0 to `available` - 1.
    """
    entries = start + stride * np.arange(length)
    if short == "hold":
        return np.minimum(entries, available - 1)
    return entries % available


def random_start(
    rng: np.random.Generator, *, available: int, clip_span: int, short: Short = "loop"
) -> int:
    """Start of one clip for training, every possible one equally likely.

    In a video shorter than the clip that is any entry where it is looped, and the
    first where its last entry stays.
    """
    last = available - clip_span
    if last < 0:
        last = available - 1 if short == "loop" else 0
    return int(rng.integers(last + 1))


def even_starts(num_clips: int, *, available: int, clip_span: int) -> np.ndarray:
    """Starts of clips spread evenly over a video: floor(i (F - span) / (n - 1) + 1/2).

    A video too short for `num_clips` different clips has some of them several times.

    Returns:
        (num_clips,) int64, growing; 0 where the video is shorter than a clip.

    Source:
        Simonyan & Zisserman, "Two-stream convolutional networks for action recognition
        in videos", NIPS 2014: 25 snippets with equal spacing.
    """
    last, steps = max(available - clip_span, 0), max(num_clips - 1, 1)
    return (2 * last * np.arange(num_clips) + steps) // (2 * steps)


def consecutive_starts(*, available: int, clip_span: int) -> np.ndarray:
    """Starts of consecutive clips without overlap; the remaining entries are not used.

    Returns:
        (max(available // clip_span, 1),) int64.
    """
    return np.arange(max(available // clip_span, 1)) * clip_span


def window_count(length: int, entries: int) -> int:
    """Windows of `entries` entries that cover a clip of `length`, no more than needed.

    >>> window_count(16, 10)
    2
    """
    return -(-length // entries)
