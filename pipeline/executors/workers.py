"""The layout of workers that build shards and of the GPUs for their flow: once for a run."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from motion_shards.choices import MODALITIES
from motion_shards.cores import worker_cores
from motion_shards.plain_text import counted
from pipeline.flow.errors import FlowError
from pipeline.shard.calibration import StageTimes
from pipeline.shard.task import SolverMaker, Task

from .gpu_trial import in_words, troubles_with_flow
from .gpus import NO_COMPILER, Gpus, find_gpus
from .threads import coder_count, expected_times, worker_count

CORES_PER_WORKER = 2
"""Cores of a task with a GPU on a cluster: one decodes and makes vectors, one encodes."""
WORKERS_PER_GPU = 8
"""Workers of a GPU of a cluster, at most."""

COST = {"rgb": 0.4, "flow": 32.0, "mv": 1.2}
"""CPU milliseconds per frame of 340x256, decoding left out. Only ratios matter."""
COST_ON_GPU = {"rgb": 0.4, "flow": 1.0, "mv": 1.2}
"""The same where a GPU computes flow: grey frames and coding remain."""
DECODING = 0.25

Measuring = AbstractContextManager[Callable[[], StageTimes]]
"""Times of a worker's threads, measured while something else is done: `threads.measuring`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLayout:
    """Workers that build shards, and the back end that computes their flow."""

    where: str
    """here (this process), pool (processes of this machine) or ray."""
    workers: int
    """Shards at a time."""
    cores: int
    """Cores that all workers may use together."""
    backend: str = "cpu"
    """Back end of the flow: cpu, opencv or cuda."""
    gpus: tuple[str, ...] = ()
    """Their names, where flow is computed on them."""
    coders: int = 1
    """Encoding threads of a worker, in addition to the one that reads; with GPUs only."""
    per_gpu: int = 1
    """Workers that share a GPU, at most."""
    cpu_instead: bool = False
    """Whether the CPU takes over where a GPU turns out unusable."""
    split: bool = False
    """Flow of a shard is a task, its other modalities are another."""
    remark: str = ""
    """A line that the user must see: something is not as it could be."""

    def text(self) -> str:
        """The layout in words, for a report."""
        kinds = {
            "here": "this process",
            "pool": f"{counted(self.workers, 'process')} on {counted(self.cores, 'core')}",
            "ray": f"{counted(self.workers, 'task')} at a time on a cluster of "
            f"{counted(self.cores, 'core')}",
        }
        flow = (
            counted(len(self.gpus), "GPU") if self.gpus else f"{self.backend} back end"
        )
        apart = ", apart from the other modalities" if self.split else ""
        return f"{kinds[self.where]}, flow by {flow}{apart}"

    def assigned(self, tasks: Iterable[Task]) -> list[Task]:
        """The tasks as these workers take them, those that take long first: no straggler at the end.

        Which shard comes first does not show in any file.
        """
        given: list[Task] = []
        for task in tasks:
            ours = replace(
                task,
                backend=self.backend,
                cpu_instead=self.cpu_instead,
                coders=self.coders,
                per_gpu=self.per_gpu,
            )
            given += split(ours) if self.split and ours.on_gpu else [ours]
        return sorted(given, key=cost, reverse=True)


def split(task: Task) -> Iterator[Task]:
    """Flow by itself, and the rest by itself; the video is decoded twice."""
    others = tuple(name for name in task.plan.modalities if name != "flow")
    for part in (("flow",), others):
        if part:
            yield _part(task, part)


def _part(task: Task, modalities: Sequence[str]) -> Task:
    settings = task.plan.settings.only(modalities)
    return replace(task, plan=replace(task.plan, settings=settings))


def cost(task: Task) -> float:
    """About how long a task takes, in units of its own: for comparison only."""
    costs = COST_ON_GPU if task.on_gpu else COST
    per_byte = DECODING + sum(costs[name] for name in task.plan.modalities)
    return per_byte * sum(video.size_bytes for video in task.plan.videos)


