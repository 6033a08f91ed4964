"""`ray.init` with a time limit, during which signals are handled.

It may wait forever for a raylet that does not answer, and its C++ does not handle signals.
So it runs in a thread of its own, while the main thread waits with a limit; a second process
watches both, as the C++ may hold Python's lock all the while. The handler of SIGTERM is
restored: Ray would replace it by a silent exit, or by a crash report.
"""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager

from motion_shards.errors import ClusterError
from motion_shards.guard import guarded

JOIN_SECONDS = 120.0
"""Limit for joining or starting a cluster; time in which this process is paused does not
count."""
LEAVE_SECONDS = 5.0
"""Limit for an interrupted join to finish, so that it can be undone."""
_POLL_SECONDS = 0.25


@contextmanager
def joined(
    init: Callable[[], object],
    shutdown: Callable[..., object],
    *,
    where: str,
    seconds: float = JOIN_SECONDS,
) -> Iterator[None]:
    """A cluster, from `ray.init` to `ray.shutdown`. What `ray.init` raises is raised.

    Args:
        init: the call.
        shutdown: `ray.shutdown`.
        where: for the message.

    Raises:
        ClusterError: it has not returned in time. The process can no longer use Ray, and
            must end.
        KeyboardInterrupt: while it waited.
    """
    answer: Future[object] = Future()
    over = threading.Event()

    def work() -> None:
        try:
            answer.set_result(init())
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            answer.set_exception(error)
        over.wait()  # the system ends Ray's processes with the thread that started them

    try:
        _watch(work, answer, shutdown, where=where, seconds=seconds)
        answer.result()
        try:
            yield
        finally:
            shutdown()
    finally:
        over.set()


def _watch(
    work: Callable[[], None],
    answer: Future[object],
    shutdown: Callable[..., object],
    *,
    where: str,
    seconds: float,
) -> None:
    """Wait for a thread's answer up to the limit, and for its end after a signal."""
    logger = logging.getLogger("ray._private.worker")
    logger.addFilter(_no_word_of_signals)
    late = (
        f"expected to join {where}, got no answer in {seconds:.0f} s: its raylet "
        "may be stuck; run the command again, or use --ray off"
    )
    guard = guarded(
        seconds=seconds + LEAVE_SECONDS,
        leave_seconds=2 * LEAVE_SECONDS,
        line=f"Error: {late}",
        interrupted=f"interrupted while joining {where}; run the same command to "
        "resume",
    )
    ended = False
    try:
        with guard:
            try:
                threading.Thread(target=work, name="ray.init", daemon=True).start()
                ended = _done(answer, seconds)
            except KeyboardInterrupt:  # guarded too: Ray may take the lock only now
                ended = _done(answer, LEAVE_SECONDS)
                raise
            if not ended:
                _abandon(shutdown, exit_code=1)
                raise ClusterError(late)
    except KeyboardInterrupt:
        if ended:
            shutdown()
        else:
            _abandon(shutdown, exit_code=130)
        raise
    finally:
        logger.removeFilter(_no_word_of_signals)


def _done(answer: Future[object], seconds: float) -> bool:
    """Whether an answer arrives within this time; signals are handled while waiting."""
    for _ in range(max(round(seconds / _POLL_SECONDS), 1)):
        done = wait([answer], _POLL_SECONDS).done
        _keep_sigterm()
        if done:
            return True
    return False


def _keep_sigterm() -> None:
    """Restore the handler of SIGTERM, which Ray's C++ replaces by a crash report."""
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def _abandon(shutdown: Callable[..., object], *, exit_code: int) -> None:
    """Make this process end although one of its threads is stuck in Ray."""
    atexit.unregister(shutdown)  # it would wait for that thread
    atexit.register(_end, exit_code)  # first of all: and so would what C++ tidies up


def _end(exit_code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _no_word_of_signals(record: logging.LogRecord) -> bool:
    return "SIGTERM handler is not set" not in record.getMessage()
