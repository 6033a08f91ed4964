"""A copy of a store, or of some of its modalities: its files byte for byte."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import compress, islice
from pathlib import Path
from uuid import uuid4

from xxhash import xxh3_128

from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import write_plan
from pipeline.driver.publish import intact, publish_file
from pipeline.driver.resume import readable_plan
from pipeline.extract.settings import COMMON, ExtractSettings
from pipeline.store import Location, RemotePath, StoredVideo
from pipeline.store.columns import ADVICE
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import ARRIVING
from pipeline.store.files import HASH_BLOCK_BYTES, open_regular, read_commit
from pipeline.store.in_flight import IN_FLIGHT
from pipeline.store.index import IndexRecord
from pipeline.store.lease import Lease
from pipeline.store.manifest import Manifest
from pipeline.store.upload import is_there

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
    out: Path,
    *,
    link: bool = False,
    describe: Describe | None = None,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Copy the files of some modalities of a store; each is hashed while it is copied.

    An interrupted copy goes on: files with a commit and of the right size stay. So does
    one of the store as it was before it grew.

    Args:
        link: make hard links where the disk allows it: these are not read.
        describe: gives the lines of the index and the manifest, where they are not those
            of the source; such a copy is never taken as finished.

    Raises:
        ManagementError: the folder holds something else, or the disk is full.
        LayoutError: a file of the source is not the one that its manifest names.
        FolderHeld: another run writes the folder.
    """
    states = [state.fingerprint for state in source.manifest.states]
    with writing(out, [source.folder], states) as lease:
        there = earlier(out)
        kept = tuple(there.modalities) if there else ()
        wanted = tuple(m for m in source.store.modalities if m in {*modalities, *kept})
        work = list(missing_commits(source, wanted, out))
        total = sum(commit.bytes for commit in work)
        require_space(out, total)
        if source.plan is not None:
            write_plan(out, plan_of(source.plan, source, wanted, readable_plan(out)))
        done = 0

        def tell(copied: int) -> None:
            nonlocal done
            done += copied
            progress(done, total)

        for commit in work:
            _copy_file(source, commit, out, tell, lease, link=link)
        lease.require()
        manifest = manifest_of(source, wanted)
        if describe is not None:
            there = write_texts(out, *describe(source.videos(), manifest), old=there)
        elif there is None or there != manifest or not index_fits(out, there):
            there = write_texts(out, records_of(source, wanted), manifest, old=there)
    if describe is not None:
        return Outcome.of(out, there, copied=total, action="relabelled")
    return Outcome.of(out, there, copied=total)


def missing_commits(
    source: Source, modalities: tuple[str, ...], out: Location
) -> Iterator[Commit]:
    """The commits of the source whose files are not there yet, by size and commit.

    Raises:
        AddressError: an address does not answer, or refuses.
    """

    def is_missing(commit: Commit) -> bool:
        try:
            there = read_commit(out, commit.modality, commit.shard)
        except LayoutError:
            return True
        if there != commit:
            return True
        if isinstance(out, RemotePath):
            return not is_there(out / commit.file, commit.record)
        return not intact(commit.record, out, hashed=False)

    commits = source.commits(modalities)
    if not isinstance(out, RemotePath):
        yield from filter(is_missing, commits)
        return
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        while some := list(islice(commits, IN_FLIGHT)):
            missing = threads.map(is_missing, some)
            yield from compress(some, missing)


def _copy_file(
    source: Source,
    commit: Commit,
    out: Path,
    tell: Callable[[int], None],
    lease: Lease,
    *,
    link: bool,
) -> None:
    path = out / ARRIVING / f"{uuid4().hex}.h5"
    file = source.folder / commit.file
    if link and isinstance(file, Path) and _linked(file, path, commit):
        lease.require()
        publish_file(path, commit, out)
        return
    fetch(source, commit, path, tell)
    lease.require()
    publish_file(path, commit, out)


def fetch(
    source: Source, commit: Commit, path: Path, tell: Callable[[int], None]
) -> None:
    """Write a file of the source to a new file, flushed to disk and compared with its hash.

    Args:
        tell: called with the number of bytes of each block.

    Raises:
        LayoutError: the file is missing, or not the one of its commit.
        AddressError: the address does not answer, or refuses.
    """
    there, digest = source.folder / commit.file, xxh3_128()

    def count(block: bytes) -> None:
        digest.update(block)
        tell(len(block))

    with path.open("xb") as writing:
        try:
            if isinstance(there, RemotePath):
                there.copy_to(writing, count)
            else:
                with open_regular(there) as reading:
                    while block := reading.read(HASH_BLOCK_BYTES):
                        count(block)
                        writing.write(block)
        except FileNotFoundError:
            path.unlink()
            raise LayoutError(
                f"{there}: expected a shard of this store, got nothing; {ADVICE}"
            ) from None
        writing.flush()
        os.fsync(writing.fileno())
    if (xxh3 := digest.hexdigest()) != commit.xxh3:
        path.unlink()
        raise LayoutError(
            f"{there}: expected xxh3 {commit.xxh3}, got {xxh3}: the file has changed "
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


def plan_of(
    plan: StorePlan,
    source: Source,
    modalities: tuple[str, ...],
    before: StorePlan | None,
) -> StorePlan:
    """The plan of the source with the settings of the modalities that are copied, and of
    those that the copy has.

    Args:
        before: the plan that the copy has.
    """
    settings = source.settings(modalities)
    if before is not None:
        known = {**before.settings.to_record(), **settings.to_record()}
        settings = ExtractSettings.from_record(known)
    return replace(plan, settings=settings)


def records_of(source: Source, modalities: tuple[str, ...]) -> Iterator[IndexRecord]:
    """The lines of the index for some modalities, by id."""
    for video in source.videos():
        record = record_of(video, modalities)
        if record.rows:
            yield record


def manifest_of(source: Source, modalities: tuple[str, ...]) -> Manifest:
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
