"""What a plan needs against what a cluster has."""

from collections import Counter, deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.driver.plan import new_plan
from pipeline.errors import ExtractionError
from pipeline.executors import on_ray as runner
from pipeline.executors import ray_resources as resources
from pipeline.executors.on_ray import _FreeSlots
from pipeline.executors.ray_resources import (
    Node,
    Shape,
    Slots,
    cluster_layout,
    gpu_shape,
    open_slots,
)
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

ALL = ("rgb", "flow", "mv")
HEAD = Node("head", 0, 0)
CPU = Node("cpu", 16, 0)
GPU = Node("gpu", 16, 1)
BIG = Node("big", 64, 8)


def layout(*nodes: Node, backend="auto", modalities=ALL, workers=None):
    return cluster_layout(
        nodes, backend=backend, modalities=modalities, workers=workers
    )


def test_the_driver_s_own_machine_does_not_decide():
    found = layout(HEAD, BIG)
    assert found.backend == "cuda" and len(found.gpus) == 8
    assert found.per_gpu == gpu_shape([HEAD, BIG]).per_gpu == 4
    assert layout(HEAD, CPU).backend == "cpu"
    assert layout(HEAD, CPU).per_gpu == 1
    assert layout(HEAD, BIG, backend="cpu").backend == "cpu"
    assert layout(HEAD, BIG, modalities=("rgb", "mv")).backend == "cpu"


@pytest.mark.parametrize(
    ("nodes", "backend", "said"),
    [
        ([HEAD], "auto", "expected a cluster with a CPU, got 1 nodes with 0 CPUs"),
        ([HEAD, CPU], "cuda", "a node with a GPU and a CPU, got 2 nodes with 16 CPUs"),
        ([CPU, Node("odd", 0, 4)], "cuda", "16 CPUs and 4 GPUs"),
    ],
)
def test_what_can_never_run_is_said_at_once(nodes, backend, said):
    with pytest.raises(ExtractionError, match=said) as error:
        layout(*nodes, backend=backend)
    assert "join later" in str(error.value)  # an autoscaler may bring what is missing


def test_auto_without_a_gpu_says_that_the_cpu_computes():
    assert "no GPU in the cluster" in layout(CPU).remark
    assert "their nodes offer no CPU" in layout(CPU, Node("odd", 0, 4)).remark
    assert layout(GPU).remark == ""


def test_workers_share_a_gpu_by_the_cores_beside_it():
    assert gpu_shape([CPU]) is None
    assert gpu_shape([CPU, GPU]) == Shape(8, 2)
    assert gpu_shape([BIG]) == Shape(4, 2)
    assert gpu_shape([Node("thin", 1, 1)]) == Shape(1, 1)
    for count in range(1, 9):
        share = Shape(count, 2).gpu_share
        assert count * share <= 1 < (count + 1) * share + 1e-9 or count > 8


def test_slots_are_by_gpu_and_core():
    assert open_slots([CPU, GPU], Shape(4, 2)) == Slots(flow=4, others=16 + 8)
    assert open_slots([CPU, GPU], None) == Slots(flow=0, others=32)
    assert open_slots([Node("thin", 3, 4)], Shape(4, 2)) == Slots(flow=1, others=1)


def test_only_living_nodes_count(monkeypatch):
    """As Ray tells of them; one without a resource does not name it."""
    told = [
        {"Alive": True, "NodeManagerAddress": "a", "Resources": {"CPU": 4.0, "GPU": 1}},
        {"Alive": False, "NodeManagerAddress": "b", "Resources": {"CPU": 64.0}},
        {"Alive": True, "NodeManagerAddress": "c", "Resources": {"memory": 9.0}},
    ]
    monkeypatch.setattr(resources.ray, "nodes", lambda: told)
    assert resources.live_nodes() == [Node("a", 4, 1), Node("c", 0, 0)]


def test_gpus_count_where_a_core_is_beside_them():
    found = layout(GPU, Node("odd", 0, 4), Node("two", 8, 2))
    assert found.gpus == ("gpu:0", "two:0", "two:1")


def test_modalities_are_built_apart_where_that_helps():
    starved = Node("starved", 4, 1)
    assert layout(starved, CPU).split  # four cores could not keep its GPU busy
    assert not layout(GPU, CPU).split  # sixteen can
    assert not layout(starved).split  # nobody else is there
    assert not layout(
        starved, Node("slow", 1, 0)
    ).split  # it would only hold up the rest
    assert not layout(starved, CPU, modalities=("flow",)).split
    assert not layout(starved, CPU, backend="cpu").split


def test_as_many_at_a_time_as_there_is_room_for():
    assert layout(CPU).workers == 16
    assert layout(CPU, workers=3).workers == 3
    assert layout(CPU, workers=100).workers == 16
    assert layout(GPU).workers == 8
    assert (
        layout(GPU, CPU).coders == 1
    )  # what the task asks for, not what lies elsewhere


def task(shard: int, *modalities: str) -> Task:
    videos = [PlannedVideo(f"{k}", f"{k}.avi", 1) for k in range(3)]
    settings = ExtractSettings().only(ALL)
    plan = new_plan("folder", videos, settings, bytes_per_frame=1)
    shard_plan = plan.shard_plan(0, modalities, folder=Path("x"))
    return Task(plan=replace(shard_plan, shard=shard), backend="cuda")


def taken(field: _FreeSlots, queue: deque[Task], running: list[Task]) -> Counter:
    """How many of which kind are started until there is room for no other."""
    while given := field.next_task(queue, running):
        running.append(given)
    return Counter(it.on_gpu for it in running)


def test_tasks_in_flight_are_by_kind_and_nodes_may_come_and_go(monkeypatch):
    nodes = [CPU, Node("starved", 4, 1)]
    monkeypatch.setattr(runner, "live_nodes", lambda: nodes)
    monkeypatch.setattr(runner, "REFRESH_SECONDS", 0.0)
    said: list[str] = []
    reporter = SimpleNamespace(say=said.append)
    field = _FreeSlots(None, reporter)
    queue = deque(task(k, "rgb", "mv") for k in range(100))
    queue += [task(k, "flow") for k in range(40)]
    running: list[Task] = []
    # a spare for each share of the GPU; on cores no more than do not belong to it
    assert taken(field, queue, running) == {True: 4, False: 16}
    assert {it.per_gpu for it in running} == {2}  # by the cores beside the GPU
    nodes.append(Node("late", 4, 1))
    assert taken(field, queue, running) == {True: 8, False: 16}
    del nodes[1:]
    assert taken(field, queue, running) == {True: 8, False: 16}
    taken(field, queue, running)
    assert said == ["no GPU left in the cluster: waiting for one to come back"]
    for it in [it for it in queue if it.on_gpu]:
        queue.remove(it)  # no flow waits: cores have spares, too
    assert taken(field, queue, running)[False] == 32
    assert _FreeSlots(3, reporter).next_task(queue, running[:3]) is None
