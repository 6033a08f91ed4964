"""Rows of a shard -> entries of a video, in physical units."""

import numpy as np

from .errors import LayoutError, RangeError
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
        raise LayoutError(f"{shard.path}: expected {end} rows, got {shard.num_rows}")
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
                raise LayoutError(f"{shard.path}: row {begin + row}: {error}") from None
            if not filled:  # the size is true: a wrong one would ask for any memory
                entries = np.empty((count, *shape), dtype)
            entries[filled] = entry
            filled += 1
    return entries
