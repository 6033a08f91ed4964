"""A copy of a store, or of some of its modalities: its files byte for byte."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from xxhash import xxh3_128

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import write_plan
from pipeline.driver.publish import Destination
from pipeline.driver.resume import readable_plan
from pipeline.extract.settings import COMMON, ExtractSettings
from pipeline.store import Location, RemotePath, StoredVideo
from pipeline.store.columns import ADVICE
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import ARRIVING, PLAN
from pipeline.store.files import HASH_BLOCK_BYTES, open_regular, read_commit
from pipeline.store.index import IndexRecord
from pipeline.store.lease import Lease
from pipeline.store.manifest import Manifest

from .destination import earlier, index_fits, require_space, writing
from .outcome import Outcome, Progress
from .source import Source
from .texts import record_of, write_texts

Describe = Callable[
    [Iterable[StoredVideo], Manifest], tuple[Iterator[IndexRecord], Manifest]
]
"""Videos and manifest of a source -> lines of the index and manifest of the copy."""


def copy_whole(
    source: Source,
    modalities: tuple[str, ...],
    there: Destination,
    *,
    link: bool = False,
    describe: Describe | None = None,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Copy the files of some modalities of a store; each is hashed while it is copied.

    An interrupted copy is resumed, also one of the store as it was before it grew: files
    with a commit and of the right size stay.

    Args:
        link: make hard links where the disk allows it: these are not read.
        describe: gives the lines of the index and the manifest, where they are not those
            of the source; such a copy is never taken as finished.

    Raises:
        ManagementError: something else is there, or the disk is full.
        LayoutError: a file of the source is not the one that its manifest names.
        FolderHeld: another run writes the folder.
    """
    states = [state.fingerprint for state in source.manifest.states]

    def files() -> list[Commit]:
        return list(_missing(source, modalities, there))

    with writing(there, [source.folder], states, files) as lease:
        folder = there.folder
        old = earlier(folder)
        kept = tuple(old.modalities) if old else ()
        wanted = tuple(m for m in source.store.modalities if m in {*modalities, *kept})
        work = list(_missing(source, wanted, there))
        require_space(there, work)
        total = sum(commit.bytes for commit in work)
        if source.plan is not None:
            write_plan(folder, _plan(source.plan, source, wanted, folder))
            there.wrote(PLAN)
        done = 0

        def tell(copied: int) -> None:
            nonlocal done
            done += copied
            progress(done, total)

        for commit in work:
            # what goes on to an address is compared with its hash there
            linked = link or there.local
            _copy_file(source, commit, there, tell, lease, link=linked)
        lease.require()
        made = _manifest(source, wanted)
        if describe is not None:
            records, made = describe(source.videos(), made)
        else:
            records = _records(source, wanted)
        if describe is None and old == made and index_fits(folder, old):
            made = old
        else:
            made = write_texts(folder, records, made, old=old, written=there.wrote)
    action = "copied" if describe is None else "relabelled"
    return Outcome.of(there, made, copied=total, action=action)


def _missing(
    source: Source, modalities: tuple[str, ...], there: Destination
) -> Iterator[Commit]:
    """The commits of the source whose files are not there yet, by size and commit."""
    for commit in source.commits(modalities):
        try:
            known = read_commit(there.folder, commit.modality, commit.shard)
        except LayoutError:
            known = None
        if known != commit or not there.intact(commit.record, hashed=False):
            yield commit


def _copy_file(
    source: Source,
    commit: Commit,
    there: Destination,
    tell: Callable[[int], None],
    lease: Lease,
    *,
    link: bool,
) -> None:
    """Copy one shard file and publish it.

    Raises:
        LayoutError: the file is missing, or not the one of its commit.
        AddressError: an address does not answer, or refuses.
    """
    path = there.folder / ARRIVING / f"{uuid4().hex}.h5"
    file = source.folder / commit.file
    if link and isinstance(file, Path) and _linked(file, path, commit):
        lease.require()
        there.publish(path, commit)
        tell(commit.bytes)
        return
    _fetch(file, path, commit, tell)
    lease.require()
    there.publish(path, commit)


def _fetch(
    file: Location, path: Path, commit: Commit, tell: Callable[[int], None]
) -> None:
    """Write a shard file to a new one, flushed to disk and compared with its hash."""
    digest = xxh3_128()

    def count(block: bytes) -> None:
        digest.update(block)
        tell(len(block))

    with path.open("xb") as writing:
        try:
            if isinstance(file, RemotePath):
                file.copy_to(writing, count)
            else:
                with open_regular(file) as reading:
                    while block := reading.read(HASH_BLOCK_BYTES):
                        count(block)
                        writing.write(block)
        except FileNotFoundError:
            path.unlink()
            raise LayoutError(
                f"{file}: expected a shard of this store, got nothing; {ADVICE}"
            ) from None
        writing.flush()
        os.fsync(writing.fileno())
    if (xxh3 := digest.hexdigest()) != commit.xxh3:
        path.unlink()
        raise LayoutError(
            f"{file}: expected xxh3 {commit.xxh3}, got {xxh3}: the file has changed "
            f"since it was written; {ADVICE}"
        )


def _linked(file: Path, path: Path, commit: Commit) -> bool:
    """Whether a hard link to a file of the right size could be made."""
    try:
        os.link(file, path, follow_symlinks=False)
    except OSError:
        return False
    if path.is_symlink() or path.stat().st_size != commit.bytes:
        path.unlink()
        return False
    return True


def _plan(
    plan: StorePlan, source: Source, modalities: tuple[str, ...], folder: Path
) -> StorePlan:
    """The plan of the source with the settings of the modalities that are copied, and of
    those that the copy has."""
    settings, before = source.settings(modalities), readable_plan(folder)
    if before is not None:
        known = {**before.settings.to_record(), **settings.to_record()}
        settings = ExtractSettings.from_record(known)
    return replace(plan, settings=settings)


def _records(source: Source, modalities: tuple[str, ...]) -> Iterator[IndexRecord]:
    for video in source.videos():
        record = record_of(video, modalities)
        if record.rows:
            yield record


def _manifest(source: Source, modalities: tuple[str, ...]) -> Manifest:
    """The manifest of the source, of some modalities."""
    manifest = source.manifest
    return replace(
        manifest,
        settings={
            name: settings
            for name, settings in manifest.settings.items()
            if name == COMMON or name in modalities
        },
        modalities={m: manifest.modalities[m] for m in modalities},
        bad={**manifest.bad, **_without_rows(source, modalities)},
    )


def _without_rows(source: Source, modalities: tuple[str, ...]) -> dict[str, str]:
    """Videos that are stored in other modalities only -> the reason."""
    return {
        video.id: source.why_left_out(video.id, modalities[0])[0]
        for video in source.videos()
        if not any(name in video.rows for name in modalities)
    }
