"""SIGINT, SIGTERM and SIGHUP -> a question the loop can ask between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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


class Stop:
    """The stop that a signal has requested, if any."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Inside, the first signal is remembered instead of ending the process.

    The second one ends it as usual. Threads other than the main one can't have
    handlers: there, nothing is remembered.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = stopping()

    def remember(number: int, frame: object) -> None:
        stop.requested = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
