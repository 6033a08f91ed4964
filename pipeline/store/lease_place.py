"""Leases as values: their names, who holds one, and what a place that has them can do."""

import json
import re
from dataclasses import asdict
from typing import NamedTuple, Protocol

from motion_shards.processes import ProcessIdentity

from .json_value import Json

STALE_SECONDS = 180.0
"""Longer than network file systems cache attributes, and than a server needs to restart."""
ENDED = ".ended"
"""Suffix of the last lease after an ordinary end: its number stays in use."""

TOKEN = "token"
"""Name of a field of leases by which a process knows its own again."""

_LEASE = re.compile(r"holder-(\d{5,})\.(json|ended)")
_CLOCK = re.compile(r"\.clock-[0-9a-f]{32}")


class LeaseInfo(NamedTuple):
    """The newest lease of a store that has not ended."""

    number: int
    holder: ProcessIdentity | None
    """None where the file says nothing: made just now, or cut short by a crash."""
    silent_seconds: float
    """Since it was last heard of, by the clock of the file server."""

    @property
    def running(self) -> bool:
        """Whether the writer runs, as far as can be seen at once."""
        alive = self.holder.alive() if self.holder else None
        return self.silent_seconds < STALE_SECONDS if alive is None else alive

    def text(self) -> str:
        who = self.holder.text() if self.holder else "a run that is starting"
        return f"{who}, last seen {max(self.silent_seconds, 0):.0f} s ago"

    def to_dict(self) -> dict[str, Json]:
        who = asdict(self.holder) if self.holder else {}
        return who | {"silent_seconds": round(self.silent_seconds, 1)}


class LeasePlace(Protocol):
    """Numbered leases of one store, in its folder or at its address; as text its name."""

    def newest(self) -> int:
        """The highest number in use, 0 for none."""

    def found(self, number: int) -> LeaseInfo | None:
        """None: it has ended, is not there any more, or no run has written it."""

    def make(self, number: int) -> bool:
        """Make a lease of this process; whether this call, and no other, has made it."""

    def remove(self, number: int) -> None:
        """Give back a number that was made just now."""

    def remove_older(self, number: int) -> None:
        """Remove the leases with lower numbers."""

    def stamp(self, number: int) -> object:
        """Something that changes when its run says that it is alive."""

    def holds(self, number: int) -> bool:
        """Whether it is there, and no other run has followed."""

    def beat(self, number: int) -> None:
        """Say that its run is alive. Raises nothing: `holds` finds out what is wrong."""

    def end(self, number: int) -> None:
        """Mark it as ended, if it is there. Raises nothing."""


def lease_name(number: int) -> str:
    """`holder-00017.json`."""
    return f"holder-{number:05d}.json"


def lease_number(name: str) -> int | None:
    """The number of a lease that runs or has ended; None: no name of a lease."""
    match = _LEASE.fullmatch(name)
    return int(match[1]) if match else None


def is_lease(name: str) -> bool:
    """Whether it is the name of a file by which runs say who writes."""
    return bool(_LEASE.fullmatch(name) or _CLOCK.fullmatch(name))


def lease_text(**more: str) -> bytes:
    """A lease of this process.

    Args:
        more: a `TOKEN`, which is different for each lease.
    """
    identity = asdict(ProcessIdentity.this_process())
    return json.dumps(identity | more, indent=1, sort_keys=True).encode()


def lease_info(
    number: int, text: bytes, silent_seconds: float = 0.0
) -> LeaseInfo | None:
    """A lease as its text has it; None: nothing that a run has written."""
    try:
        value = json.loads(text)
        if type(value) is dict:
            value.pop(TOKEN, None)
        holder = ProcessIdentity(**value)
        if not holder.plausible():
            return None
    except (ValueError, TypeError, RecursionError):
        if text[:1] not in (b"", b"{") or text.endswith(b"}"):
            return None  # nothing that a run has written, not even in part
        holder = None
    return LeaseInfo(number, holder, silent_seconds)
