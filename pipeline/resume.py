"""What a run finds of earlier ones: the plan to go on with, and the work still missing."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.adapters.narrow import without
from pipeline.adapters.videos import DataSet
from pipeline.estimate import bytes_per_frame
from pipeline.execution import Execution
from pipeline.executors.attempt import attempts
from pipeline.plan import (
    PlanError,
    PlannedVideo,
    StorePlan,
    extended,
    new_plan,
    renewed,
)
from pipeline.plan_file import read_plan, write_plan
from pipeline.publish import ARRIVING, intact, read_commits
from pipeline.retries import retried
from pipeline.sources import available
from pipeline.store.lease import is_lease
from pipeline.store.records import COMMITS, LOGS, PLAN, Commit, commit_file
from pipeline.store.replacement import is_part
from pipeline.store.sealing import write_sealed
from pipeline.task import Task

DAMAGED = f"{LOGS}/damaged.json"
"""What `pipeline verify` found; the next run looks at these files closely."""
CHANGED = "the file has another size now"
"""Why a video waits to be taken up again that was of no use when it was planned."""


def as_planned(dataset: DataSet, out: Path) -> DataSet:
    """The data set without what could not be read when the store in a folder was planned.

    A store goes on as it was planned; the reasons say that another one would take it in.
    """
    if not (out / PLAN).is_file():
        return dataset
    return without(dataset, read_plan(out).unusable)


def store_plan(
    dataset: DataSet, settings: Mapping[str, Mapping[str, Any]], *, out: Path
) -> StorePlan:
    """The plan of the store in a folder, extended by this run; a new one if there is none.

    Changes nothing on disk.

    Raises:
        PlanError: as in `extract`.
    """
    videos = [
        PlannedVideo(video.id, video.path, video.size_bytes) for video in dataset.videos
    ]
    if (out / PLAN).is_file():
        old = read_plan(out)
        if changed := set(videos) - set(old.videos):
            stored = _stored(old, {video.id for video in changed}, out)
            old = renewed(old, videos, stored=stored)
        asked = StorePlan(
            dataset=dataset.name,
            videos=tuple(sorted(videos)),
            ends=old.ends,
            settings=settings,
            unusable=dataset.unusable,
        )
        return extended(old, asked)
    if not is_new(out):
        raise PlanError(
            f"{out}: expected a store, an empty folder or a new one, got something else"
        )
    per_frame = bytes_per_frame(dataset.folder, videos)
    return new_plan(
        dataset.name,
        videos,
        settings,
        bytes_per_frame=per_frame,
        unusable=dataset.unusable,
    )


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


def what_is_kept(out: Path) -> str:
    """What a run that was interrupted leaves, in a sentence."""
    if not (out / PLAN).is_file():
        return "interrupted before a video was finished: the same command begins again"
    plan = read_plan(out)
    kept, first = 0, 0
    for shard, end in enumerate(plan.ends):
        commits = [out / commit_file(name, shard) for name in plan.modalities]
        kept += (end - first) * all(path.exists() for path in commits)
        first = end
    return (
        f"interrupted: {kept:,} of {len(plan.videos):,} videos are finished and kept in "
        f"{out}; the same command goes on from there"
    )


def _stored(plan: StorePlan, names: set[str], out: Path) -> set[str]:
    """Which of these videos the store has, in some modality."""
    return {
        video.id
        for shard in range(plan.shards)
        for commit in read_commits(out, shard, plan.fingerprint).values()
        for video in commit.videos
        if video.id in names
    }


def write_if_new(plan: StorePlan, store: Path) -> None:
    """Put the plan on disk, and let the commits of the one before follow it.

    Commits first: if this is interrupted, the next run does the same again.
    """
    if (store / PLAN).exists():
        before = read_plan(store)
        if before == plan:
            return
        if before.fingerprint != plan.fingerprint:
            _follow(before, plan, store)
    write_plan(store, plan)


def _follow(before: StorePlan, plan: StorePlan, store: Path) -> None:
    """Make commits those of a renewed plan; its renewed videos are to be taken up."""
    fresh = set(plan.videos) - set(before.videos)
    names = {video.id for video in fresh}
    for shard in range(before.shards):
        for modality, commit in read_commits(store, shard, before.fingerprint).items():
            waiting = {name: CHANGED for name in commit.bad if name in names}
            kept = {n: why for n, why in commit.bad.items() if n not in waiting}
            commit = replace(
                commit,
                fingerprint=plan.fingerprint,
                bad=kept,
                unavailable={**commit.unavailable, **waiting},
            )
            write_sealed(store / commit_file(modality, shard), commit.to_dict())


def missing_tasks(
    plan: StorePlan,
    modalities: Sequence[str],
    folder: Path,
    out: Path,
    execution: Execution,
    *,
    retry_bad: bool = False,
    before: StorePlan | None = None,
) -> list[Task]:
    """What is missing, damaged or to be taken up again: a task per shard.

    Args:
        folder: of videos.
        out: the store.
        retry_bad: take up quarantined videos, too.
        before: a plan whose commits have not followed this one yet.
    """
    suspects = _suspects(out)
    tasks = []
    for shard in range(plan.shards):
        commits = read_commits(out, shard, plan.fingerprint)
        if before is not None and before.fingerprint != plan.fingerprint:
            commits = read_commits(out, shard, before.fingerprint) | commits
        missing = []
        for modality in modalities:
            commit = commits.get(modality)
            if commit is not None and not (retry_bad and commit.bad):
                whole = intact(commit.record, out, hashed=commit.file in suspects)
                if whole and not _awaited(commit, plan, folder):
                    continue
            missing.append(modality)
        if missing:
            task = Task(
                plan=plan.shard_plan(shard, missing, folder=folder.absolute()),
                make_solver=execution.make_solver,
                hang_seconds=execution.hang_seconds,
                open_video=execution.open_video,
            )
            tasks.append(retried(task, failures=attempts(out, task.plan)))
    return tasks


def _awaited(commit: Commit, plan: StorePlan, folder: Path) -> bool:
    """Whether a video that could not be read is there now."""
    names = set(commit.unavailable)
    if commit.fingerprint != plan.fingerprint:
        names |= commit.bad.keys()
    if not names:
        return False
    videos = plan.shard_plan(commit.shard, (), folder=folder).videos
    return any(available(folder, video) for video in videos if video.id in names)


def _suspects(out: Path) -> set[str]:
    path = out / DAMAGED
    return set(json.loads(path.read_bytes())) if path.is_file() else set()
