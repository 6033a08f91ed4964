"""The folder of a store that is being made from others: what may be there, and its end."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from motion_shards.plain_text import size_text
from pipeline.driver.plan_file import read_plan
from pipeline.driver.publish import clear_arriving, prepare
from pipeline.driver.resume import is_new, require_files
from pipeline.errors import DamagedPlan, NoPlan
from pipeline.store import Location
from pipeline.store.errors import AddressError, LayoutError, StoreError
from pipeline.store.file_names import MANIFEST, PLAN
from pipeline.store.files import committed, current_manifest, read_commit, require_index
from pipeline.store.lease import Lease, hold
from pipeline.store.manifest import Manifest
from pipeline.store.replacement import name_file

from .errors import ManagementError

SPARE_BYTES = 64 << 20
"""Space for texts that stays free on the disk."""


@contextmanager
def writing(
    folder: Path, sources: Collection[Location], fingerprints: Collection[str]
) -> Iterator[Lease]:
    """The right to write a new store, or to go on with one that was begun.

    Args:
        folder: nothing, an empty folder, or what an interrupted call has left.
        sources: folders or addresses of the stores that are read.
        fingerprints: of the states of the store that is made: an interrupted copy of
            one of them is continued.

    Raises:
        ManagementError: the folder is one of the sources, or holds something else.
        FolderHeld: another run writes it.
    """
    for source in sources:
        if not isinstance(source, Path):
            continue
        here, there = Path(os.path.realpath(folder)), source.resolve()
        if here == there or there in here.parents or here in there.parents:
            raise ManagementError(
                f"{folder}: expected a folder apart from {source}, which is read"
            )
    if not is_new(folder) and not _is_begun(folder):
        raise ManagementError(
            f"{folder}: expected a new folder, or an interrupted copy, got something else"
        )
    require_same(folder, fingerprints)
    prepare(folder)
    with hold(folder) as lease:
        clear_arriving(folder)
        prepare(folder)
        require_same(folder, fingerprints)
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


def require_same(folder: Location, fingerprints: Collection[str]) -> None:
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


def _states(folder: Location) -> Iterator[str]:
    """Fingerprints that the texts in a folder have; of an address, one commit's."""
    try:
        yield read_plan(folder).fingerprint
    except (NoPlan, DamagedPlan):
        pass
    if (manifest := earlier(folder)) is not None:
        yield manifest.fingerprint
    commits = committed(folder)
    for modality, shard in commits if isinstance(folder, Path) else commits[:1]:
        with suppress(LayoutError):
            if commit := read_commit(folder, modality, shard):
                yield commit.fingerprint


def earlier(folder: Location) -> Manifest | None:
    """The manifest that readers of a folder see now; None without one.

    Raises:
        AddressError: an address does not answer, or refuses.
    """
    try:
        return current_manifest(folder)
    except AddressError:
        raise
    except StoreError:
        return None


def index_fits(folder: Location, manifest: Manifest) -> bool:
    """Whether the index is the one that a manifest names.

    Raises:
        AddressError: an address does not answer, or refuses.
    """
    try:
        require_index(folder, manifest)
    except LayoutError:
        return False
    return True


def require_space(folder: Path, missing_bytes: int) -> None:
    """
    Raises:
        ManagementError: the disk has no room for this many bytes.
    """
    free = shutil.disk_usage(folder).free
    if free < missing_bytes + SPARE_BYTES:
        raise ManagementError(
            f"{folder}: expected {size_text(missing_bytes + SPARE_BYTES)} of free space, "
            f"got {size_text(free)}"
        )
