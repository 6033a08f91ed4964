"""The job of `pipeline extract`: plan -> executor -> publish; resume, retries, summary."""

import json
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.adapters.narrow import without
from pipeline.adapters.videos import DataSet
from pipeline.estimate import Estimate, bytes_per_frame, estimate
from pipeline.execution import POOL, Execution, gathered, outcomes, require_backend
from pipeline.executors.attempt import Failure, attempts, forget_attempts
from pipeline.plan import PlanError, PlannedVideo, StorePlan, extended, new_plan
from pipeline.plan_file import read_plan, write_plan
from pipeline.progress import SILENT, Watcher
from pipeline.publish import (
    clear_arriving,
    intact,
    merge,
    prepare,
    publish,
    read_commits,
)
from pipeline.retries import Patience, retried
from pipeline.store.lease import Lease, hold
from pipeline.store.records import LOGS, PLAN, FileRecord
from pipeline.summary import Summary, summarize
from pipeline.task import Task

DAMAGED = f"{LOGS}/damaged.json"
"""What `pipeline verify` found; the next run looks at these files closely."""


def extract(
    dataset: DataSet,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    out: Path,
    execution: Execution = POOL,
    watch: Watcher = SILENT,
) -> Summary:
    """Make what is missing of a store.

    Args:
        settings: `StoreSettings.record` of the modalities that are asked for.
        out: the store to make or to continue.

    Raises:
        PlanError: the folder is something else, or a store of other videos or settings.
        FlowError: the back end for flow is not available here.
        FolderHeld: another run is writing this store.
        ExtractionError: the run cannot go on; the message is one line, or a bug's
            traceback.
        KeyboardInterrupt: stopped; what is published stays, the same call goes on.
    """
    began = time.monotonic()
    dataset = as_planned(dataset, out)
    plan = store_plan(dataset, settings, out=out)
    modalities = [part for part in settings if part != "common"]
    if "flow" in modalities:
        require_backend(execution, settings["flow"]["profile"])
    prepare(out)
    with hold(out, say=watch.say) as lease:
        clear_arriving(out)
        prepare(out)
        if not (out / PLAN).exists() or read_plan(out) != plan:
            write_plan(out, plan)
        tasks = _tasks(plan, modalities, dataset.folder, out, execution)
        _run(tasks, out, execution, watch, lease)
        lease.require()
        manifest = merge(plan, dataset, out)
        forget_attempts(out)
        (out / DAMAGED).unlink(missing_ok=True)
        clear_arriving(out)
    shards = len({task.plan.shard for task in tasks})
    return summarize(out, manifest, shards=shards, seconds=time.monotonic() - began)


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
        asked = StorePlan(
            dataset=dataset.name,
            videos=tuple(sorted(videos)),
            ends=old.ends,
            settings=settings,
            unusable=dataset.unusable,
        )
        return extended(old, asked)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
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


def dry_run(
    dataset: DataSet,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    out: Path,
    execution: Execution,
) -> Estimate:
    """What `extract` would do, and what it would take. Changes nothing on disk.

    Raises:
        PlanError: as in `extract`.
    """
    dataset = as_planned(dataset, out)
    plan = store_plan(dataset, settings, out=out)
    modalities = [part for part in settings if part != "common"]
    tasks = _tasks(plan, modalities, dataset.folder, out, execution)
    with gathered(execution, tasks) as crew:
        measure = None
        if crew.where == "ray":
            from pipeline.cluster import runner

            measure = runner.calibrated
        return estimate(crew.assigned(tasks), crew, measure=measure)


def _tasks(
    plan: StorePlan,
    modalities: Sequence[str],
    folder: Path,
    out: Path,
    execution: Execution,
) -> list[Task]:
    """What is missing or damaged, a task per shard."""
    suspects = _suspects(out)
    tasks = []
    for shard in range(plan.shards):
        commits = read_commits(out, shard, plan.fingerprint)
        missing = []
        for modality in modalities:
            commit = commits.get(modality)
            if commit is not None:
                file = FileRecord(commit.file, commit.bytes, commit.xxh3)
                if intact(file, out, hashed=commit.file in suspects):
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


def _suspects(out: Path) -> set[str]:
    path = out / DAMAGED
    return set(json.loads(path.read_bytes())) if path.is_file() else set()


def _run(
    tasks: Sequence[Task],
    out: Path,
    execution: Execution,
    watch: Watcher,
    lease: Lease,
) -> None:
    """Run the tasks, publish what comes back, try again what failed."""
    if not tasks:
        return
    with ExitStack() as stack:
        crew = stack.enter_context(gathered(execution, tasks))
        if crew.remark:
            watch.say(crew.remark)
        queue, patience = deque(crew.assigned(tasks)), Patience()
        watch.start(videos=sum(len(task.plan.videos) for task in queue))
        coming = outcomes(queue, crew, out, execution, watch)
        if isinstance(coming, Generator):
            stack.callback(coming.close)
        for outcome in coming:
            if isinstance(outcome, Failure):
                shard = outcome.task.plan.shard
                reason = outcome.text.strip().splitlines()[-1]
                watch.say(f"shard {shard}, attempt {outcome.task.attempt}: {reason}")
                queue.appendleft(patience.again(outcome))
                continue
            lease.require()
            publish(outcome, out)
            forget_attempts(out, outcome.plan)
            for name, reason in outcome.bad.items():
                watch.say(f"quarantined {name}: {reason}")
            watch.published(
                videos=len(outcome.plan.videos),
                frames=max(
                    sum(video.frames for video in records)
                    for records in outcome.records.values()
                ),
                stored_bytes=sum(file.bytes for file in outcome.delivered.values()),
            )
            patience.finished(outcome)
