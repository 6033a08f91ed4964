"""Files of safetensors in numpy: reading and writing. The format has no code in it.

A file is the size of its header (8 bytes, little-endian), the header as JSON, name ->
{"dtype", "shape", "data_offsets"}, and the bytes of the tensors, little-endian, without gaps.

Source:
    https://github.com/huggingface/safetensors, "Format", whose limits are taken over.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import CheckpointError
from .reading import reading
from .writing import write_bytes

LARGEST_HEADER = 100_000_000
BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Type of numbers -> bytes of one."""
NUMPY = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
"""Type of numbers -> numpy's; BF16 has none."""


class StoredTensor(NamedTuple):
    """A tensor as it lies in a file."""

    name: str
    kind: str
    """One of `BYTES`."""
    shape: tuple[int, ...]
    data: memoryview


def read_tensors(path: Path) -> list[StoredTensor]:
    """The tensors of a file, in the order of their bytes.

    Raises:
        CheckpointError: it is damaged or something else.
        RunError: it cannot be read.
    """
    with reading(path), path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        text = file.read(size) if size <= LARGEST_HEADER else b""
        data = file.read() if len(text) == size else b""
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        return list(_tensors(header, bytearray(data)))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise CheckpointError(
            f"{path}: expected a file of safetensors, got a damaged one or something else"
        ) from None


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file as arrays.

    Raises:
        CheckpointError: it is damaged or something else, or has numbers that numpy lacks.
        RunError: it cannot be read.
    """
    found = {}
    for tensor in read_tensors(path):
        if tensor.kind not in NUMPY:
            raise CheckpointError(
                f"{path}: {tensor.name}: expected numbers that numpy has, got {tensor.kind}"
            )
        values = np.frombuffer(tensor.data, NUMPY[tensor.kind])
        found[tensor.name] = values.reshape(tensor.shape)
    return found


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a file of safetensors, whole or not at all.

    Raises:
        WriteError: it cannot be written.
    """
    kinds = {np.dtype(kind): name for name, kind in NUMPY.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    end = 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        array = arrays[name]  # wide numbers first, so that all are aligned
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        first, end = end, end + little.nbytes
        header[name] = {
            "dtype": kinds[little.dtype],
            "shape": list(array.shape),
            "data_offsets": [first, end],
        }
        parts.append(little.tobytes())
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(path, b"".join((len(text).to_bytes(8, "little"), text, *parts)))


def _tensors(header: dict[str, Any], data: bytearray) -> Iterator[StoredTensor]:
    end = 0
    whole = memoryview(data)
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape = entry["dtype"], entry["shape"]
        first, last = entry["data_offsets"]
        if first != end or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError
        if last - first != math.prod(shape) * BYTES[kind] or last > len(data):
            raise ValueError
        yield StoredTensor(name, kind, tuple(shape), whole[first:last])
        end = last
    if end != len(data):
        raise ValueError
