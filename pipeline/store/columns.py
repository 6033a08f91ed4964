"""The text `columns` of a shard file as a value: where each data set lies, and its hash."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .fields import Fits, is_count, is_object, require_fields, shown
from .malformed import complaints
from .schema import DATA, INDEX_FIELDS

ADVICE = "`pipeline verify` says what is damaged"
MAX_ID_BYTES = 1 << 16
_TYPES: Mapping[str, np.dtype] = {
    DATA: np.dtype(np.uint8),
    "offsets": np.dtype("<i8"),
    "row_hashes": np.dtype("<u8"),
    "seconds": np.dtype("<f8"),
    "picture_types": np.dtype(np.uint8),
    "valid": np.dtype(np.uint8),
}
"""NumPy type of every data set but `index`."""


class Extent(NamedTuple):
    """Bytes of a shard file that one data set fills."""

    offset: int
    """From the start of the file; 0 where it is empty."""
    num_bytes: int
    num_values: int
    dtype: np.dtype
    """Type of a value, little-endian."""
    xxh3: str
    """xxh3-64 of the bytes; empty for `data`, whose rows have hashes of their own."""

    def place(self) -> dict[str, int]:
        """Its numbers as the text has them."""
        return {
            "offset": self.offset,
            "bytes": self.num_bytes,
            "count": self.num_values,
        }


def index_dtype(id_bytes: int) -> np.dtype:
    """Type of a value of `index`, where the longest id has `id_bytes` bytes."""
    return np.dtype(
        [("id", f"S{id_bytes}"), *((field, "<i8") for field in INDEX_FIELDS)]
    )


def parsed_columns(
    text: bytes, modality: str, file_bytes: int, where: str
) -> dict[str, Extent]:
    """Name of every data set but `columns` -> its extent.

    Args:
        file_bytes: size of the file, beyond which nothing can lie.

    Raises:
        LayoutError: not such a text, or one that leads out of the file.
    """
    with complaints(where, "a text `columns`"):
        value = json.loads(text)
        names = {*_TYPES, "index"} - ({"valid"} if modality != "mv" else set())
        require_fields(value, dict.fromkeys(names, is_object))
        extents = {name: _extent(name, value[name]) for name in sorted(names)}
        for name, extent in extents.items():
            if extent.offset + extent.num_bytes > file_bytes:
                raise ValueError(f"{name}: {shown(extent.place())} of {file_bytes:,}")
        counts = {name: extent.num_values for name, extent in extents.items()}
        rows, frames = counts["offsets"] - 1, counts["seconds"]
        expected = {"row_hashes": rows, "valid": rows, "picture_types": frames}
        for name in expected.keys() & counts.keys():
            if counts[name] != expected[name]:
                raise ValueError(f"{name}: {counts[name]} values, not {expected[name]}")
    return extents


def _extent(name: str, value: Mapping[str, Any]) -> Extent:
    checks: dict[str, Fits] = dict.fromkeys(("offset", "bytes", "count"), is_count)
    if name != DATA:
        checks["xxh3"] = _is_column_hash
    require_fields(value, checks)
    size, count = value["bytes"], value["count"]
    dtype = _TYPES[name] if name != "index" else _index_type(size, count)
    if count * dtype.itemsize != size:
        raise ValueError(f"{name}: {count} values in {size} bytes")
    return Extent(value["offset"], size, count, dtype, value.get("xxh3", ""))


def _index_type(size: int, count: int) -> np.dtype:
    fixed = 8 * len(INDEX_FIELDS)
    id_bytes = size // count - fixed if count else 1
    if not 1 <= id_bytes <= MAX_ID_BYTES:
        raise ValueError(f"index: {count} values in {size} bytes")
    return index_dtype(id_bytes)


def _is_column_hash(value: object) -> bool:
    return type(value) is str and len(value) == 16
