"""Where and how a plan is run: in this process, in a pool, on Ray, with which GPUs."""

import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.cluster.address import joined_by_auto, settle_token
from pipeline.executors.attempt import Outcome
from pipeline.executors.crew import Crew, local_crew, require_gpu
from pipeline.executors.here import run_here
from pipeline.executors.pool import run_in_pool
from pipeline.flow.solver import flow_solver
from pipeline.isolate import OpenVideo
from pipeline.progress import Watcher
from pipeline.retries import ExtractionError
from pipeline.task import SolverMaker, Task


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


POOL = Execution()
"""A process for every core of this machine."""


def require_backend(execution: Execution, profile: str) -> None:
    """Say before anything is written that a back end is not here.

    What a cluster has is asked of the cluster: this machine may be the one without a GPU.

    Raises:
        FlowError: the back end for flow is not available.
    """
    if execution.backend in ("cpu", "opencv"):
        flow_solver(execution.backend, profile=profile)
    elif execution.backend == "cuda" and not _ray_address(execution):
        require_gpu()


@contextmanager
def gathered(execution: Execution, tasks: Sequence[Task]) -> Iterator[Crew]:
    """Who builds these shards. A cluster is joined for as long as this lasts.

    Raises:
        ExtractionError: the cluster is not there, or cannot build them.
        FlowError: the GPU that is asked for cannot be used.
    """
    modalities = {name for task in tasks for name in task.plan.modalities}
    address = _ray_address(execution)
    if address and tasks:
        settle_token(address)  # before ray is imported
        from pipeline.cluster import runner  # here, because ray is slow to import

        with ExitStack() as stack:
            with _handlers_kept():
                stack.enter_context(runner.cluster(address, workers=execution.workers))
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


def outcomes(
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


def _ray_address(execution: Execution) -> str | None:
    """Where Ray is to be used, or None. `auto` joins what runs, and starts nothing.

    Raises:
        ExtractionError: a cluster and no worker are asked for.
    """
    ray = execution.ray
    if ray == "auto":
        return "auto" if execution.workers != 0 and joined_by_auto() else None
    if ray != "off" and execution.workers == 0:
        raise ExtractionError(f"workers on Ray ({ray}): expected at least 1, got 0")
    return None if ray == "off" else ray
