"""The job of `pipeline extract`: plan -> executor -> publish; resume, retries, summary."""

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adapters.videos import DataSet
from pipeline.build import Task
from pipeline.cluster.address import joined_by_auto, settle_token
from pipeline.estimate import Estimate, bytes_per_frame, estimate
from pipeline.executors.attempt import LOGS, Failure, Outcome, attempts, forget_attempts
from pipeline.executors.here import run_here
from pipeline.executors.pool import run_in_pool
from pipeline.flow.solver import flow_solver
from pipeline.holder import Lease, hold
from pipeline.isolate import OpenVideo
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
from pipeline.store.files import PLAN, FileRecord
from pipeline.summary import Summary, summarize

DAMAGED = f"{LOGS}/damaged.json"
"""What `pipeline verify` found; the next run looks at these files closely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how a plan is run. Nothing here alters a stored number."""

    ray: str = "off"
    """off, auto (a running cluster, else this machine's cores), local or an address."""
    workers: int | None = None
    """Processes, or tasks on a cluster; all cores if None, 0 for this process."""
    backend: str = "auto"
    """Who computes flow: auto, cpu, opencv, cuda."""
    scratch: Path | None = None
    hang_seconds: float = 60.0
    stall_seconds: float = 150.0
    open_video: OpenVideo | None = None

    def num_workers(self) -> int:
        """Shards at a time on this machine."""
        if self.workers is None:
            return len(os.sched_getaffinity(0))
        return max(self.workers, 1)


def extract(
    dataset: DataSet,
    settings: Mapping[str, Mapping[str, Any]],
    *,
    out: Path,
    execution: Execution = Execution(),
    watch: Watcher = SILENT,
) -> Summary:
    """Make what is missing of a store.

    Args:
        settings: `StoreSettings.record` of the modalities that are asked for.
        out: the store to make or to continue.

    Raises:
        PlanError: the folder is something else, or a store of other videos or settings.
        FlowError: the back end for flow is not available here.
        StoreHeld: another run is writing this store.
        ExtractionError: the run cannot go on; the message is one line, or a bug's
            traceback.
        KeyboardInterrupt: stopped; what is published stays, the same call goes on.
    """
    began = time.monotonic()
    plan = store_plan(dataset, settings, out=out)
    modalities = [part for part in settings if part != "common"]
    if "flow" in modalities:  # a back end that is not here is said before work begins
        flow_solver(execution.backend, profile=settings["flow"]["profile"])
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
        for shard in range(plan.shards):
            forget_attempts(out, shard)
        (out / DAMAGED).unlink(missing_ok=True)
        clear_arriving(out)
    return summarize(out, manifest, shards=len(tasks), seconds=time.monotonic() - began)


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
        )
        return extended(old, asked)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PlanError(
            f"{out}: expected a store, an empty folder or a new one, got something else"
        )
    per_frame = bytes_per_frame(dataset.folder, videos)
    return new_plan(dataset.name, videos, settings, bytes_per_frame=per_frame)


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
    plan = store_plan(dataset, settings, out=out)
    modalities = [part for part in settings if part != "common"]
    tasks = _tasks(plan, modalities, dataset.folder, out, execution)
    return estimate(plan, [task.plan for task in tasks], backend=execution.backend)


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
                backend=execution.backend,
                hang_seconds=execution.hang_seconds,
                open_video=execution.open_video,
            )
            tasks.append(retried(task, failures=attempts(out, shard)))
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
    queue, patience = deque(tasks), Patience()
    watch.start(videos=sum(len(task.plan.videos) for task in tasks))
    with _outcomes(queue, out, execution, watch) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                shard = outcome.task.plan.shard
                reason = outcome.text.strip().splitlines()[-1]
                watch.say(f"shard {shard}, attempt {outcome.task.attempt}: {reason}")
                queue.append(patience.again(outcome))
                continue
            lease.require()
            publish(outcome, out)
            forget_attempts(out, outcome.plan.shard)
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


@contextmanager
def _outcomes(
    queue: deque[Task], out: Path, execution: Execution, watch: Watcher
) -> Iterator[Iterator[Outcome]]:
    """The executor that fits, at work on the queue; stopped at the end."""
    address = _ray_address(execution.ray)
    with ExitStack() as stack:
        if not queue:
            outcomes: Iterator[Outcome] = iter(())
        elif address:
            settle_token(address)  # before ray is imported
            from pipeline.cluster import runner  # here, because ray is slow to import

            with _handlers_kept():
                stack.enter_context(runner.cluster(address, workers=execution.workers))
            outcomes = runner.run_on_ray(
                queue,
                store=out.absolute(),
                scratch=execution.scratch,
                workers=execution.workers,
                stall_seconds=execution.stall_seconds,
                watch=watch,
            )
        elif execution.workers == 0:
            outcomes = run_here(
                queue, store=out, scratch=execution.scratch, watch=watch
            )
        else:
            outcomes = run_in_pool(
                queue,
                store=out.absolute(),
                scratch=execution.scratch,
                workers=execution.num_workers(),
                stall_seconds=execution.stall_seconds,
                watch=watch,
            )
        if isinstance(outcomes, Generator):
            stack.callback(outcomes.close)
        yield outcomes


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Joining a cluster puts a crash report in the place of what SIGTERM did before."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only there can signals be handled at all
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ray_address(ray: str) -> str | None:
    """Where Ray is to be used, or None. `auto` joins what runs, and starts nothing."""
    if ray == "auto":
        return "auto" if joined_by_auto() else None
    return None if ray == "off" else ray
