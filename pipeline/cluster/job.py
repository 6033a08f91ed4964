"""A job of a cluster as a value: Ray's record of it, its line in a list, its exit code."""

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from motion_shards.plain_text import printable
from pipeline.store import Json

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the cluster knows it."""

    id: str
    command: str
    status: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    exit_code: int | None
    """Exit code for the process that submitted the job; None while it runs."""
    began: float
    """Seconds since 1970; 0 if it has not."""
    seconds: float
    message: str
    """First line of the cluster's message about it."""

    @property
    def over(self) -> bool:
        return self.exit_code is not None

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)

    def text(self) -> str:
        """One line of a list."""
        began = time.strftime("%m-%d %H:%M", time.localtime(self.began))
        status = self.status.lower()
        if self.exit_code and status == "failed":
            status += f" ({self.exit_code})"
        took = f"{self.seconds / 60:,.1f} min"
        return printable(f"{self.id}  {status:10}  {began}  {took:>10}  {self.command}")

    @classmethod
    def of(cls, details: Any) -> Self:
        """Convert the record that Ray's client returns."""
        began = (details.start_time or 0) / 1000
        ended = (details.end_time or 0) / 1000 or time.time()
        message = (details.message or "").strip().partition("\n")[0]
        message = message.partition(", last available logs")[0]  # they were shown
        return cls(
            id=details.submission_id,
            command=details.entrypoint,
            status=str(details.status.value),
            exit_code=_exit_code(details.status.value, details.driver_exit_code),
            began=began,
            seconds=max(ended - began, 0.0) if began else 0.0,
            message=message,
        )


def _exit_code(status: str, driver: int | None) -> int | None:
    """Exit code of a job: its own, 130 where it was stopped, 1 where it has none (a crash)."""
    if status == "SUCCEEDED":
        return 0
    if status == "STOPPED":
        return INTERRUPTED
    if status == "FAILED":
        return driver if driver and 0 < driver < 128 or driver == INTERRUPTED else 1
    return None


def new_id(words: Sequence[str]) -> str:
    """A unique, readable id: command, data set or store, time, four random letters."""
    named = ""
    for option in ("--dataset", "--store", "--out"):
        if option in words[:-1]:
            named = Path(words[words.index(option) + 1]).name
            break
    when = time.strftime("%m%d-%H%M%S")
    parts = [*words[1:2], named, when, secrets.token_hex(2)]
    return re.sub("[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-")
