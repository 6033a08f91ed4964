"""Signals that ask a command to end -> KeyboardInterrupt, so that it ends in good order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 130


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP do what Ctrl-C does.

    A terminal that closes sends SIGHUP; under `nohup` it is ignored, and stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can signals be handled at all
        return
    numbers = [signal.SIGTERM, signal.SIGHUP]
    changed = [n for n in numbers if signal.getsignal(n) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
