"""Publishing of finished files: rename into the store, then commit.

Readers ignore a file without its commit, so a crash between any two lines here leaves
nothing half-visible, and costs at most this one shard. Where a store is published is a
`Destination`: its folder, or an address (`addressed`).
"""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from motion_shards.choices import MODALITIES
from pipeline.errors import SourceChanged
from pipeline.shard.task import ShardReport
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import ARRIVING, COMMITS, LOGS, commit_file
from pipeline.store.files import (
    content_hash,
    read_commit,
)
from pipeline.store.lease import Lease, hold
from pipeline.store.manifest import FileRecord
from pipeline.store.replacement import (
    name_file,
    remove_parts,
    require_plain_folder,
    sync_folder,
)
from pipeline.store.sealing import write_sealed

LIBRARIES = ("av", "h5py", "numba", "numpy", "opencv-contrib-python")


class Destination(Protocol):
    """The store that a run publishes, in its folder or elsewhere. As text its name."""

    folder: Path
    """Has the store's plan, commits, index and manifest, and takes shards that arrive."""
    local: bool
    """Whether `folder` may be only of this machine, whatever else is shared."""

    def shown(self, text: str) -> str:
        """A message about `folder`, as one about the store."""

    def prepare(self) -> None:
        """Make what a run needs before it asks for the lease."""

    def hold(self, say: Callable[[str], None]) -> AbstractContextManager[Lease]:
        """Keep every other run out, as `hold`; what is in `folder` then stays true."""

    def intact(self, file: FileRecord, *, hashed: bool) -> bool:
        """Whether a committed file is there with its size, and its content if asked."""

    def publish(self, arrived: Path, commit: Commit) -> None:
        """Make one file in the folder's `_tmp` part of the store, and remove it there."""

    def wrote(self, name: str) -> None:
        """A text in `folder` was replaced: it becomes part of the store."""

    def dropped(self, name: str) -> None:
        """A text in `folder` was removed: it is no part of the store any more."""


class FolderStore:
    """A store in its own folder: see `Destination`."""

    local = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def shown(self, text: str) -> str:
        return text

    def prepare(self) -> None:
        prepare(self.folder)

    def hold(self, say: Callable[[str], None]) -> AbstractContextManager[Lease]:
        return hold(self.folder, say=say)

    def intact(self, file: FileRecord, *, hashed: bool) -> bool:
        return intact(file, self.folder, hashed=hashed)

    def publish(self, arrived: Path, commit: Commit) -> None:
        publish_file(arrived, commit, self.folder)

    def wrote(self, name: str) -> None:
        pass

    def dropped(self, name: str) -> None:
        pass


def destination(store: "Path | Destination") -> Destination:
    """A folder as the destination that it is."""
    return FolderStore(store) if isinstance(store, Path) else store


def publish(report: ShardReport, store: Path | Destination) -> None:
    """Make the files of a delivered shard part of the store. Only the driver does this.

    The published file stays where the new one lacks some of its videos, because their
    sources are missing now.

    Raises:
        SourceChanged: a video has another content than in a modality published before.
    """
    plan, there = report.plan, destination(store)
    _require_same_sources(report, there.folder)
    for modality, arrived in report.files.items():
        if _would_lose(report, modality, there):
            arrived.unlink(missing_ok=True)
            continue
        file = report.delivered[modality]
        commit = Commit(
            fingerprint=plan.fingerprint,
            modality=modality,
            shard=plan.shard,
            **file._asdict(),
            settings=plan.settings.modality_record(modality),
            codec=plan.codec(modality).to_dict(),
            videos=tuple(report.records[modality]),
            bad=report.bad,
            unavailable=report.unavailable,
            versions=_versions(),
            made_with=report.flow_made_with if modality == "flow" else {},
        )
        there.publish(arrived, commit)


def publish_file(arrived: Path, commit: Commit, store: Path) -> None:
    """Make one file in the store's `_tmp`, flushed to disk, part of the store."""
    path = store / commit_file(commit.modality, commit.shard)
    path.unlink(missing_ok=True)  # of a damaged file: it goes before its file does
    try:
        os.replace(arrived, store / commit.file)
    except OSError as error:
        name_file(error, store / commit.file, arrived)
        raise
    sync_folder(store)
    write_sealed(path, commit.to_dict())


def _would_lose(report: ShardReport, modality: str, store: Destination) -> bool:
    before = read_commits(store.folder, report.plan.shard, report.plan.fingerprint)
    if (commit := before.get(modality)) is None:
        return False
    now = {video.id for video in report.records[modality]}
    if all(video.id in now for video in commit.videos):
        return False
    return store.intact(commit.record, hashed=True)


def _require_same_sources(report: ShardReport, store: Path) -> None:
    plan = report.plan
    for other in read_commits(store, plan.shard, plan.fingerprint).values():
        before = {video.id: video for video in other.videos}
        for modality, records in report.records.items():
            for video in records:
                known = before.get(video.id, video)
                if (known.xxh3, known.frames) != (video.xxh3, video.frames):
                    raise SourceChanged(
                        f"{video.id}: expected the content of its {other.modality} "
                        f"({known.frames} frames, {known.xxh3}), got {video.frames} "
                        f"frames, {video.xxh3} for {modality}: the file has changed"
                    )


def read_commits(
    store: Path,
    shard: int,
    fingerprint: str,
    *,
    damaged: Callable[[str, str], None] = lambda modality, reason: None,
) -> dict[str, Commit]:
    """The commits of a shard by modality, if they are of this plan.

    Args:
        damaged: called with modality and reason for each commit that cannot be read;
            such commits count as missing.
    """
    found = {}
    for modality in MODALITIES:
        try:
            commit = read_commit(store, modality, shard)
        except LayoutError as error:
            damaged(modality, str(error))
            continue
        if commit is not None and commit.fingerprint == fingerprint:
            found[modality] = commit
    return found


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in LIBRARIES}


def intact(file: FileRecord, store: Path, *, hashed: bool) -> bool:
    """Whether a committed file is there with its size, and with its content if asked."""
    path = store / file.file
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return not hashed or content_hash(path) == file.xxh3


def clear_arriving(store: Path) -> None:
    """Remove files of attempts that died. Only for the run that holds the lease."""
    shutil.rmtree(store / ARRIVING, ignore_errors=True)
    for folder in (store, store / COMMITS, store / LOGS):
        remove_parts(folder)


def prepare(store: Path) -> None:
    """Make the folders of a store.

    Raises:
        LayoutError: one of them is a link: nothing is written through it.
    """
    for name in (COMMITS, ARRIVING, LOGS):
        if not os.path.lexists(store / name):
            (store / name).mkdir(parents=True, exist_ok=True)
        require_plain_folder(store / name)
