"""Processes: identity across machines, whether one is still alive, children that end with
their parent."""

import ctypes
import getpass
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

JOB = "MOTION_SHARDS_JOB"
"""Environment variable with the name of a job of `pipeline submit`."""

UNKNOWN = "unknown"

LEAVE_SECONDS = 30
"""Time for a process whose parent has ended to save and end."""

_followers: set[int] = set()
"""This process, if it is a child that follows its parent; a fork of it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """Identity of a process: distinguishes it from every other one."""

    host: str
    user: str
    pid: int
    since: str
    """Start, in the local time of the machine, for people."""
    job: str
    """Its name as a job of a cluster, or nothing."""
    started: str
    """Start time of the process, as its system counts; empty where it does not say."""
    space: str
    """Boot and process space in which `pid` means something."""

    @classmethod
    def this_process(cls) -> Self:
        return cls(
            host=socket.gethostname(),
            user=_user(),
            pid=os.getpid(),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            job=os.environ.get(JOB, ""),
            started=_started(os.getpid()) or "",
            space=_space(),
        )

    def text(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return (
            f"process {self.pid} of {self.user} on {self.host}{job}, since {self.since}"
        )

    def plausible(self) -> bool:
        """Whether the values are of their types: a file may hold any."""
        texts = (self.host, self.user, self.since, self.job, self.started, self.space)
        return type(self.pid) is int and all(type(text) is str for text in texts)

    def alive(self) -> bool | None:
        """Whether the process runs; None where that cannot be seen from here."""
        if (
            not self.space
            or self.space != _space()
            or self.host != socket.gethostname()
        ):
            return None
        return _started(self.pid) == self.started


def process_mark() -> str:
    """Text for file names by which `has_ended` recognizes this process later."""
    pid = os.getpid()
    return f"{_neighbours()}-{pid}-{_started(pid) or UNKNOWN}"


def has_ended(mark: str) -> bool:
    """Whether the process of a `process_mark` is gone; False where that cannot be seen."""
    neighbours, _, process = mark.partition("-")
    pid, _, started = process.partition("-")
    if UNKNOWN in (neighbours, started) or neighbours != _neighbours():
        return False
    return pid.isdigit() and started.isdigit() and _started(int(pid)) != started


def _neighbours() -> str:
    """Equal for processes of one machine that can see each other by number."""
    space = _space()
    if not space:
        return UNKNOWN
    return sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:12]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return f"user {os.getuid()}"


def _space() -> str:
    """Equal for two processes that can see each other by number, nothing if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, from the state on.

    Raises:
        OSError: there is no such process, or no /proc.
    """
    text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    return text.rpartition(")")[2].split()


def _started(pid: int) -> str | None:
    """Start time of a process in ticks since boot; None if it does not run."""
    try:
        fields = stat_fields(pid)
    except OSError:
        return None
    # a zombie, killed and not yet waited for, writes nothing any more
    return None if fields[0] in "ZX" else fields[19]


def follow_parent(parent: int | None = None) -> None:
    """For a child process: leave Ctrl-C and a closing terminal to the parent, and be killed
    when it ends (Linux), also if it has ended already.

    Args:
        parent: number of the parent's process; None in a process of `multiprocessing`,
            which knows it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if sys.platform == "linux":
        _on_parents_end(signal.SIGKILL)
        _followers.add(os.getpid())
    known = multiprocessing.parent_process()
    if parent is None and known:
        parent = known.pid
    if parent not in (None, os.getppid()):
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def told_of_parents_end(tell: Callable[[], object]) -> Iterator[bool]:
    """Inside, a process of `follow_parent` is told that its parent has ended, instead of
    being killed at once; it has `LEAVE_SECONDS` to end. For the main thread.

    Args:
        tell: called between two instructions of Python.

    Yields:
        Whether the process follows its parent.
    """
    if os.getpid() not in _followers:
        yield False
        return

    def ended(number: int, frame: object) -> None:
        signal.alarm(LEAVE_SECONDS)  # kills without any help of Python's
        tell()

    before = signal.signal(signal.SIGUSR1, ended)
    _on_parents_end(signal.SIGUSR1)
    try:
        yield True
    finally:
        _on_parents_end(signal.SIGKILL)
        signal.signal(signal.SIGUSR1, before)


def _on_parents_end(number: signal.Signals) -> None:
    """Have the system send this process a signal when its parent ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, number)
