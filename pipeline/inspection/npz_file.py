"""Files of numpy's npz format with arrays that do not fit into memory."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import numpy as np

from pipeline.store.replacement import name_file

PIECE_BYTES = 1 << 24
"""Bytes that are in memory at a time, as many as numpy takes."""


class Rows(NamedTuple):
    """An array whose numbers are in a file, in C order."""

    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype


def write_npz(
    file: IO[bytes],
    arrays: Mapping[str, np.ndarray | np.generic | Rows],
    *,
    compressed: bool,
) -> None:
    """Write the bytes that `np.savez` or `np.savez_compressed` would write."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if not isinstance(array, Rows):
                    np.lib.format.write_array(member, np.asanyarray(array))
                    continue
                header = {
                    "shape": array.shape,
                    "fortran_order": False,
                    "descr": np.lib.format.dtype_to_descr(array.dtype),
                }
                np.lib.format.write_array_header_1_0(member, header)
                array.file.seek(0)
                while piece := array.file.read(PIECE_BYTES):
                    member.write(piece)


@contextmanager
def rows_beside(path: Path) -> Iterator[IO[bytes]]:
    """A nameless file on the disk of a file that will be written; gone at the end.

    Raises:
        OSError: with the name of `path`.
    """
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        file = TemporaryFile(dir=folder)  # noqa: SIM115 - its errors are told apart
    except OSError as error:
        error.filename = str(path)
        raise
    with file:
        try:
            yield file
        except OSError as error:
            name_file(error, path)
            raise
