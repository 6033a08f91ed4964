"""A whole extraction: plan, build missing shards, publish them, retry, merge, summarize."""

import os
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from motion_shards.plain_text import counted
from pipeline.adapters.videos import DataSet
from pipeline.errors import ExtractionError
from pipeline.executors.attempt import Failure, forget_attempts
from pipeline.executors.choose import (
    POOL,
    Execution,
    outcomes,
    require_backend,
    worker_layout,
)
from pipeline.executors.reporter import (
    SILENT,
    ProgressReporter,
    report_published,
)
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.calibration import calibrate
from pipeline.shard.task import Task
from pipeline.store.file_names import PLAN
from pipeline.store.lease import Lease
from pipeline.store.manifest import Manifest

from .estimate import Estimate, Measure, estimate
from .merging import merge, merged_already
from .missing import DAMAGED, missing_tasks
from .plan import StorePlan
from .publish import Destination, clear_arriving, destination, prepare, publish
from .resume import (
    as_planned,
    damages,
    readable_plan,
    require_files,
    store_plan,
    write_if_new,
)
from .retries import RetryPolicy
from .sides import require_sides
from .summary import Summary, summarize


def extract(
    dataset: DataSet,
    settings: ExtractSettings,
    *,
    out: Path | Destination,
    execution: Execution = POOL,
    retry_bad: bool = False,
    grow: bool = False,
    reporter: ProgressReporter = SILENT,
) -> Summary:
    """Build the shards that are missing in a store, and finish it.

    Args:
        settings: of the modalities that are asked for.
        out: the store to create or to continue: its folder, or what `addressed` yields.
        retry_bad: try quarantined videos again.
        grow: add the videos that the store does not have yet, in shards of their own.

    Raises:
        PlanError: the folder is something else, or a store of other videos or settings.
        FlowError: the back end for flow is not available here.
        FolderHeld: another run is writing this store.
        AddressError: an address does not answer, or refuses.
        ExtractionError: the run cannot continue; the message is one line, or a bug's
            traceback.
        ClusterError: the Ray cluster is not there, or refuses access.
        KeyboardInterrupt: stopped; published shards stay, and the same call resumes.
    """
    began = time.monotonic()
    there = destination(out)
    out = there.folder
    dataset = as_planned(dataset, out, grow=grow)
    require_sides(dataset, out)
    plan = store_plan(dataset, settings, out=out, grow=grow)
    modalities = settings.modalities
    if "flow" in modalities:
        require_backend(execution, settings.flow_profile)
    if out.is_dir() and not os.access(out, os.W_OK):
        return _already_there(plan, dataset, modalities, out, execution, began)
    there.prepare()
    with there.hold(reporter.say) as lease:
        clear_arriving(out)
        prepare(out)
        if (out / PLAN).is_file():  # another run may have ended just before
            plan = store_plan(dataset, settings, out=out, grow=grow)
        for line in damages(out):
            reporter.say(there.shown(line))
        require_files(out)
        write_if_new(plan, there)
        tasks = missing_tasks(
            plan,
            modalities,
            dataset.folder,
            there,
            execution,
            retry_bad=retry_bad,
            say=lambda reason: reporter.say(f"rebuilding: {there.shown(reason)}"),
        )
        missing = sum(len(task.plan.videos) for task in tasks)
        if 0 < missing < len(plan.videos):
            kept = f"{len(plan.videos) - missing:,} of {len(plan.videos):,} videos"
            reporter.say(f"{kept} are already finished")
        _run(tasks, there, execution, reporter, lease)
        lease.require()
        manifest = merge(plan, dataset, there, modalities)
        forget_attempts(out)
        (out / DAMAGED).unlink(missing_ok=True)
        there.dropped(DAMAGED)
        clear_arriving(out)
    shards = len({task.plan.shard for task in tasks})
    summary = summarize(
        out,
        manifest,
        shards=shards,
        seconds=time.monotonic() - began,
        unusable=dataset.unusable,
        paths=_paths_left_out(plan, manifest),
    )
    return replace(summary, store=str(there)) if there.local else summary


