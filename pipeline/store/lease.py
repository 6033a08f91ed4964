"""Exclusive right to write a folder: one run at a time, on a local or a shared disk.

The folder is a store that is extracted, or that of a training run.

`_logs/holder-00017.json` is the lease of the 17th run that wrote here. Only the highest
number counts. A run that follows one that is over makes the file of the next number. It is
made with O_EXCL: of several runs that try, one succeeds, and there is nothing to unlock.
File locks are not used: network file systems lose them, or only pretend to have them.

Whether a run is over:

- it said so at its end, by renaming its file to `holder-00017.ended`;
- it ran in this process space: its process is gone, or another one has its number now;
- elsewhere: it touches its file every few seconds. It is taken for dead when the file is
  old by the clock of the file server, and stays untouched while one watches.

A run that was asleep so long that another one followed notices before it publishes.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import FolderHeld
from .lease_folder import FolderLeases
from .lease_place import STALE_SECONDS, LeaseInfo, LeasePlace

BEAT_SECONDS = 10.0


def holder_of(written: Path | LeasePlace) -> LeaseInfo | None:
    """The run that writes a folder, or was killed while writing it; None after an ordinary end.

    Changes nothing that outlives the call, and needs no right to write.
    """
    place = _place(written)
    number = place.newest()
    return place.found(number) if number else None


class Lease:
    """The right to write a store, while it lasts."""

    def __init__(self, place: LeasePlace, number: int) -> None:
        self._place, self._number = place, number

    def require(self) -> None:
        """
        Raises:
            FolderHeld: another run has followed this one, or its mark was removed.
        """
        if self._place.holds(self._number):
            return
        number = self._place.newest()
        if number <= self._number:
            raise FolderHeld(
                f"{self._place}: the mark of this run is gone: expected that nobody removes "
                "what is being written"
            )
        found = self._place.found(number)
        who = f": {found.text()}" if found else ""
        raise FolderHeld(
            f"{self._place}: this run was silent for so long that another one took "
            f"over{who}"
        )

    def beat(self) -> None:
        """Say that this run is alive."""
        self._place.beat(self._number)

    def end(self) -> None:
        """Leave the store to others."""
        self._place.end(self._number)


@contextmanager
def hold(
    written: Path | LeasePlace,
    *,
    beat_seconds: float = BEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Lease]:
    """Keep every other run out of a store.

    Args:
        written: its folder, in which that for logs exists, or where its leases are.
        say: called when a silent run is watched before this one follows it, which takes
            two beats.

    Raises:
        FolderHeld: another run writes it; the line says who, and since when.
    """
    place = _place(written)
    lease = _taken(place, beat_seconds, stale_seconds, say)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(beat_seconds):
            lease.beat()

    beating = threading.Thread(target=beat, name="lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        over.set()
        beating.join()
        lease.end()


def _place(written: Path | LeasePlace) -> LeasePlace:
    return FolderLeases(written) if isinstance(written, Path) else written


def _taken(
    place: LeasePlace,
    beat_seconds: float,
    stale_seconds: float,
    say: Callable[[str], None],
) -> Lease:
    number = place.newest()
    while True:
        found = place.found(number) if number else None
        if found and not _over(place, found, beat_seconds, stale_seconds, say):
            raise FolderHeld(
                f"{place}: another run is writing here: {found.text()}"
                + _advice(found, stale_seconds)
            )
        number += 1
        if not place.make(number):
            continue  # another run was faster: look at that one
        newest = place.newest()
        if newest > number:  # used and removed since our listing
            place.remove(number)
            number = newest
            continue
        place.remove_older(number)
        return Lease(place, number)


def _over(
    place: LeasePlace,
    found: LeaseInfo,
    beat_seconds: float,
    stale_seconds: float,
    say: Callable[[str], None],
) -> bool:
    alive = found.holder.alive() if found.holder else None
    if alive is not None:
        return not alive
    if found.silent_seconds < stale_seconds:
        return False
    # Where the server itself was away, all files are old: a living run beats again.
    say(f"waiting {2 * beat_seconds:.0f} s to see whether it is alive: {found.text()}")
    before = place.stamp(found.number)
    time.sleep(2 * beat_seconds)
    return place.stamp(found.number) == before


def _advice(found: LeaseInfo, stale_seconds: float) -> str:
    if not found.holder or found.holder.alive() is None:
        return (
            " (if it is dead, try again when it has been silent for "
            f"{stale_seconds:.0f} s)"
        )
    return ""
