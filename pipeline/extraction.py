"""The job of `pipeline extract`: plan -> executor -> publish; resume, retries, summary."""

import fcntl
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adapters.videos import DataSet
from pipeline.build import SolverMaker, Task
from pipeline.estimate import Estimate, bytes_per_frame, estimate
from pipeline.executors.attempt import LOGS, Failure, Outcome, attempts, forget_attempts
from pipeline.executors.crew import Crew, local_crew, require_gpu
from pipeline.executors.here import run_here
from pipeline.executors.pool import run_in_pool
from pipeline.flow.solver import flow_solver
from pipeline.isolate import OpenVideo
from pipeline.plan import PlanError, PlannedVideo, StorePlan, extended, new_plan
from pipeline.progress import SILENT, Watcher
from pipeline.publish import (
    clear_arriving,
    intact,
    merge,
    prepare,
    publish,
    read_commits,
)
from pipeline.retries import ExtractionError, Patience, retried
from pipeline.store.files import PLAN, FileRecord, write_json
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
    make_solver: SolverMaker | None = None
    """What solves flow on a GPU instead of ours: for tests and benchmarks."""
    scratch: Path | None = None
    hang_seconds: float = 60.0
    stall_seconds: float = 150.0
    open_video: OpenVideo | None = None


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
        ExtractionError: the run cannot go on; the message is one line, or a bug's
            traceback.
        KeyboardInterrupt: stopped; what is published stays, the same call goes on.
    """
    began = time.monotonic()
    plan = store_plan(dataset, settings, out=out)
    modalities = [part for part in settings if part != "common"]
    if "flow" in modalities:
        _require_backend(execution, settings["flow"]["profile"])
    prepare(out)
    with locked(out):
        clear_arriving(out)
        prepare(out)
        plan_text = plan.to_dict()
        if not (out / PLAN).exists() or read_plan(out).to_dict() != plan_text:
            write_json(out / PLAN, plan_text)
        tasks = _tasks(plan, modalities, dataset.folder, out, execution)
        _run(tasks, out, execution, watch)
        manifest = merge(plan, dataset, out)
        forget_attempts(out)
        (out / DAMAGED).unlink(missing_ok=True)
        clear_arriving(out)
    shards = len({task.plan.shard for task in tasks})
    return summarize(out, manifest, shards=shards, seconds=time.monotonic() - began)


def _require_backend(execution: Execution, profile: str) -> None:
    """Say before anything is written that a back end is not here.

    What a cluster has is asked of the cluster: this machine may be the one without a GPU.

    Raises:
        FlowError: the back end for flow is not available.
    """
    if execution.backend in ("cpu", "opencv"):
        flow_solver(execution.backend, profile=profile)
    elif execution.backend == "cuda" and not _ray_address(execution):
        require_gpu()


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


def read_plan(out: Path) -> StorePlan:
    """The plan of a store, finished or not.

    Raises:
        PlanError: there is none, or it is not one.
    """
    try:
        value = json.loads((out / PLAN).read_bytes())
    except FileNotFoundError:
        raise PlanError(f"{out}: expected a store ({PLAN}), got none") from None
    except ValueError as error:
        raise PlanError(f"{out / PLAN}: expected a plan, got {error}") from error
    if not isinstance(value, dict):
        raise PlanError(f"{out / PLAN}: expected a plan, got {type(value).__name__}")
    return StorePlan.from_dict(value)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a second run out of a store.

    Raises:
        ExtractionError: another run holds it; the line says who and since when.
    """
    with (out / LOGS / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ExtractionError(
                f"{out}: another run is writing this store ({file.read().strip()})"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield


def is_locked(out: Path) -> bool:
    """Whether a run of this machine is writing the store now."""
    path = out / LOGS / "lock"
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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
    with _gathered(execution, tasks) as crew:
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
    tasks: Sequence[Task], out: Path, execution: Execution, watch: Watcher
) -> None:
    """Run the tasks, publish what comes back, try again what failed."""
    if not tasks:
        return
    with ExitStack() as stack:
        crew = stack.enter_context(_gathered(execution, tasks))
        if crew.remark:
            watch.say(crew.remark)
        queue, patience = deque(crew.assigned(tasks)), Patience()
        watch.start(videos=sum(len(task.plan.videos) for task in queue))
        outcomes = _outcomes(queue, crew, out, execution, watch)
        if isinstance(outcomes, Generator):
            stack.callback(outcomes.close)
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                shard = outcome.task.plan.shard
                reason = outcome.text.strip().splitlines()[-1]
                watch.say(f"shard {shard}, attempt {outcome.task.attempt}: {reason}")
                queue.appendleft(patience.again(outcome))
                continue
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


@contextmanager
def _gathered(execution: Execution, tasks: Sequence[Task]) -> Iterator[Crew]:
    """Who builds these shards. A cluster is joined for as long as this lasts.

    Raises:
        ExtractionError: the cluster is not there, or cannot build them.
        FlowError: the GPU that is asked for cannot be used.
    """
    modalities = {name for task in tasks for name in task.plan.modalities}
    address = _ray_address(execution)
    if address and tasks:
        from pipeline.cluster import runner  # here, because ray is slow to import

        with runner.cluster(address, workers=execution.workers):
            yield runner.gathered(
                backend=execution.backend,
                modalities=modalities,
                workers=execution.workers,
            )
        return
    profile = None
    if "flow" in modalities:
        profile = tasks[0].plan.settings["flow"]["profile"]
    yield local_crew(
        backend=execution.backend,
        workers=execution.workers,
        profile=profile,
        make_solver=execution.make_solver,
    )


def _outcomes(
    queue: deque[Task], crew: Crew, out: Path, execution: Execution, watch: Watcher
) -> Iterator[Outcome]:
    """The executor that fits, at work on the queue."""
    if crew.where == "here":
        return run_here(queue, store=out, scratch=execution.scratch, watch=watch)
    if crew.where == "pool":
        return run_in_pool(
            queue,
            store=out.absolute(),
            scratch=execution.scratch,
            workers=crew.workers,
            stall_seconds=execution.stall_seconds,
            watch=watch,
            gpus=crew.gpus,
        )
    from pipeline.cluster import runner

    return runner.run_on_ray(
        queue,
        store=out.absolute(),
        scratch=execution.scratch,
        workers=execution.workers,
        stall_seconds=execution.stall_seconds,
        watch=watch,
    )


def _ray_address(execution: Execution) -> str | None:
    """Where Ray is to be used, or None. `auto` joins what runs, and starts nothing.

    Raises:
        ExtractionError: a cluster and no worker are asked for.
    """
    ray = execution.ray
    if ray == "auto":
        running = Path(tempfile.gettempdir(), "ray", "ray_current_cluster").exists()
        joins = running or os.environ.get("RAY_ADDRESS")
        return "auto" if joins and execution.workers != 0 else None
    if ray != "off" and execution.workers == 0:
        raise ExtractionError(f"workers on Ray ({ray}): expected at least 1, got 0")
    return None if ray == "off" else ray
