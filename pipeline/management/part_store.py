"""A selection of videos -> a store of its own. Rows are copied as they are stored.

Every video is copied whole: of some codecs a row needs those before it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from pipeline.driver.growth import extended
from pipeline.driver.merging import merge
from pipeline.driver.plan import StorePlan, shard_ends
from pipeline.driver.plan_file import write_plan
from pipeline.driver.publish import Destination
from pipeline.driver.resume import readable_plan
from pipeline.shard.plan import PlannedVideo, ShardPlan
from pipeline.store.commit import Commit, VideoRecord
from pipeline.store.encoding import Encoded
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import ARRIVING, PLAN, shard_file
from pipeline.store.files import read_commit
from pipeline.store.lease import Lease
from pipeline.store.manifest import Manifest
from pipeline.store.shard import Entry, ShardWriter
from pipeline.store.shard_file import file_record

from .destination import earlier, index_fits, require_space, writing
from .outcome import Outcome, Progress
from .selection import Origin, Selection

ROWS_AT_ONCE = 256


def store_of(
    selection: Selection,
    modalities: Sequence[str],
    there: Destination,
    *,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Make a store of a selection, or go on where an earlier call was interrupted.

    Shard files are committed one by one; index and manifest come last. Each row is
    compared with its hash as it is read.

    Args:
        modalities: of every source; settings and codecs of all sources are equal.
        progress: called with the bytes of rows copied and of all.

    Raises:
        ManagementError: the folder holds something else, or the disk is full.
        LayoutError: a source is damaged.
        FolderHeld: another run writes the folder.
    """
    plan = _plan(selection, tuple(modalities))
    sources = {origin.source.folder: None for origin in selection.origins.values()}

    def files() -> list[_Job]:
        return list(_missing(plan, selection, there))

    with writing(there, list(sources), [plan.fingerprint], files) as lease:
        folder = there.folder
        work = files()
        require_space(there, work)
        total = sum(job.bytes for job in work)
        passed_over = selection.passed_over
        if (before := readable_plan(folder)) is not None:
            if not work and (known := _finished(plan, selection, folder)):
                return Outcome.of(there, known, copied=0, passed_over=passed_over)
            plan = extended(before, plan)
        write_plan(folder, plan)
        there.wrote(PLAN)
        done = 0

        def tell(copied: int) -> None:
            nonlocal done
            done += copied
            progress(done, total)

        for job in work:
            _copy_rows(job, plan, selection, there, tell, lease)
        lease.require()
        manifest = merge(plan, selection.dataset, there, modalities)
    copied = sum(
        manifest.modalities[job.modality].files[job.shard.shard].bytes for job in work
    )
    return Outcome.of(there, manifest, copied=copied, passed_over=passed_over)


def _plan(selection: Selection, modalities: tuple[str, ...]) -> StorePlan:
    """The plan of the new store: as if its videos had been extracted alone."""
    videos = {video.id: video for video in selection.dataset.videos}
    planned = sorted(
        [
            *(PlannedVideo(v.id, v.path, v.size_bytes) for v in videos.values()),
            *selection.left_out,
        ]
    )
    source = next(iter(selection.origins.values())).source
    frames = [
        selection.stored(video.id).frames if video.id in videos else 1
        for video in planned
    ]
    return StorePlan(
        dataset=selection.dataset.name,
        videos=tuple(planned),
        ends=tuple(shard_ends(frames)),
        settings=source.settings(modalities),
    )


class _Job(NamedTuple):
    """A shard file that is not there yet."""

    shard: ShardPlan
    modality: str
    records: Mapping[str, VideoRecord]
    """Id in the new store -> the video's record in the commit of its source."""
    reasons: Mapping[str, str]
    """Quarantined video -> reason."""
    unavailable: Mapping[str, str]
    versions: Mapping[str, str]
    made_with: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """Size of its rows."""
        return sum(record.bytes for record in self.records.values())


def _missing(
    plan: StorePlan, selection: Selection, there: Destination
) -> Iterator[_Job]:
    folder = there.folder
    for shard in range(plan.shards):
        shard_plan = plan.shard_plan(shard, plan.modalities, folder=folder)
        for modality in plan.modalities:
            try:
                commit = read_commit(folder, modality, shard)
            except LayoutError:
                commit = None
            if commit is None or not there.intact(commit.record, hashed=False):
                yield _job(shard_plan, modality, selection)


