"""A child process that kills its parent when that is stuck.

While C++ holds Python's lock, no thread of that process can do anything, nor can signals
be handled; but the system still passes them on through a pipe (`signal.set_wakeup_fd`).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

_WATCH = """
import os, select, signal, sys
pid, ticks, leave = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
line = sys.argv[4]
while ticks:
    if select.select([0], [], [], 0.25)[0]:
        got = os.read(0, 64)
        if not got:
            raise SystemExit
        if signal.SIGINT in got or signal.SIGTERM in got:
            ticks, line = min(ticks, leave), sys.argv[5]
        continue
    with open(f"/proc/{pid}/stat", "rb") as file:
        paused = file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    ticks -= not paused
os.write(2, line.encode() + b"\\n")
os.kill(pid, signal.SIGKILL)
"""


@contextlib.contextmanager
def guarded(
    *, seconds: float, leave_seconds: float, line: str, interrupted: str
) -> Iterator[None]:
    """Have another process kill this one if the block takes too long and this process is
    too blocked to end itself.

    Only in the main thread on Linux; elsewhere nothing is watched.

    Args:
        seconds: limit for the block; time in which this process is paused does not count.
        leave_seconds: limit from the first SIGINT or SIGTERM on.
        line: written to standard error when the limit is reached.
        interrupted: the same after a signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not os.path.exists("/proc/self/stat"):
        yield
        return
    ticks = [str(max(round(each * 4), 1)) for each in (seconds, leave_seconds)]
    words = [str(os.getpid()), *ticks, line, interrupted]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, *words],
        stdin=reading,
        start_new_session=True,  # Ctrl-C is not for it
    )
    os.close(reading)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        process.wait()
