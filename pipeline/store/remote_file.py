"""RemoteFile: ranges of bytes of a shard file at an address."""

from pathlib import Path

import numpy as np

from .columns import ADVICE
from .errors import AddressError, StoreNotFound
from .local_file import ByteRanges, LocalFile
from .remote_path import Location, RemotePath


class RemoteFile:
    """A shard file at an address, of which ranges are asked for one by one; see `ByteRanges`.

    Args:
        size: as the manifest has it; nothing is asked for to find out.

    Raises:
        AddressError: its server has no ranges.
    """

    def __init__(self, path: RemotePath, size: int) -> None:
        self.name, self.size = str(path), size
        self._path = path
        try:
            ranges = path.has_ranges()
        except FileNotFoundError:
            raise self._absent() from None
        if not ranges:
            raise AddressError(
                f"{path}: expected a server that answers requests for ranges, got one that "
                "sends whole files: use a cache, which reads those (--cache DIR)"
            )

    def read(self, begin: int, end: int) -> np.ndarray:
        try:
            return np.frombuffer(self._path.part(begin, end), np.uint8)
        except FileNotFoundError:
            raise self._absent() from None

    def close(self) -> None:
        pass

    def _absent(self) -> StoreNotFound:
        return StoreNotFound(
            f"{self.name}: expected a shard of this store, got nothing; {ADVICE}"
        )


def shard_bytes(path: Location, *, size: int, xxh3: str) -> ByteRanges:
    """Open a shard file: from the cache of an address, where that has one and it works.

    Args:
        size, xxh3: as the manifest has them.

    Raises:
        StoreNotFound: there is no such file.
        OSError: it cannot be read.
    """
    if isinstance(path, Path):
        return LocalFile(path)
    if path.cache is not None:
        file = path.cache.opened(path, size, xxh3)
        if file is not None:
            return file
    return RemoteFile(path, size)
