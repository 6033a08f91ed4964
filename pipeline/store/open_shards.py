"""The shard files of a store that are open in this process."""

import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from .errors import LayoutError
from .file_names import shard_file
from .manifest import Manifest
from .remote_file import shard_bytes
from .remote_path import Location
from .shard_reader import ShardReader

MAX_OPEN_FILES = 64


class OpenShards:
    """Readers of the shard files of a store: each is opened on first use, once per process.

    Can be pickled, and survives a fork: files are opened anew there. Threads may share it.
    """

    def __init__(
        self, folder: Location, manifest: Manifest, *, check: bool, most: int
    ) -> None:
        """
        Args:
            check: compare every row that is read with its hash.
            most: number of files that are kept open; the least recently used is closed.
        """
        self._folder, self._manifest = folder, manifest
        self._check, self._most = check, most
        self._forget_files()

    def reader(self, modality: str, shard: int) -> ShardReader:
        """The reader of one file.

        Raises:
            StoreNotFound, LayoutError: as in `open_shard`.
        """
        if self._pid != os.getpid():  # handles do not survive a fork
            self._forget_files()
        return self._open(modality, shard).get()

    def _forget_files(self) -> None:
        # What falls out of the cache is closed by its last user, in whatever thread.
        opening = partial(open_shard, self._folder, self._manifest, self._check)
        self._open = lru_cache(self._most)(partial(_Opening, opening))
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        kept = self.__dict__.copy()
        del kept["_open"]
        return kept

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._forget_files()


class _Opening:
    """A shard that is opened by the first of several threads that ask for it."""

    def __init__(self, opening: Callable[..., ShardReader], *shard: Any) -> None:
        self._opening, self._lock = partial(opening, *shard), Lock()
        self._reader: ShardReader | None = None

    def get(self) -> ShardReader:
        with self._lock:
            if self._reader is None:
                self._reader = self._opening()
            return self._reader


def open_shard(
    folder: Location, manifest: Manifest, check: bool, modality: str, shard: int
) -> ShardReader:
    """The shard file that a manifest names.

    Raises:
        StoreNotFound: the file is missing.
        LayoutError: it is damaged, or another one.
    """
    record = manifest.modalities[modality]
    path = folder / shard_file(modality, shard)
    named = record.files[shard]

    def opened() -> ShardReader:
        return ShardReader(
            shard_bytes(path, size=named.bytes, xxh3=named.xxh3),
            modality=modality,
            record=named,
            codec=record.codec,
            checked=check,
        )

    try:
        return opened()
    except LayoutError:
        if isinstance(path, Path) or path.cache is None:
            raise
    path.cache.drop(named.xxh3)  # a copy that the local disk has damaged
    return opened()
