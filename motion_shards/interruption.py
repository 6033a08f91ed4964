"""Signals that ask a command to end -> KeyboardInterrupt, so that it ends in good order."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
AGAIN_SECONDS = 0.05


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP do what Ctrl-C does.

    A terminal that closes sends SIGHUP; under `nohup` it is ignored, and stays so.
    One that comes while Python is in a finaliser or a callback, where it drops what is
    raised, comes again a moment later.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can signals be handled at all
        return
    numbers = [signal.SIGTERM, signal.SIGHUP]
    changed = [n for n in numbers if signal.getsignal(n) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        with _raised_again(signal.SIGTERM):
            yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def interrupted_later() -> Iterator[None]:
    """Inside, signals that Python handles wait; their handlers run when this is left.

    For a few statements that belong together, such as taking bytes out of a pipe and
    keeping what they say.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no handler runs in other threads
        return
    numbers = [int(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    handlers = {n: h for n in numbers if callable(h := signal.getsignal(n))}
    waiting: dict[int, FrameType | None] = {}
    for number in handlers:
        signal.signal(number, waiting.__setitem__)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in waiting.items():
            handlers[number](number, frame)


@contextmanager
def _raised_again(number: signal.Signals) -> Iterator[None]:
    """Inside, a KeyboardInterrupt that Python would drop is followed by a signal."""
    before, inside = sys.unraisablehook, True

    def again() -> None:
        if inside and signal.getsignal(number) == signal.default_int_handler:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            threading.Timer(AGAIN_SECONDS, again).start()
        else:
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook, inside = before, False
