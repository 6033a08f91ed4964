"""A file object for HDF5 that hides failed writes, as HDF5 may crash after one.

After a failed write (full disk, quota, limit, I/O error) HDF5 can neither write nor drop
the data it still holds. So failures are not reported to it. From the first one on, its writes are kept in memory, where it can read them; the caller calls
`check` in between, stops at an error, and discards the file.
"""

import io
import os
from pathlib import Path
from typing import Any


class CheckedFile(io.RawIOBase):
    """A new file to give to `h5py.File(..., "w")`; the caller closes both, h5py first.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self._position = self._size = 0
        self._error: BaseException | None = None
        self._kept: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """
        Raises:
            OSError: a write, or another call of the system, has failed.
        """
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        position, count = self._position, len(data)
        if self._error is None:
            try:
                done = os.pwrite(self._handle, data, position)
                while done < count:
                    done += os.pwrite(self._handle, data[done:], position + done)
            except BaseException as error:  # noqa: BLE001 - `check` raises it
                self._fail(error)
        if self._error is not None:
            self._kept.append((position, bytes(data)))
        self._position += count
        self._size = max(self._size, self._position)
        return count

    def readinto(self, buffer: Any) -> int:
        start, count = self._position, len(buffer)
        try:
            found = os.pread(self._handle, count, start)
        except BaseException as error:  # noqa: BLE001 - `check` raises it
            self._fail(error)
            found = b""
        buffer[: len(found)] = found
        buffer[len(found) :] = bytes(count - len(found))
        for position, kept in self._kept:
            first, end = max(position, start), min(position + len(kept), start + count)
            if first < end:
                piece = kept[first - position : end - position]
                buffer[first - start : end - start] = piece
        self._position += count
        return count

    def truncate(self, size: int | None = None) -> int:
        self._size = self._position if size is None else size
        if self._error is None:
            try:
                os.ftruncate(self._handle, self._size)
            except BaseException as error:  # noqa: BLE001 - `check` raises it
                self._fail(error)
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = bases[whence] + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._handle)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, OSError):
            error.filename = os.fspath(self.path)
        self._error = self._error or error