def _already_there(
    plan: StorePlan,
    dataset: DataSet,
    modalities: Sequence[str],
    out: Path,
    execution: Execution,
    began: float,
) -> Summary:
    """The summary of a run that has nothing to do, in a store that cannot be written.

    Raises:
        ExtractionError: there is something to do.
    """
    tasks = missing_tasks(plan, modalities, dataset.folder, out, execution)
    manifest = None
    if not tasks and readable_plan(out) == plan:
        manifest = merged_already(plan, dataset, out, modalities)
    if manifest is None:
        missing = (
            f"it lacks {counted(len(tasks), 'shard')}"
            if tasks
            else "its text files must be rewritten"
        )
        raise ExtractionError(f"{out}: cannot be written, and {missing}")
    return summarize(
        out,
        manifest,
        shards=0,
        seconds=time.monotonic() - began,
        unusable=dataset.unusable,
        paths=_paths_left_out(plan, manifest),
    )


def _paths_left_out(plan: StorePlan, manifest: Manifest) -> dict[str, str]:
    """Id -> path of the planned videos that are not stored."""
    left_out = manifest.bad.keys() | manifest.unavailable.keys()
    return {video.id: video.path for video in plan.videos if video.id in left_out}


def dry_run(
    dataset: DataSet,
    settings: ExtractSettings,
    *,
    out: Path | Destination,
    execution: Execution,
    retry_bad: bool = False,
    grow: bool = False,
) -> Estimate:
    """Estimate time and size of an extraction.

    Only scratch files are written, and removed again.

    Raises:
        PlanError: as in `extract`.
    """
    there = destination(out)
    out = there.folder
    dataset = as_planned(dataset, out, grow=grow)
    plan = store_plan(dataset, settings, out=out, grow=grow)
    modalities = settings.modalities
    tasks = missing_tasks(
        plan,
        modalities,
        dataset.folder,
        there,
        execution,
        retry_bad=retry_bad,
        before=readable_plan(out),
    )
    with worker_layout(execution, tasks) as layout:
        measure: Measure = partial(calibrate, scratch=execution.scratch)
        if layout.where == "ray":
            from pipeline.executors import on_ray as runner

            measure = partial(runner.calibrated, scratch=execution.scratch)
        return estimate(layout.assigned(tasks), layout, measure=measure)


def _run(
    tasks: Sequence[Task],
    there: Destination,
    execution: Execution,
    reporter: ProgressReporter,
    lease: Lease,
) -> None:
    """Run the tasks, publish finished shards, retry those that failed."""
    if not tasks:
        return
    with ExitStack() as stack:
        layout = stack.enter_context(worker_layout(execution, tasks, say=reporter.say))
        if layout.remark:
            reporter.say(layout.remark)
        queue = deque(layout.assigned(tasks))
        retries = RetryPolicy(gpus=len(layout.gpus))
        reporter.start(videos=sum(len(task.plan.videos) for task in queue))
        coming = outcomes(
            queue, layout, there.folder, execution, reporter, local=there.local
        )
        if isinstance(coming, Generator):
            stack.callback(coming.close)
        for outcome in coming:
            if isinstance(outcome, Failure):
                queue.appendleft(_next_attempt(outcome, retries, reporter))
                if moved := retries.leave_gpus(queue):
                    shards = counted(moved, "more shard")
                    reporter.say(f"no GPU is left: the CPU computes flow of {shards}")
                continue
            lease.require()
            publish(outcome, there)
            forget_attempts(there.folder, outcome.plan)
            report_published(outcome, reporter)
            retries.finished(outcome)


def _next_attempt(
    failure: Failure, retries: RetryPolicy, reporter: ProgressReporter
) -> Task:
    """The next attempt at a shard, said in a line with the reason.

    Raises:
        ExtractionError: as in `RetryPolicy.next_attempt`.
    """
    task = failure.task
    reason = failure.text.strip().splitlines()[-1]
    line = f"shard {task.plan.shard} failed (attempt {task.attempt}): {reason}"
    try:
        again = retries.next_attempt(failure)
    except ExtractionError:
        reporter.say(line)
        raise
    if task.on_gpu and not again.on_gpu:
        line += "; the CPU takes over"
    reporter.say(line)
    return again
