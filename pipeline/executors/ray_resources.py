"""Resources of a cluster for a plan: the division of work, or the reason it cannot run.

Pure but for `live_nodes`. Ray itself waits for ever for what a cluster does not have.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import ray

from pipeline.errors import ExtractionError

from .workers import (
    CORES_PER_WORKER,
    COST,
    COST_ON_GPU,
    DECODING,
    WORKERS_PER_GPU,
    WorkerLayout,
)

GPU_MS = 0.3
"""Time of a GPU per frame of 340x256, in units of `COST`: assumed of an H200."""
LATE = (
    "nodes that an autoscaler would start, or that join later, do not count yet: "
    "start one first"
)


class Node(NamedTuple):
    """A living machine of the cluster, as Ray counts it."""

    name: str
    cpus: float
    gpus: float


class Slots(NamedTuple):
    """Number of tasks that can run at a time."""

    flow: int
    """With a share of a GPU."""
    others: int
    """Further tasks, on cores alone."""


class Shape(NamedTuple):
    """Resources of a task on a GPU."""

    per_gpu: int
    """Tasks that share one."""
    cpus: int

    @property
    def gpu_share(self) -> float:
        """Rounded down to what Ray counts, so that `per_gpu` of them fit into 1."""
        return math.floor(10_000 / self.per_gpu) / 10_000


def live_nodes() -> list[Node]:
    """The nodes of the joined cluster."""
    nodes = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            name = str(node["NodeManagerAddress"])
            nodes.append(Node(name, has.get("CPU", 0.0), has.get("GPU", 0.0)))
    return nodes


def cluster_layout(
    nodes: Sequence[Node],
    *,
    backend: str,
    modalities: Collection[str],
    workers: int | None,
) -> WorkerLayout:
    """The layout of a cluster.

    Args:
        backend: auto, cpu, opencv or cuda.
        modalities: of the tasks, all together.
        workers: tasks at a time at most; None: what there is room for.

    Raises:
        ExtractionError: the cluster cannot build this; the line says what is missing.
    """
    cores = sum(int(node.cpus) for node in nodes)
    if cores < 1:
        raise ExtractionError(
            f"expected a cluster with a CPU, got {_census(nodes)} ({LATE})"
        )
    flow = "flow" in modalities
    shape = gpu_shape(nodes)
    remark = ""
    if not flow:
        backend = "cpu"
    if backend == "cuda" and shape is None:
        raise ExtractionError(
            f"flow back end cuda: expected a node with a GPU and a CPU, got "
            f"{_census(nodes)} ({LATE}, or use --flow-device cpu)"
        )
    if backend == "auto" and shape is None and any(node.gpus for node in nodes):
        remark = "GPUs not used (their nodes offer no CPU): the CPU computes flow"
    elif backend == "auto" and shape is None:
        remark = f"the CPU computes flow: no GPU in the cluster ({LATE})"
    chosen = backend
    if backend in ("auto", "cuda"):
        chosen = "cuda" if shape else "cpu"
    on_gpu = shape if chosen == "cuda" else None
    slots = open_slots(nodes, on_gpu)
    apart = on_gpu is not None and _better_apart(slots, on_gpu, nodes, modalities)
    at_a_time = slots.flow + (slots.others if apart or not on_gpu else 0)
    return WorkerLayout(
        where="ray",
        workers=at_a_time if workers is None else min(workers, at_a_time),
        cores=cores,
        backend=chosen,
        gpus=tuple(
            f"{node.name}:{k}"
            for node in nodes
            if on_gpu and node.cpus >= 1
            for k in range(int(node.gpus))
        ),
        coders=max(on_gpu.cpus - 1, 1) if on_gpu else 1,
        per_gpu=on_gpu.per_gpu if on_gpu else 1,
        cpu_instead=backend == "auto",
        split=apart,
        remark=remark,
    )


def gpu_shape(nodes: Sequence[Node]) -> Shape | None:
    """Resources of a task on a GPU that fits on every node that has one.

    None where no node has both a GPU and a core.
    """
    able = [node for node in nodes if node.gpus >= 1 and node.cpus >= 1]
    if not able:
        return None
    per_gpu = [int(node.cpus / int(node.gpus)) for node in able]
    cpus = min(CORES_PER_WORKER, max(min(per_gpu), 1))
    return Shape(min(max(max(per_gpu) // cpus, 1), WORKERS_PER_GPU), cpus)


def open_slots(nodes: Sequence[Node], shape: Shape | None) -> Slots:
    """Number of free slots; without a shape none is for a GPU."""
    flow = others = 0
    for node in nodes:
        here = 0
        if shape is not None:
            here = min(int(node.gpus) * shape.per_gpu, int(node.cpus) // shape.cpus)
        flow += here
        others += int(node.cpus) - here * (shape.cpus if shape else 0)
    return Slots(flow, others)


def _better_apart(
    slots: Slots, shape: Shape, nodes: Sequence[Node], modalities: Collection[str]
) -> bool:
    """Whether cores elsewhere, doing all but flow, make the GPUs faster.

    Only the slowest part of the cluster counts; where nothing is gained, a video is
    decoded once.
    """
    others = [name for name in modalities if name != "flow"]
    if not others or not any(node.cpus >= 1 and node.gpus < 1 for node in nodes):
        return False
    gpu = GPU_MS / max(sum(int(node.gpus) for node in nodes), 1)
    rest = sum(COST[name] for name in others)
    beside_gpus = slots.flow * shape.cpus
    flow_only = (DECODING + COST_ON_GPU["flow"]) / beside_gpus
    together = max((DECODING + COST_ON_GPU["flow"] + rest) / beside_gpus, gpu)
    apart = max(flow_only, gpu, (DECODING + rest) / max(slots.others, 1))
    return apart < together


def _census(nodes: Sequence[Node]) -> str:
    cpus = sum(node.cpus for node in nodes)
    gpus = sum(node.gpus for node in nodes)
    return f"{len(nodes)} nodes with {cpus:g} CPUs and {gpus:g} GPUs"
