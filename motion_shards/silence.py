"""A process that has said nothing for long: it hangs, or it waits for a busy machine."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class Pulse:
    """Signs of life of this process, for one that watches it from another machine.

    Args:
        limit: seconds of CPU time without a word after which there are no more signs.
        used: CPU time until now; None where it cannot be read.
    """

    def __init__(
        self, limit: float, *, used: Callable[[], float | None] | None = None
    ) -> None:
        self._limit, self._used = limit, used or (lambda: cpu_seconds(os.getpid()))
        self._then = self._used()
        self.heard()

    def heard(self) -> None:
        """Begin anew: the process has said something."""
        self._before = self._used()

    def beats(self, seconds: float) -> bool:
        """Whether the process, silent and within its limit, has computed for `SHARE` of the
        time since this was last asked.

        Args:
            seconds: that time, by the clock.
        """
        used, then = self._used(), self._then
        self._then = used
        if used is None or then is None or self._before is None:
            return False
        return used - then >= SHARE * seconds and used - self._before < self._limit


@contextmanager
def signs_of_life(
    tell: Callable[[], None], *, limit: float, seconds: float = 10.0
) -> Iterator[Callable[[], None]]:
    """Call `tell` in a thread while this process computes, however long it says nothing.

    Args:
        limit: see `Pulse`.
        seconds: time between two calls.

    Yields:
        A function to call when the process has said something.
    """
    pulse, over = Pulse(limit), threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            if pulse.beats(seconds):
                tell()

    thread = threading.Thread(target=watch, name="signs of life", daemon=True)
    thread.start()
    try:
        yield pulse.heard
    finally:
        over.set()
        thread.join()


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
