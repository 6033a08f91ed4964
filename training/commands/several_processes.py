"""The end of one of several processes of a training: the first one says why."""

import os
import time

from ..errors import FirstFailed

MOMENT_SECONDS = 5.0
"""A launcher ends all processes when the first has failed: well within this time."""


def is_first() -> bool:
    """Whether this process speaks for all."""
    rank = os.environ.get("RANK", "")
    return not rank.isdecimal() or int(rank) == 0


def let_the_first_say(error: Exception) -> str:
    """The prefix of an error's line: the process, unless it is the first.

    Processes of one training mostly fail alike, and at once. So those that are not the
    first give it a moment to say it, in which the launcher ends them.

    Raises:
        SystemExit: the first process has said it.
    """
    if is_first():
        return ""
    if isinstance(error, FirstFailed):
        raise SystemExit(1)
    time.sleep(MOMENT_SECONDS)
    return f"process {os.environ['RANK']}: "
