"""Rows of a shard -> entries of a video, in physical units."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .codec import WHOLE, Window
from .errors import LayoutError, RangeError
from .h264_rgb import H264Rgb
from .jpeg_codecs import JpegFlow
from .quarter_pel import QuarterPel
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
    shape, window = cropped(modality, video, crop)
    if isinstance(shard.codec, H264Rgb):
        _expect_rows(shard, end)
        begin = video.rows[modality].first
        wanted = range(first - begin, end - begin, step)
        size = (video.height, video.width)
        return h264_frames(shard, wanted, begin, size, window)
    dtype = np.dtype(LAYOUT[modality].dtype)
    decode = shard.codec.decode
    return _decoded(shard, video, first, end, step, window, decode, shape, dtype)


class Levels(NamedTuple):
    """Motion as it is stored, before it becomes px."""

    values: np.ndarray
    """(F, 2, h, w): u and v as uint8 levels of flow, or (F, 2, M, N): int16 of mv."""
    px: np.ndarray
    """float32: the value of each level of flow, (256,); of one level of mv, (1,)."""


def decode_levels(
    shard: ShardReader,
    video: StoredVideo,
    modality: str,
    first: int,
    end: int,
    step: int,
    crop: Crop | None,
) -> Levels:
    """`decode_entries` of motion without its last step, the conversion to px."""
    codec = shard.codec
    assert isinstance(codec, JpegFlow | QuarterPel)
    shape, window = cropped(modality, video, crop)
    dtype = np.dtype(np.uint8 if modality == "flow" else np.int16)
    shape = (shape[2], *shape[:2])
    values = _decoded(
        shard, video, first, end, step, window, codec.decode_levels, shape, dtype
    )
    return Levels(values, codec.level_px)


def cropped(
    modality: str, video: StoredVideo, crop: Crop | None
) -> tuple[tuple[int, ...], Window]:
    """Shape of an entry, and the rows and columns of it that a crop takes.

    Raises:
        RangeError: the crop reaches beyond the entries.
    """
    shape = entry_shape(modality, height=video.height, width=video.width)
    window = WHOLE
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
    return shape, window


def _expect_rows(shard: ShardReader, end: int) -> None:
    if end > shard.num_rows:
        raise LayoutError(f"{shard.name}: expected {end} rows, got {shard.num_rows}")


def _decoded(
    shard: ShardReader,
    video: StoredVideo,
    first: int,
    end: int,
    step: int,
    window: Window,
    decode: Callable[..., Any],
    shape: tuple[int, ...],
    dtype: np.dtype,
) -> np.ndarray:
    """Every `step`-th of the rows first..end-1, each of this shape, as `decode` reads one."""
    _expect_rows(shard, end)
    count, filled = len(range(first, end, step)), 0
    entries = np.empty((0, *shape), dtype)
    rows_at_once = DECODE_ROWS * step
    for begin in range(first, end, rows_at_once):
        flat, bounds = shard.stored(begin, min(begin + rows_at_once, end), step)
        for row in range(0, len(bounds) - 1, step):
            stored = flat[bounds[row] : bounds[row + 1]]
            try:
                entry = decode(stored, video.height, video.width, window)
            except LayoutError as error:
                raise LayoutError(f"{shard.name}: row {begin + row}: {error}") from None
            if not filled:  # only now: a false size could ask for any amount of memory
                entries = np.empty((count, *shape), dtype)
            entries[filled] = entry
            filled += 1
    return entries


def h264_frames(
    shard: ShardReader,
    wanted: range,
    video_first: int,
    size: tuple[int, int],
    window: Window,
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
