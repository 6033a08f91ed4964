"""A folder, or an address as text -> the location that a store is read from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motion_shards.errors import MotionShardsError
from motion_shards.store_address import (
    CACHE,
    CACHE_GB,
    DEFAULT_CACHE_GB,
    is_address,
    local_path,
)

from .errors import StoreError
from .remote_path import Location, RemotePath
from .shard_cache import ShardCache


def located(
    where: Location | str,
    *,
    options: Mapping[str, Any] | None = None,
    cache: Path | str | None = None,
    cache_gb: float | None = None,
) -> Location:
    """A folder or an address as an object to read from.

    Args:
        options: arguments of the address's fsspec file system.
        cache: folder for whole shards, for an address; $VIDEO_CACHE, if left out.
        cache_gb: its limit in units of 10^9 bytes; $VIDEO_CACHE_GB or 100, if left out.

    Raises:
        StoreError: the limit in the environment is not a number.
    """
    if not isinstance(where, str):
        return where
    if not is_address(where):
        return local_path(where)
    folder = cache or os.environ.get(CACHE)
    limit = _default_gb() if cache_gb is None else cache_gb
    held = ShardCache(Path(folder), int(limit * 1e9)) if folder else None
    return RemotePath(where, options, held)


def overlap(one: Location, other: Location) -> bool:
    """Whether two folders, or two addresses, are one place, or one lies in the other."""
    if isinstance(one, Path) != isinstance(other, Path):
        return False
    here, there = (
        Path(os.path.realpath(place) if isinstance(place, Path) else place.address)
        for place in (one, other)
    )
    return here.is_relative_to(there) or there.is_relative_to(here)


def require_apart(
    out: Location, source: Location, *, error: type[MotionShardsError]
) -> None:
    """Refuse to write to what is read.

    Args:
        error: what is raised.

    Raises:
        error: `out` is `source`, or one of them lies in the other.
    """
    if overlap(out, source):
        raise error(f"{out}: expected a place apart from {source}, which is read")


def _default_gb() -> float:
    text = os.environ.get(CACHE_GB) or str(DEFAULT_CACHE_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise StoreError(f"{CACHE_GB}: expected a number above 0, got {text!r}")
    return limit
