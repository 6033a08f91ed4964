"""Hashes inside a shard file: xxh3-64 of every stored row, and of every column."""

import numpy as np


def row_hash(row: np.ndarray) -> int:
    """xxh3-64 of the bytes of one stored row, as `row_hashes` has it."""
    from xxhash import xxh3_64_intdigest  # on first use: importing the store is cheap

    return xxh3_64_intdigest(row.data)


def column_hash(column: np.ndarray) -> str:
    """xxh3-64 of the bytes of a whole data set: 16 hexadecimal digits."""
    from xxhash import xxh3_64_hexdigest

    return xxh3_64_hexdigest(column.tobytes())


def columns_hash(text: bytes) -> str:
    """xxh3-128 of the text `columns` of a shard file: 32 hexadecimal digits."""
    from xxhash import xxh3_128_hexdigest

    return xxh3_128_hexdigest(text)


def first_changed(
    flat: np.ndarray, bounds: list[int], hashes: list[int], step: int = 1
) -> int | None:
    """Position of the first row whose bytes are not those of its hash, or None.

    Args:
        flat: rows end to end, 1-D and contiguous.
        bounds: where each row begins, and where the last one ends.
        hashes: of these rows.
        step: only every step-th row is checked.
    """
    from xxhash import xxh3_64_intdigest

    view = flat.data
    for row in range(0, len(hashes), step):
        if xxh3_64_intdigest(view[bounds[row] : bounds[row + 1]]) != hashes[row]:
            return row
    return None
