"""The shards of a plan that are missing, damaged or to be retried."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.executors.attempt import attempts
from pipeline.executors.choose import Execution
from pipeline.shard.plan import ShardPlan
from pipeline.shard.sources import available
from pipeline.shard.task import Task
from pipeline.store.commit import Commit
from pipeline.store.errors import LayoutError
from pipeline.store.file_names import LOGS, commit_file, shard_file
from pipeline.store.files import read_regular

from .plan import StorePlan
from .publish import Destination, destination, read_commits
from .resume import require_files
from .retries import retried

DAMAGED = f"{LOGS}/damaged.json"
"""Findings of `pipeline verify`; the next run checks the hashes of these files."""


def missing_tasks(
    plan: StorePlan,
    modalities: Sequence[str],
    folder: Path,
    store: Path | Destination,
    execution: Execution,
    *,
    retry_bad: bool = False,
    before: StorePlan | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Task]:
    """Shards that are missing, damaged or to be retried: a task for each.

    Args:
        folder: of videos.
        store: its folder, or where else it is published.
        retry_bad: take up quarantined videos, too.
        before: a plan whose commits have not followed this one yet.
        say: called with a line about each commit that cannot be read.

    Raises:
        PlanError: a folder is where a file must go.
    """

    def tell(modality: str, reason: str) -> None:
        if modality in modalities:
            say(reason)

    there = destination(store)
    out = there.folder
    suspected = suspects(out)
    fresh = {v.id for v in set(plan.videos) - set(before.videos)} if before else set()
    tasks = []
    for shard in range(plan.shards):
        commits = read_commits(out, shard, plan.fingerprint_of(shard), damaged=tell)
        planned = plan.shard_plan(shard, modalities, folder=folder)
        if before is not None and before.fingerprint != plan.fingerprint:
            earlier = read_commits(out, shard, before.fingerprint_of(shard))
            commits = earlier | commits
        missing = []
        for modality in modalities:
            commit = commits.get(modality)
            if (
                commit is not None
                and _is_of(commit, planned)
                and not (retry_bad and commit.bad)
            ):
                whole = there.intact(commit.record, hashed=commit.file in suspected)
                if whole and not _awaited(commit, plan, folder, fresh):
                    continue
            missing.append(modality)
            names = (
                shard_file(modality, shard),
                commit_file(modality, shard),
            )
            require_files(out, names)
        if missing:
            task = Task(
                plan=plan.shard_plan(shard, missing, folder=folder.absolute()),
                make_solver=execution.make_solver,
                hang_seconds=execution.hang_seconds,
                open_video=execution.open_video,
            )
            tasks.append(retried(task, failures=attempts(out, task.plan)))
    return tasks


def _is_of(commit: Commit, plan: ShardPlan) -> bool:
    """Whether a commit can be of this shard: of its videos and settings."""
    names = {*(video.id for video in commit.videos), *commit.bad, *commit.unavailable}
    return names == {video.id for video in plan.videos} and dict(
        commit.settings
    ) == plan.settings.modality_record(commit.modality)


def _awaited(commit: Commit, plan: StorePlan, folder: Path, fresh: set[str]) -> bool:
    """Whether a video that could not be read is there now.

    Args:
        fresh: videos that are other files than in the plan before.
    """
    names = set(commit.unavailable)
    if commit.fingerprint != plan.fingerprint_of(
        commit.shard
    ):  # it has not followed: see `_follow`
        names |= commit.bad.keys() & fresh
    if not names:
        return False
    videos = plan.shard_videos(commit.shard)
    return any(available(folder, video) for video in videos if video.id in names)


class _Everything(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


def suspects(out: Path) -> frozenset[str]:
    """Files to check in full: those of the note, or all if it cannot be read."""
    try:
        names = json.loads(read_regular(out / DAMAGED))
    except FileNotFoundError:
        return frozenset()
    except (LayoutError, ValueError, RecursionError):
        return _Everything()
    if type(names) is list and all(type(name) is str for name in names):
        return frozenset(names)
    return _Everything()
