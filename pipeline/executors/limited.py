"""Programs with a time limit, for calls of a driver that may never return."""

import subprocess
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import NamedTuple

LEAVE_SECONDS = 1.0
"""Limit for a killed program to end: one that hangs in the kernel does not."""


class Ended(NamedTuple):
    """Result of a program."""

    exit_code: int | None
    """Exit code; None: it was killed at the limit."""
    output: str = ""
    """Its standard output."""
    errors: str = ""


def run_limited(
    commands: Mapping[str, Sequence[str]],
    *,
    seconds: float,
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Ended]:
    """Run programs side by side, and kill those that have not ended in time.

    Unlike `subprocess.run` this does not wait for one that cannot be killed.

    Args:
        commands: by any name.
        seconds: limit for all of them.
        environments: variables of the program of a name; all of ours where it has none.

    Raises:
        OSError: a program cannot be started.
    """
    until = monotonic() + seconds
    started: dict[str, subprocess.Popen[str]] = {}
    ended: dict[str, Ended] = {}
    try:
        for name, command in commands.items():
            started[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=(environments or {}).get(name),
            )
        for name, process in started.items():
            left = 0.0 if process.poll() is None else LEAVE_SECONDS
            ended[name] = _ended(process, max(until - monotonic(), left))
    finally:
        for name in started.keys() - ended.keys():
            started[name].kill()
    return ended


def _ended(process: "subprocess.Popen[str]", seconds: float) -> Ended:
    try:
        output, errors = process.communicate(timeout=seconds)
        return Ended(process.returncode, output, errors)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        process.communicate(timeout=LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.poll()
    return Ended(None)
