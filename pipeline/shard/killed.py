"""Causes of death of processes, such as lack of memory."""

import signal
from pathlib import Path

COUNTER = Path("/proc/vmstat")
ADVICE = "fewer --workers need less memory"


def memory_kills() -> int | None:
    """Number of processes that the system has killed for lack of memory; None if unknown."""
    try:
        lines = COUNTER.read_text("utf-8").splitlines()
    except OSError:
        return None
    found = dict(line.split() for line in lines if line.startswith("oom_kill "))
    return int(found["oom_kill"]) if found else None


def cause_of_death(exit_code: int, kills_before: int | None) -> str:
    """The cause of death of a process, in words.

    Args:
        exit_code: as multiprocessing has it, -9 for SIGKILL.
        kills_before: `memory_kills` when it was started.
    """
    if exit_code >= 0:
        return f"it died (exit code {exit_code})"
    if exit_code != -signal.SIGKILL:
        names = {number.value: f", {number.name}" for number in signal.Signals}
        return f"it died (signal {-exit_code}{names.get(-exit_code, '')})"
    now = memory_kills()
    if now is not None and kills_before is not None and now > kills_before:
        return f"the system killed it for lack of memory: {ADVICE}"
    return f"it was killed (SIGKILL), as the system does when memory is full: {ADVICE}"
