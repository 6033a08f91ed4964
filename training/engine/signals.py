"""SIGINT, SIGTERM and SIGHUP -> a question the loop can ask between two steps."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from motion_shards.processes import told_of_parents_end

SAME_SECONDS = 1.0
"""Signals within this time are one request."""


def stopping() -> dict[signal.Signals, Any]:
    """The signals that ask to stop -> what they do now.

    A terminal that closes sends SIGHUP; under `nohup` it is ignored, and stays so.
    """
    found = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    if found[signal.SIGHUP] == signal.SIG_IGN:
        del found[signal.SIGHUP]
    return found


@contextmanager
def handled(
    before: Mapping[signal.Signals, Any], handler: Callable[[int, Any], None]
) -> Iterator[None]:
    """Inside, these signals call the handler; then they do again what they did before.

    Args:
        before: of `stopping`.
    """
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)


class Stop:
    """The stop that a signal has requested, if any."""

    def __init__(self) -> None:
        self.requested = False
        self._since = 0.0

    def ask(self) -> bool:
        """Note a signal, and say whether it is a second request.

        One right after the first is the same: `timeout` sends every signal twice, and a
        whole process group may get what its members pass on.
        """
        if not self.requested:
            self.requested, self._since = True, time.monotonic()
        return time.monotonic() - self._since > SAME_SECONDS


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Inside, the first signal is remembered instead of ending the process, and so is the
    end of a parent that the process follows.

    A second one ends it as usual; where the process follows its parent, that decides.
    Threads other than the main one can't have handlers: there, nothing is remembered.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = stopping()
    with told_of_parents_end(stop.ask) as follows:

        def remember(number: int, frame: object) -> None:
            if stop.ask() and not follows:
                signal.signal(number, before[signal.Signals(number)])
                signal.raise_signal(number)

        with handled(before, remember):
            yield stop