def local_layout(
    *,
    backend: str,
    workers: int | None,
    profile: str | None,
    make_solver: SolverMaker | None = None,
    measure: Callable[[], Measuring] | None = None,
) -> WorkerLayout:
    """The layout of this machine.

    Args:
        backend: auto, cpu, opencv or cuda.
        workers: processes; 0 for this one; None for what cores and GPUs suggest.
        profile: of flow; None where no flow is wanted.
        make_solver: used in place of the solver; the GPU itself is then not tried.
        measure: begins to measure the times of a worker's threads, where there is a
            GPU and while it is tried. None: those expected of all modalities.

    Raises:
        FlowError: cuda is asked for and cannot be used.
    """
    cores = worker_cores()
    found, remarks, spent = Gpus(()), list[str](), None
    if profile is not None and backend in ("auto", "cuda"):
        found = find_gpus()
        if workers == 0:  # this process sees all, and uses the first
            found = found._replace(names=found.names[:1])
        if found.names:
            with measure() if measure else nullcontext(_expected_times) as times:
                found = _tried(found, None if make_solver else profile)
                spent = times() if found.names else None
        if backend == "cuda" and not found.names:
            raise _no_gpu(found.trouble)
        if found.names and found.trouble:
            rest = counted(len(found.names), "GPU")
            remarks = [f"not all GPUs are used ({found.trouble}): flow by {rest}"]
        elif found.trouble:
            remarks = [f"GPU not used ({found.trouble}): the CPU computes flow"]
    gpus, where = found.names, "here" if workers == 0 else "pool"
    if workers is None and spent:
        workers = worker_count(spent, cores=cores, gpus=len(gpus), room=found.room)
    elif workers is None:
        workers = cores
    elif gpus and found.room and workers > found.room * len(gpus):
        few = found.room * len(gpus)
        said = f"{counted(few, 'worker')} instead of {workers}"
        remarks.append(f"{said}: a GPU has room for {found.room} ({found.why})")
        workers = few
    coders = 1
    if spent:
        coders = coder_count(spent, cores=cores, workers=max(workers, 1))
    if backend in ("auto", "cuda"):
        chosen = "cuda" if gpus else "cpu"
    else:
        chosen = backend
    return WorkerLayout(
        where=where,
        workers=max(workers, 1),
        cores=cores,
        backend=chosen,
        gpus=tuple(gpus),
        coders=coders,
        per_gpu=math.ceil(max(workers, 1) / len(gpus)) if gpus else 1,
        cpu_instead=backend == "auto",
        remark="; ".join(remarks),
    )


def _expected_times() -> StageTimes:
    return expected_times(MODALITIES)


def _tried(found: Gpus, profile: str | None) -> Gpus:
    """The GPUs that compute flow as the CPU does, and the trouble with the others.

    Args:
        profile: of the flow; None: they are not tried.
    """
    if not found.names or profile is None:
        return found
    troubles = troubles_with_flow(found.names, profile)
    good = tuple(name for name in found.names if name not in troubles)
    if len(found.names) == 1 or NO_COMPILER in troubles.values():
        said = next(iter(troubles.values()), "")
    else:
        said = in_words(troubles)
    trouble = "; ".join(filter(None, [found.trouble, said]))
    return found._replace(names=good, trouble=trouble)


def require_gpu() -> None:
    """See that this machine has a GPU.

    Raises:
        FlowError: it has none, or the driver says why not.
    """
    found = find_gpus()
    if not found.names:
        raise _no_gpu(found.trouble)


def _no_gpu(trouble: str) -> FlowError:
    if trouble == NO_COMPILER:
        return FlowError(trouble)
    found = trouble or "none on this machine"
    return FlowError(
        f"flow back end cuda: expected a GPU, got {found} "
        "(use --flow-device cpu, or auto)"
    )
