"""Reads of a store at an address, side by side: waiting takes most of the time of each."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .reader import Store

IN_FLIGHT = 16
"""Reads at once, in each process."""
T = TypeVar("T")
R = TypeVar("R")
_pools: dict[int, ThreadPoolExecutor] = {}


def side_by_side(store: Store, read: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results of some reads, in the order of the items.

    Of a store at an address up to `IN_FLIGHT` run at once, in threads; of a folder one
    after the other.

    Raises:
        Exception: the first that a read raises.
    """
    if isinstance(store.folder, Path):
        return [read(item) for item in items]
    pid = os.getpid()
    if pid not in _pools:  # threads do not survive a fork
        _pools.clear()
        _pools[pid] = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="reads")
    return list(_pools[pid].map(read, items))
