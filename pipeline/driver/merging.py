"""Commits -> index and manifest, which make the store readable."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_128

from pipeline.adapters.videos import DataSet, Video
from pipeline.extract.settings import COMMON
from pipeline.store.commit import Commit, VideoRecord
from pipeline.store.errors import LayoutError, OtherLayout, StoreError
from pipeline.store.file_names import INDEX, MANIFEST, commit_file
from pipeline.store.files import (
    content_hash,
    current_manifest,
    index_lines,
    write_index,
)
from pipeline.store.index import IndexRecord, Rows
from pipeline.store.manifest import FileRecord, Manifest, ModalityRecord
from pipeline.store.sealing import write_sealed

from .plan import StorePlan
from .publish import Destination, destination, read_commits
from .sides import read_sides

NO_INDEX = "99aa06d3014798d86001c324468d497f"
"""xxh3-128 of nothing."""
AGREED = ("path", "size_bytes", "xxh3", "frames", "height", "width", "fps", "codec")
"""Fields of a video in which all its commits must agree."""


def merge(
    plan: StorePlan,
    dataset: DataSet,
    store: Path | Destination,
    asked: Sequence[str] = (),
) -> Manifest:
    """Write index and manifest from the commits.

    Splits that an earlier run wrote are kept where this one brings none of their name.

    Args:
        asked: modalities of which every shard must be committed.

    Returns:
        The manifest; its `videos` is the number of stored videos.

    Raises:
        LayoutError: a commit or file is missing, damaged, or disagrees with another.
    """
    there = destination(store)
    folder = there.folder
    old = earlier_manifest(folder)
    merging = _Merging(plan, dataset, there, old, asked)

    def announce(xxh3: str) -> None:
        """For a moment readers find the new index beside the old manifest."""
        if old is not None and xxh3 not in old.index:
            both = replace(old, next=merging.manifest(xxh3).to_dict())
            write_sealed(folder / MANIFEST, both.to_dict())
            there.wrote(MANIFEST)

    records = merging.records()  # by id, as the shards are: none of them is held
    first = next(records, None)
    if first is None:
        return merging.manifest(NO_INDEX)
    lines = chain([first], records)
    xxh3 = write_index(folder, lines, ordered=True, before=announce)
    there.wrote(INDEX)
    manifest = merging.manifest(xxh3)
    write_sealed(folder / MANIFEST, manifest.to_dict())
    there.wrote(MANIFEST)
    return manifest


def merged_already(
    plan: StorePlan, dataset: DataSet, store: Path, asked: Sequence[str]
) -> Manifest | None:
    """The manifest, if `merge` would change neither it nor the index. Writes nothing.

    Raises:
        LayoutError: as in `merge`.
    """
    old = earlier_manifest(store)
    if old is None:
        return None
    there = destination(store)
    merging, state = _Merging(plan, dataset, there, old, asked), xxh3_128()
    for line in index_lines(merging.records()):
        state.update(line)
    manifest = merging.manifest(state.hexdigest())
    if manifest != old or content_hash(store / INDEX) != state.hexdigest():
        return None
    return manifest


def earlier_manifest(store: Path) -> Manifest | None:
    """The manifest that readers see now; None without one, or if it cannot be read.

    Raises:
        OtherLayout: it is of another version of the layout.
    """
    try:
        return current_manifest(store)
    except OtherLayout:
        raise
    except StoreError:
        return None


class _Kept(NamedTuple):
    """Splits of the store that the data set of this run does not have."""

    kinds: Mapping[str, str]
    members: Mapping[str, Mapping[str, str]]
    """Video -> split -> train or test."""


class _Merging:
    """One pass over all commits. Call `manifest` after all `records` were taken."""

    def __init__(
        self,
        plan: StorePlan,
        dataset: DataSet,
        store: Destination,
        old: Manifest | None,
        asked: Sequence[str],
    ) -> None:
        self._plan, self._dataset, self._there = plan, dataset, store
        self._store = store.folder
        self._kept = _kept_splits(self._store, old, set(dataset.splits))
        self._complete = [
            m for m in plan.modalities if _is_complete(plan, m, self._store)
        ]
        for modality in asked:
            if modality not in self._complete:
                raise LayoutError(
                    f"{self._store}: expected a commit of every shard of {modality}, got fewer: "
                    "some were removed while this run was on; run it again"
                )
        self._bad = dict(dataset.unusable)
        self._unavailable: dict[str, str] = {}
        self._files: dict[str, dict[int, FileRecord]] = {m: {} for m in self._complete}
        self._count = 0

    def records(self) -> Iterator[IndexRecord]:
        """The lines of the index, in the order of their ids."""
        videos = {video.id: video for video in self._dataset.videos}
        ends = [state.shards for state in self._plan.states]
        generations = [
            self._records_of(range(first, end), videos)
            for first, end in pairwise([0, *ends])
        ]
        for record in heapq.merge(*generations, key=lambda record: record.id):
            self._count += 1
            yield record

    def _records_of(
        self, shards: Iterable[int], videos: Mapping[str, Video]
    ) -> Iterator[IndexRecord]:
        """The lines of the videos of one generation, in the order of their ids."""
        for shard in shards:
            wanted = self._commits(shard)
            stored = {video.id for commit in wanted for video in commit.videos}
            # not `stored - videos.keys()`, which looks at all videos for each shard
            if odd := [name for name in stored if name not in videos]:
                raise LayoutError(
                    f"{self._store}: shard {shard}: expected videos of the plan, got "
                    f"{min(odd)!r} in a commit"
                )
            for commit in wanted:
                self._unavailable.update(commit.unavailable)
                self._bad.update(
                    {n: why for n, why in commit.bad.items() if n not in stored}
                )
            yield from _index_records(wanted, videos, self._kept.members)

    def manifest(self, index: str) -> Manifest:
        """The manifest beside an index of this hash, once all records were taken."""
        plan = self._plan
        return Manifest(
            dataset=plan.dataset,
            classes=self._dataset.classes,
            splits={**self._kept.kinds, **self._dataset.splits},
            mirror_safe=self._dataset.mirror_safe,
            settings={COMMON: plan.settings.common_record()}
            | {name: plan.settings.modality_record(name) for name in self._complete},
            fingerprint=plan.fingerprint,
            shards=plan.shards,
            modalities={
                modality: ModalityRecord(
                    codec=plan.settings.codec(modality).to_dict(),
                    files=tuple(self._files[modality][k] for k in range(plan.shards)),
                )
                for modality in self._complete
            },
            videos=self._count,
            index=(index,),
            bad={n: self._bad[n] for n in sorted(self._bad.keys() - self._unavailable)},
            unavailable=dict(sorted(self._unavailable.items())),
            earlier=plan.states[:-1],
        )

    def _commits(self, shard: int) -> list[Commit]:
        damages: dict[str, str] = {}
        found = read_commits(
            self._store,
            shard,
            self._plan.fingerprint_of(shard),
            damaged=damages.__setitem__,
        )
        commits = []
        for modality in self._complete:
            if modality not in found:
                reason = damages.get(modality, "it is missing, or of another store")
                raise LayoutError(
                    f"shard {shard} of {modality} has no commit: extract {modality} again "
                    f"({self._store / commit_file(modality, shard)}: {reason})"
                )
            commit = found[modality]
            if not self._there.intact(commit.record, hashed=False):
                raise LayoutError(
                    f"{self._store / commit.file}: expected the file of its commit, got "
                    f"none of {commit.bytes:,} bytes: it was removed or changed; extract "
                    f"{modality} again"
                )
            self._files[modality][shard] = commit.record
            commits.append(commit)
        _require_agreement(commits)
        return commits


def _require_agreement(commits: Sequence[Commit]) -> None:
    known: dict[str, tuple[Commit, VideoRecord]] = {}
    for commit in commits:
        for video in commit.videos:
            other, before = known.setdefault(video.id, (commit, video))
            for name in AGREED:
                if getattr(before, name) != getattr(video, name):
                    raise LayoutError(
                        f"{video.id}: {name}: expected {getattr(before, name)!r} as in the "
                        f"commit of {other.file}, got {getattr(video, name)!r} in that of "
                        f"{commit.file}: remove the commit that is wrong and run again"
                    )


def _is_complete(plan: StorePlan, modality: str, store: Path) -> bool:
    return all(
        (store / commit_file(modality, shard)).exists() for shard in range(plan.shards)
    )


def _kept_splits(store: Path, old: Manifest | None, fresh: set[str]) -> _Kept:
    kinds = old.splits if old else {}
    kinds = {name: kind for name, kind in kinds.items() if name not in fresh}
    if not old or not kinds:
        return _Kept({}, {})
    try:
        members = read_sides(store, old, kinds.keys())
    except LayoutError as error:
        raise LayoutError(
            f"{error}: it alone says which videos belong to {', '.join(kinds)}: give the "
            f"lists of these splits again, or remove {MANIFEST} to go on without them"
        ) from None
    return _Kept(kinds, members)


def _index_records(
    commits: Sequence[Commit],
    videos: Mapping[str, Video],
    kept: Mapping[str, Mapping[str, str]],
) -> Iterator[IndexRecord]:
    found: dict[str, dict[str, VideoRecord]] = {}
    for commit in commits:
        for record in commit.videos:
            found.setdefault(record.id, {})[commit.modality] = record
    for name, by_modality in sorted(found.items()):
        video, first = videos[name], next(iter(by_modality.values()))
        flow, mv = by_modality.get("flow"), by_modality.get("mv")
        damaged = max(record.damaged for record in by_modality.values())
        yield IndexRecord(
            **{**first.facts(), "damaged": damaged},
            labels=video.labels,
            splits={**kept.get(name, {}), **video.splits},
            group=video.group,
            segments=tuple(
                (s.label, s.start_seconds, s.stop_seconds) for s in video.segments
            ),
            clipped_share=flow.clipped / max(flow.values, 1) if flow else None,
            known_share=mv.known / mv.rows if mv and mv.rows else None,
            rows={
                modality: Rows(commits[0].shard, record.first, record.rows)
                for modality, record in by_modality.items()
            },
        )
