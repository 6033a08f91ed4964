"""Arrays in one file with its hash: written atomically, read with types and bounds."""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedFile, RunError
from .reading import reading
from .sealed import check_archive, checked_seal, seal
from .writing import write_bytes

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an .npz without pickles.

    Raises:
        WriteError: it cannot be written; the previous file is still there.
    """
    data = io.BytesIO()
    np.savez(data, **arrays)
    seal(data)
    write_bytes(path, data.getbuffer())


def read_arrays(
    path: Path,
    kinds: Mapping[str, tuple[str, int]],
    *,
    optional: Sequence[str] = (),
    what: str,
) -> dict[str, np.ndarray]:
    """Read arrays that `write_arrays` wrote.

    Args:
        kinds: array -> its type ("f8", or "U" for texts) and its number of axes.
        optional: which of them may be missing.
        what: expected content, for the message: "scores".

    Raises:
        RunError: no such file, one that has changed or cannot be read, or of other
            arrays.
    """
    with reading(path):
        return _read(path, kinds, optional, what)


def _read(
    path: Path, kinds: Mapping[str, tuple[str, int]], optional: Sequence[str], what: str
) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise RunError(f"{path}: expected {what}, but there is no file")
    try:
        checked_seal(path)
        check_archive(path, hashed=True)
    except DamagedFile as error:
        told = str(error).removeprefix(f"{path}: ")
        raise RunError(f"{path}: expected {what}: {told}") from None
    found = {}
    with zipfile.ZipFile(path) as archive:
        there = set(archive.namelist())
        for name, (kind, axes) in kinds.items():
            if f"{name}.npy" not in there:
                if name in optional:
                    continue
                raise RunError(f"{path}: expected {what}, got no {name}")
            array = _array(archive.read(f"{name}.npy"))
            if array is None or array.ndim != axes or not _is(array.dtype, kind):
                told = "something else" if array is None else str(array.dtype)
                raise RunError(
                    f"{path}: {name}: expected {kind} of {axes} axes, got {told}"
                )
            found[name] = array
    return found


def _array(data: bytes) -> np.ndarray | None:
    """An array as .npy has it; None where it is something else, or shorter than it says."""
    file = io.BytesIO(data)
    try:
        header = HEADERS[np.lib.format.read_magic(file)]
        shape, by_columns, dtype = header(file)
    except (ValueError, TypeError, LookupError, SyntaxError, RecursionError):
        return None
    except MemoryError:  # raised by a parser whose stack is full
        return None
    size = math.prod(shape) * dtype.itemsize
    if (
        not dtype.itemsize
        or dtype.hasobject
        or min(shape, default=0) < 0
        or size != len(data) - file.tell()
    ):
        return None
    flat = (
        np.frombuffer(data, dtype, offset=file.tell()) if size else np.empty(0, dtype)
    )
    return flat.reshape(shape, order="F" if by_columns else "C").copy()


def _is(dtype: np.dtype, kind: str) -> bool:
    return dtype.kind == "U" if kind == "U" else dtype == np.dtype(kind)