def _job(shard: ShardPlan, modality: str, selection: Selection) -> _Job:
    records: dict[str, VideoRecord] = {}
    reasons: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    commits: list[Commit] = []
    for video in shard.videos:
        origin = selection.origins[video.id]
        stored = origin.source.find(origin.video_id)
        if stored is not None and modality in stored.rows:
            commit = origin.source.commit(modality, stored.rows[modality].shard)
            records[video.id] = _record(commit, origin)
            if commit not in commits:
                commits.append(commit)
            continue
        reason, waits = origin.source.why_left_out(origin.video_id, modality)
        (unavailable if waits else reasons)[video.id] = reason
    return _Job(
        shard,
        modality,
        records,
        reasons,
        unavailable,
        _joined([commit.versions for commit in commits]),
        _joined([commit.made_with for commit in commits]),
    )


def _record(commit: Commit, origin: Origin) -> VideoRecord:
    for record in commit.videos:
        if record.id == origin.video_id:
            return record
    raise LayoutError(
        f"{origin.source.folder}: expected {origin.video_id!r} in the commit of "
        f"{commit.file}, as the index says; `pipeline verify` says what is damaged"
    )


def _joined(values: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Name -> value; several different values with commas between them."""
    found: dict[str, dict[str, None]] = {}
    for value in values:
        for name, text in value.items():
            found.setdefault(name, {})[text] = None
    return {name: ", ".join(texts) for name, texts in found.items()}


def _copy_rows(
    job: _Job,
    plan: StorePlan,
    selection: Selection,
    there: Destination,
    tell: Callable[[int], None],
    lease: Lease,
) -> None:
    """Write one shard file and publish it."""
    shard, modality = job.shard, job.modality
    path = there.folder / ARRIVING / f"{uuid4().hex}.h5"
    records: list[VideoRecord] = []
    first = 0
    with ShardWriter(path, modality=modality, codec=shard.codec(modality)) as writer:
        for video in shard.videos:
            if video.id not in job.records:
                continue
            old, origin = job.records[video.id], selection.origins[video.id]
            with writer.video(video.id, height=old.height, width=old.width) as entry:
                _copy_video(origin, modality, old, entry, tell)
            record = replace(old, id=video.id, path=video.path, first=first)
            first += record.rows
            records.append(record)
    with path.open("rb") as written:
        os.fsync(written.fileno())
    file = file_record(path, modality=modality)
    commit = Commit(
        fingerprint=shard.fingerprint,
        modality=modality,
        shard=shard.shard,
        **file._replace(file=shard_file(modality, shard.shard))._asdict(),
        settings=shard.settings.modality_record(modality),
        codec=shard.codec(modality).to_dict(),
        videos=tuple(records),
        bad=job.reasons,
        unavailable=job.unavailable,
        versions=job.versions,
        made_with=job.made_with,
    )
    lease.require()
    there.publish(path, commit)


def _copy_video(
    origin: Origin,
    modality: str,
    record: VideoRecord,
    entry: Entry,
    tell: Callable[[int], None],
) -> None:
    """Copy rows, frames and flags of one video as they are stored.

    Raises:
        LayoutError: a row is not what was written, or the index does not fit.
    """
    source = origin.source
    stored = source.store.video(origin.video_id)
    rows = stored.rows[modality]
    shard = source.rows(modality, rows.shard)
    if (rows.first, rows.num_rows) != (record.first, record.rows):
        raise LayoutError(
            f"{source.folder}: {origin.video_id}: {modality}: expected the rows of its "
            "commit, as the index says; `pipeline verify` says what is damaged"
        )
    for begin in range(rows.first, rows.first + rows.num_rows, ROWS_AT_ONCE):
        stop = min(begin + ROWS_AT_ONCE, rows.first + rows.num_rows)
        flat, bounds = shard.stored(begin, stop)
        parts = [flat[a:b] for a, b in pairwise(bounds)]
        valid = None
        if modality == "mv":
            valid = shard.valid(begin, stop).astype("uint8")
        entry.append_encoded(Encoded(rows=parts, values=0, clipped=0, valid=valid))
        tell(sum(part.nbytes for part in parts))
    frames = shard.frames_first(origin.video_id, record.frames)
    entry.append_frames(
        shard.seconds(frames, frames + record.frames),
        shard.picture_types(frames, frames + record.frames),
    )


def _finished(plan: StorePlan, selection: Selection, folder: Path) -> Manifest | None:
    """The manifest of a copy that needs nothing more."""
    manifest, dataset = earlier(folder), selection.dataset
    if manifest is None or manifest.fingerprint != plan.fingerprint:
        return None
    done = (
        manifest.classes == dataset.classes
        and dataset.splits.items() <= manifest.splits.items()
        and set(plan.modalities) <= manifest.modalities.keys()
        and index_fits(folder, manifest)
    )
    return manifest if done else None
