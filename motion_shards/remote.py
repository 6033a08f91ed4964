"""First calls of Ray's workers: variables and the right packages come before all else.

Imports nothing of ours but this package, so that it loads on any worker that has it.
"""

import os
import pickle
from collections.abc import Hashable, Mapping
from typing import Any

from motion_shards.packages import load_own_packages


def run(variables: Mapping[str, str], call: bytes, *more: Any) -> Any:
    """Call a function in a worker.

    Args:
        variables: of the environment, set before the function's module is imported.
        call: pickled (function, arguments).
        more: further arguments, as Ray has delivered them.
    """
    os.environ.update(variables)
    load_own_packages()
    function, arguments = pickle.loads(call)
    return function(*arguments, *more)


def train(settings: dict[str, Any]) -> None:
    """The same for Ray Train, which hands a worker one dictionary."""
    run(settings["variables"], settings["call"])


class Board:
    """An actor in which tasks write their progress and from which the driver reads it.
    Rows are tuples of numbers, so that nothing of ours is imported for them."""

    def __init__(self) -> None:
        self._rows: dict[Hashable, tuple[int, tuple]] = {}
        self._ends: dict[Hashable, tuple[str, ...]] = {}

    def write(self, key: Hashable, row: tuple) -> None:
        """Set a row. The same row again is a sign of life."""
        times, _ = self._rows.get(key, (0, ()))
        self._rows[key] = times + 1, row

    def end(self, key: Hashable, *said: str) -> None:
        """Keep what a task says that ends its own process, and so cannot return it."""
        self._ends[key] = said

    def said(self, key: Hashable) -> tuple[str, ...]:
        """The texts that a task gave to `end`; empty if it gave none."""
        return self._ends.get(key, ())

    def forget(self, key: Hashable) -> None:
        self._rows.pop(key, None)
        self._ends.pop(key, None)

    def read(self) -> dict[Hashable, tuple[int, tuple]]:
        """All rows, each with the number of times that it was written."""
        return dict(self._rows)
