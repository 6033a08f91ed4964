"""A process that has said nothing for long: it hangs, or it waits for a busy machine."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .processes import stat_fields

SHARE = 0.05
"""Share of a processor that a process gets at least which computes on a busy machine."""


class SilentProcess:
    """CPU time of a process and of those below it, since it was last heard of.

    On a machine with more work than processors, a time limit by the clock alone would end
    what only waits for its turn.

    Args:
        pid: of the process.
    """

    def __init__(
        self,
        pid: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[int], float | None] | None = None,
    ) -> None:
        self._pid, self._clock, self._used = pid, clock, used or cpu_seconds
        self.heard()

    def heard(self) -> None:
        """Begin anew: the process has said something, or has been given work."""
        self._since = self._clock()
        self._before = self._then = self._used(self._pid)

    def hangs(self, seconds: float) -> bool:
        """Whether a process that has been silent for this time hangs.

        It does if it has had as much CPU time without a word, or has not used `SHARE` of
        it within as much time by the clock; asked often, this sees when work ended.
        Where CPU time cannot be read (not on Linux), the clock decides.
        """
        used, now = self._used(self._pid), self._clock()
        if used is None or self._before is None or self._then is None:
            return now - self._since >= seconds
        if used - self._then >= SHARE * seconds:
            self._since, self._then = now, used
        return used - self._before >= seconds or now - self._since >= seconds


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process and of all that run below it; None where it cannot be read."""
    try:
        return sum(_cpu_seconds(pid))
    except OSError:
        return None


def _cpu_seconds(pid: int) -> Iterator[float]:
    """CPU time of each of them; those that have ended count with the one that started them."""
    yield sum(map(int, stat_fields(pid)[11:15])) / os.sysconf("SC_CLK_TCK")
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text("utf-8").split()
        except OSError:  # the thread has ended
            continue
        for child in children:
            yield cpu_seconds(int(child)) or 0.0
