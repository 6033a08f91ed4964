"""Rows of a shard -> entries of a video, in physical units."""

from collections.abc import Iterator

import numpy as np

from .errors import LayoutError, RangeError
from .h264_rgb import H264Rgb
from .schema import LAYOUT, entry_shape
from .shard_reader import ShardReader
from .videos import StoredVideo

DECODE_ROWS = 64
"""Rows fetched at once: a long range needs no second copy of all its stored bytes."""
Crop = tuple[int, int, int, int]
"""Top, left, height, width, on the array's own grid."""


def decode_entries(
    shard: ShardReader,
    video: StoredVideo,
    modality: str,
    first: int,
    end: int,
    step: int,
    crop: Crop | None,
) -> np.ndarray:
    """Decode every `step`-th of the rows first..end-1 of a shard, all of one video.

    Args:
        crop: as in `Store.read`.

    Returns:
        (entries, ...) with type and unit of the layout.

    Raises:
        RangeError: the crop reaches beyond the entries.
        LayoutError: the rows are damaged, or are not there.
    """
    shape = entry_shape(modality, height=video.height, width=video.width)
    window = (slice(None), slice(None))
    if crop is not None:
        top, left, height, width = crop
        if not (
            0 <= top < top + height <= shape[0] and 0 <= left < left + width <= shape[1]
        ):
            raise RangeError(
                f"{video.id}: {modality}: expected a crop (top, left, height, width) "
                f"within {shape[0]}x{shape[1]}, got {crop}"
            )
        window = (slice(top, top + height), slice(left, left + width))
        shape = (height, width, *shape[2:])
    if end > shard.num_rows:
        raise LayoutError(f"{shard.name}: expected {end} rows, got {shard.num_rows}")
    if isinstance(shard.codec, H264Rgb):
        begin = video.rows[modality].first
        wanted = range(first - begin, end - begin, step)
        size = (video.height, video.width)
        return h264_frames(shard, wanted, begin, size, window)
    count, dtype = len(range(first, end, step)), LAYOUT[modality].dtype
    entries = np.empty((0, *shape), dtype)
    rows_at_once = DECODE_ROWS * step
    decode, filled = shard.codec.decode, 0
    for begin in range(first, end, rows_at_once):
        flat, bounds = shard.stored(begin, min(begin + rows_at_once, end), step)
        for row in range(0, len(bounds) - 1, step):
            stored = flat[bounds[row] : bounds[row + 1]]
            try:
                entry = decode(stored, video.height, video.width, window)
            except LayoutError as error:
                raise LayoutError(f"{shard.name}: row {begin + row}: {error}") from None
            if not filled:  # the size is true: a wrong one would ask for any memory
                entries = np.empty((count, *shape), dtype)
            entries[filled] = entry
            filled += 1
    return entries


def h264_frames(
    shard: ShardReader,
    wanted: range,
    video_first: int,
    size: tuple[int, int],
    window: tuple[slice, slice],
) -> np.ndarray:
    """Decode rows of a shard whose rows are packets, all of one video.

    Args:
        wanted: rows of the video, counted from 0.
        video_first: row of the shard at which the video begins.
        size: its height and width, px.

    Returns:
        (wanted, h, w, 3) uint8.

    Raises:
        LayoutError: the packets are damaged, or are not there.
    """
    codec = shard.codec
    assert isinstance(codec, H264Rgb)
    row = 0

    def rows() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal row
        for run in codec.runs(wanted):
            for begin in range(run.start, run.stop, DECODE_ROWS):
                end = min(begin + DECODE_ROWS, run.stop)
                flat, bounds = shard.stored(video_first + begin, video_first + end)
                for row in range(begin, end):
                    yield row, flat[bounds[row - begin] : bounds[row - begin + 1]]

    try:
        return codec.decode_rows(rows(), wanted, *size, window)
    except LayoutError as error:
        if str(error).startswith(shard.name):
            raise
        raise LayoutError(f"{shard.name}: row {video_first + row}: {error}") from None
