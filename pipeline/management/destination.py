"""The place of a store that is made from others: checks before, and completion."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from motion_shards.plain_text import size_text
from motion_shards.store_address import is_address, local_path
from pipeline.driver.addressed import addressed
from pipeline.driver.plan_file import read_plan
from pipeline.driver.publish import (
    Destination,
    FolderStore,
    clear_arriving,
    prepare,
)
from pipeline.driver.resume import is_new, require_files
from pipeline.errors import DamagedPlan, NoPlan
from pipeline.store import Location, RemotePath
from pipeline.store.errors import LayoutError, StoreError
from pipeline.store.file_names import MANIFEST, PLAN
from pipeline.store.files import committed, current_manifest, read_commit, require_index
from pipeline.store.lease import Lease
from pipeline.store.locations import require_apart
from pipeline.store.manifest import Manifest
from pipeline.store.replacement import name_file

from .errors import ManagementError

SPARE_BYTES = 64 << 20
"""Bytes that stay free on the disk, for the manifest, the index and commits."""


@contextmanager
def opened(out: Path | str) -> Iterator[Destination]:
    """The place of a new store: a folder, or an address as text.

    Raises:
        AddressError: an address that cannot be written, no answer, or a refusal.
        PlanError: something else than a store is at the address.
    """
    if isinstance(out, str) and is_address(out):
        with addressed(out) as there:
            yield there
    else:
        yield FolderStore(local_path(str(out)))


class Sized(Protocol):
    """A shard file to copy."""

    @property
    def bytes(self) -> int:
        """Its size, or that of its rows."""


@contextmanager
def writing(
    there: Destination,
    sources: Collection[Location],
    fingerprints: Collection[str],
    missing: Callable[[], Sequence[Sized]],
) -> Iterator[Lease]:
    """The right to write a new store, or to go on with one that was begun.

    Args:
        there: empty, or left by an interrupted call.
        sources: folders or addresses of the stores that are read.
        fingerprints: of the states of the store that is made: an interrupted copy of
            one of them is continued.
        missing: the files to copy. Room for them is required before anything is made.

    Raises:
        ManagementError: it is the place of one of the sources, or holds something else;
            or the disk has no room.
        FolderHeld: another run writes it.
    """
    folder = there.folder
    for source in sources:
        new = there.folder if isinstance(there, FolderStore) else RemotePath(str(there))
        require_apart(new, source, error=ManagementError)
    if not is_new(folder) and not _is_begun(folder):
        raise ManagementError(
            f"{folder}: expected a new folder, or an interrupted copy, got something else"
        )
    _require_same(folder, fingerprints)
    if is_new(folder):
        require_space(there, missing())
    there.prepare()
    with there.hold(lambda text: None) as lease:
        clear_arriving(folder)
        prepare(folder)
        _require_same(folder, fingerprints)
        require_files(folder)
        try:
            yield lease
        except OSError as error:
            name_file(error, folder)
            raise
        clear_arriving(folder)


def _is_begun(folder: Path) -> bool:
    return folder.is_dir() and (
        (folder / PLAN).is_file()
        or (folder / MANIFEST).is_file()
        or bool(committed(folder))
    )


def _require_same(folder: Path, fingerprints: Collection[str]) -> None:
    """
    Raises:
        ManagementError: what was begun in a folder is another store.
    """
    for found in _states(folder):
        if found not in fingerprints:
            raise ManagementError(
                f"{folder}: expected a new folder, or an interrupted copy of these videos, "
                f"got a store of others (fingerprint {found})"
            )


def _states(folder: Path) -> Iterator[str]:
    """Fingerprints in the plan, manifest and commits of a folder."""
    try:
        yield read_plan(folder).fingerprint
    except (NoPlan, DamagedPlan):
        pass
    if (manifest := earlier(folder)) is not None:
        yield manifest.fingerprint
    for modality, shard in committed(folder):
        with suppress(LayoutError):
            if commit := read_commit(folder, modality, shard):
                yield commit.fingerprint


def earlier(folder: Path) -> Manifest | None:
    """The manifest that readers of a folder see now; None without one."""
    try:
        return current_manifest(folder)
    except StoreError:
        return None


def index_fits(folder: Path, manifest: Manifest) -> bool:
    """Whether the index is the one that a manifest names."""
    try:
        require_index(folder, manifest)
    except LayoutError:
        return False
    return True


def require_space(there: Destination, missing: Sequence[Sized]) -> None:
    """
    Raises:
        ManagementError: the disk has no room for these files; before they are sent to an
            address, they lie there one at a time.
    """
    sizes = [each.bytes for each in missing]
    needed = (max(sizes, default=0) if there.local else sum(sizes)) + SPARE_BYTES
    place = Path(os.path.abspath(there.folder))
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ManagementError(
            f"{there.folder}: expected {size_text(needed)} of free space, "
            f"got {size_text(free)}"
        )
