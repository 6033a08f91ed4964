"""Choice of the executor of a plan: this process, a pool, or Ray, and its GPUs."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from motion_shards.address import ClusterAddress, ClusterSearch, find_cluster, require
from motion_shards.plain_text import printable
from pipeline.errors import ExtractionError
from pipeline.flow.solver import flow_solver
from pipeline.shard.isolate import OpenVideo
from pipeline.shard.task import SolverMaker, Task

from .attempt import Outcome
from .here import run_here
from .pool import run_in_pool
from .reporter import ProgressReporter
from .threads import expected_times, measuring
from .workers import Measuring, WorkerLayout, local_layout, require_gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Settings of execution. Nothing here alters a stored number."""

    ray: str = "off"
    """off, auto (a running cluster, else this machine's cores), local or an address."""
    workers: int | None = None
    """Number of processes, or of tasks on a cluster; None: all cores; 0: this process."""
    backend: str = "auto"
    """Back end of the flow: auto, cpu, opencv, cuda."""
    make_solver: SolverMaker | None = None
    """Another solver of flow on a GPU: for tests and benchmarks."""
    scratch: Path | None = None
    hang_seconds: float = 60.0
    stall_seconds: float = 150.0
    open_video: OpenVideo | None = None


POOL = Execution()
"""A process for every core of this machine."""


def require_backend(execution: Execution, profile: str) -> None:
    """Check that the back end of the flow is available, before anything is written.

    A cluster is asked later: this machine may have no GPU where its workers have one.

    Raises:
        FlowError: the back end for flow is not available.
    """
    if execution.backend in ("cpu", "opencv"):
        flow_solver(execution.backend, profile=profile)
    elif execution.backend == "cuda" and not _requested_cluster(execution).cluster:
        require_gpu()


def _print_to_stderr(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def worker_layout(
    execution: Execution,
    tasks: Sequence[Task],
    *,
    say: Callable[[str], None] = _print_to_stderr,
) -> Iterator[WorkerLayout]:
    """Yield the executor of these shards. A cluster is joined for as long as this lasts.

    Args:
        say: called with a line about the cluster that is joined, or why none is.

    Raises:
        ClusterError: the cluster is not there, or refuses access.
        ExtractionError: the cluster cannot build them.
        FlowError: the GPU that is asked for cannot be used.
    """
    modalities = {name for task in tasks for name in task.plan.modalities}
    cluster, why_not = _requested_cluster(execution) if tasks else ClusterSearch(None)
    if why_not:
        say(why_not)
    if cluster:
        require(cluster)  # before ray is imported
        from . import on_ray as runner  # here, because ray is slow to import

        with runner.join_cluster(cluster, workers=execution.workers):
            if cluster.address != "local":
                say(f"joined the Ray cluster at {cluster.text()}")
            yield runner.ray_layout(
                backend=execution.backend,
                modalities=modalities,
                workers=execution.workers,
            )
        return
    profile = None
    if "flow" in modalities:
        profile = tasks[0].plan.settings.flow_profile
    yield local_layout(
        backend=execution.backend,
        workers=execution.workers,
        profile=profile,
        make_solver=execution.make_solver,
        measure=partial(_measuring, execution, tasks),
    )


def _measuring(execution: Execution, tasks: Sequence[Task]) -> Measuring:
    """CPU times of a worker's threads: measured, or expected with a stand-in for the GPU."""
    if execution.make_solver or execution.open_video or not tasks:
        names = {name for it in tasks for name in it.plan.modalities}
        return nullcontext(partial(expected_times, names))
    return measuring(tasks[0], scratch=execution.scratch)


def outcomes(
    queue: deque[Task],
    layout: WorkerLayout,
    out: Path,
    execution: Execution,
    reporter: ProgressReporter,
    *,
    local: bool = False,
) -> Iterator[Outcome]:
    """Build the tasks of the queue with the executor of the layout.

    Args:
        out: the store's folder.
        local: whether only this machine may see it.
    """
    if layout.where == "here":
        return run_here(queue, store=out, scratch=execution.scratch, reporter=reporter)
    if layout.where == "pool":
        return run_in_pool(
            queue,
            store=out.absolute(),
            scratch=execution.scratch,
            workers=layout.workers,
            stall_seconds=execution.stall_seconds,
            reporter=reporter,
            gpus=layout.gpus,
        )
    from . import on_ray as runner

    return runner.run_on_ray(
        queue,
        store=out.absolute(),
        local=local,
        scratch=execution.scratch,
        workers=execution.workers,
        stall_seconds=execution.stall_seconds,
        reporter=reporter,
    )


def _requested_cluster(execution: Execution) -> ClusterSearch:
    """The cluster to use, if any. `auto` joins what runs, and starts nothing.

    Raises:
        ExtractionError: a cluster and no worker are asked for.
    """
    ray = execution.ray
    if ray == "off" or (ray == "auto" and execution.workers == 0):
        return ClusterSearch(None)
    if ray == "auto":
        return find_cluster()
    if execution.workers == 0:
        raise ExtractionError(f"workers on Ray ({ray}): expected at least 1, got 0")
    return ClusterSearch(ClusterAddress(ray, "--ray"))
