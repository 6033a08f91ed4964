"""The plan of a store that a run resumes, and the state that earlier runs left."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.adapters.subset import without_unusable
from pipeline.adapters.videos import DataSet
from pipeline.errors import DamagedPlan, NoPlan, PlanError
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.store.errors import LayoutError, StoreError, StoreNotFound
from pipeline.store.file_names import (
    ARRIVING,
    COMMITS,
    INDEX,
    LOGS,
    MANIFEST,
    PLAN,
    commit_file,
)
from pipeline.store.files import current_manifest, read_manifest, require_index
from pipeline.store.lease_place import is_lease
from pipeline.store.remote_path import Location
from pipeline.store.replacement import is_part
from pipeline.store.sealing import write_sealed

from .estimate import bytes_per_frame
from .growth import extended, grown, renewed
from .plan import StorePlan, new_plan
from .plan_file import read_plan, write_plan
from .publish import Destination, destination, read_commits
from .replanning import recorded, replanned

CHANGED = "the file has another size now"
"""Reason for which a video waits that was unusable when the store was planned."""


def as_planned(dataset: DataSet, out: Path, *, grow: bool = False) -> DataSet:
    """The data set without what could not be read when the store in a folder was planned.

    A resumed store keeps its plan; the reasons say that a new store would include them.

    Args:
        grow: the store takes them in, as all videos that are new.
    """
    plan = None if grow else readable_plan(out)
    return without_unusable(dataset, plan.unusable) if plan else dataset


def readable_plan(out: Location) -> StorePlan | None:
    """The plan in a folder; None where there is none, or a damaged one.

    Raises:
        PlanError: it is of another layout.
    """
    try:
        return read_plan(out)
    except (NoPlan, DamagedPlan):
        return None


def store_plan(
    dataset: DataSet,
    settings: ExtractSettings,
    *,
    out: Path,
    grow: bool = False,
    source_rate: float | None = None,
) -> StorePlan:
    """The plan of the store in a folder, extended by this run; a new one if there is none.

    Changes nothing on disk.

    Args:
        grow: add the videos that the store does not have yet.
        source_rate: bytes per frame of the source files; measured if left out.

    Raises:
        PlanError: as in `extract`.
    """
    videos = [
        PlannedVideo(video.id, video.path, video.size_bytes) for video in dataset.videos
    ]
    reason = f"{out / PLAN}: expected the plan of the store, got none"
    try:
        old = read_plan(out)
    except NoPlan:
        old = None
    except DamagedPlan as error:
        old, reason = None, str(error)
    if old is not None:
        _require_same_kind(old.settings, settings, out)
        if changed := set(videos) - set(old.videos):
            stored = _stored(old, {video.id for video in changed}, out)
            old = renewed(old, videos, stored=stored)
        if grow:
            old = grown(
                old,
                videos,
                bytes_per_frame=bytes_per_frame(dataset.folder, videos),
                unusable=dataset.unusable,
            )
        asked = replace(
            old, dataset=dataset.name, videos=tuple(videos), settings=settings
        )
        plan = extended(old, replace(asked, unusable=dataset.unusable))
        _require_all_modalities(plan, settings, out)
        return plan
    _require_store_or_new(out)
    per_frame = source_rate or bytes_per_frame(dataset.folder, videos)
    if not is_new(out):
        plan = replanned(
            dataset.name,
            videos,
            settings,
            out,
            bytes_per_frame=per_frame,
            unusable=dataset.unusable,
            reason=reason,
        )
        return extended(plan, replace(plan, settings=settings))
    return new_plan(
        dataset.name,
        videos,
        settings,
        bytes_per_frame=per_frame,
        unusable=dataset.unusable,
    )


def _require_same_kind(old: ExtractSettings, new: ExtractSettings, out: Path) -> None:
    """
    Raises:
        PlanError: videos are to be extracted into a store of imported frames, or frames
            imported into one of extracted videos.
    """
    if bool(old.imported_frames) == bool(new.imported_frames):
        return
    kinds = ("that was extracted from videos", "of imported frames")
    if not new.imported_frames:
        kinds = kinds[::-1]
    raise PlanError(
        f"{out}: expected a new store, or one {kinds[1]}, got one {kinds[0]}: neither "
        "modalities nor videos of the other kind can be added (use another --out)"
    )


def _require_all_modalities(
    plan: StorePlan, settings: ExtractSettings, out: Path
) -> None:
    """
    Raises:
        PlanError: the store grows, and a modality that it has is not asked for: it would
            lack the new videos, and so leave the manifest.
    """
    try:
        manifest = read_manifest(out)
    except StoreError:
        return
    if plan.shards <= manifest.shards:
        return
    new = range(manifest.shards, plan.shards)
    for modality in manifest.modalities:
        there = all((out / commit_file(modality, shard)).exists() for shard in new)
        if modality not in settings.modalities and not there:
            raise PlanError(
                f"--modalities: the store has {', '.join(manifest.modalities)} and grows: "
                f"expected all of them, got {', '.join(settings.modalities)}"
            )


def _require_store_or_new(out: Path) -> None:
    """
    Raises:
        PlanError: something else is in the folder, or in the place of a file of a store.
    """
    began = any(os.path.lexists(out / name) for name in (PLAN, MANIFEST))
    if not is_new(out) and not began and recorded(out) is None:
        raise PlanError(
            f"{out}: expected a store, an empty folder or a new one, got something else"
        )


def require_files(out: Path, names: Iterable[str] = (PLAN, MANIFEST, INDEX)) -> None:
    """
    Raises:
        PlanError: a folder is where a run would put a file.
    """
    for name in names:
        if os.path.isdir(out / name):
            raise PlanError(
                f"{out / name}: expected a file, got a folder: move it away, and run again"
            )


def damages(out: Path) -> list[str]:
    """A line for each text of a store that cannot be read, and will be made again."""
    found = []
    for look in (lambda: read_plan(out), lambda: _require_texts(out)):
        try:
            look()
        except (NoPlan, StoreNotFound):
            pass
        except (DamagedPlan, LayoutError) as error:
            found.append(f"rebuilt: {error}")
    return found


def _require_texts(out: Path) -> None:
    require_index(out, current_manifest(out))


def is_new(out: Path) -> bool:
    """Whether a store can be begun here: nothing is, or what a run leaves without a plan.

    It makes its folders and says who writes before it has one.
    """
    if not os.path.lexists(out):
        return True
    if not out.is_dir():
        return False
    for path in out.iterdir():
        if is_part(path.name):
            continue
        if path.name not in (COMMITS, ARRIVING, LOGS) or path.is_symlink():
            return False
        if not path.is_dir():
            return False
        names = {inside.name for inside in path.iterdir()}
        if path.name == LOGS:
            names = {name for name in names if not is_lease(name)}
        if not all(map(is_part, names)):
            return False
    return True


def interruption_message(store: Path | Destination) -> str:
    """A sentence on the state in which an interrupted run leaves the store."""
    out = destination(store).folder
    if not (out / PLAN).is_file():
        return (
            "interrupted before a video was finished; run the same command to "
            "start again"
        )
    plan = read_plan(out)
    kept, first = 0, 0
    for shard, end in enumerate(plan.ends):
        commits = [out / commit_file(name, shard) for name in plan.modalities]
        kept += (end - first) * all(path.exists() for path in commits)
        first = end
    return (
        f"interrupted: {kept:,} of {len(plan.videos):,} videos are finished and "
        f"saved in {store}; run the same command to resume"
    )


def _stored(plan: StorePlan, names: set[str], out: Path) -> set[str]:
    """Videos among these that the store has in some modality."""
    return {
        video.id
        for shard in range(plan.shards)
        for commit in read_commits(out, shard, plan.fingerprint_of(shard)).values()
        for video in commit.videos
        if video.id in names
    }


def write_if_new(plan: StorePlan, store: Path | Destination) -> None:
    """Write the plan, after updating the commits of the previous one to it.

    Commits first: if this is interrupted, the next run repeats it.
    """
    there = destination(store)
    before = readable_plan(there.folder)
    if before is not None:
        if before == plan:
            return
        if before.fingerprint != plan.fingerprint:
            _follow(before, plan, there)
    write_plan(there.folder, plan)
    there.wrote(PLAN)


def _follow(before: StorePlan, plan: StorePlan, store: Destination) -> None:
    """Rewrite commits for a renewed plan; its renewed videos are extracted again."""
    fresh = set(plan.videos) - set(before.videos)
    names = {video.id for video in fresh}
    for shard in range(before.shards):
        old, new = before.fingerprint_of(shard), plan.fingerprint_of(shard)
        if old == new:
            continue
        for modality, commit in read_commits(store.folder, shard, old).items():
            waiting = {name: CHANGED for name in commit.bad if name in names}
            kept = {n: why for n, why in commit.bad.items() if n not in waiting}
            commit = replace(
                commit,
                fingerprint=new,
                bad=kept,
                unavailable={**commit.unavailable, **waiting},
            )
            name = commit_file(modality, shard)
            write_sealed(store.folder / name, commit.to_dict())
            store.wrote(name)
