"""The executor that fits: this process, a pool of it, or a cluster that is asked for."""

import sys
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from made_shards import made_task

from motion_shards.address import ClusterSearch
from motion_shards.errors import ClusterError
from pipeline import executors
from pipeline.driver.publish import prepare
from pipeline.errors import ExtractionError
from pipeline.executors import choose as choosing
from pipeline.executors import workers as layouts
from pipeline.executors.attempt import Failure
from pipeline.executors.choose import (
    Execution,
    outcomes,
    require_backend,
    worker_layout,
)
from pipeline.executors.gpus import Gpus
from pipeline.executors.reporter import SILENT
from pipeline.executors.workers import WorkerLayout
from pipeline.flow.errors import FlowError
from pipeline.shard.task import Task

DEAD = "127.0.0.1:1"
"""Nobody listens there."""
RGB = made_task(100, modalities=("rgb",))
FLOW = made_task(100, modalities=("flow",))


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No cluster is known on this machine, and it has no GPU."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(choosing, "find_cluster", cluster_from_environment)
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(()))


def cluster_from_environment() -> ClusterSearch:
    """What `auto` finds where Ray has left no note."""
    from motion_shards.address import cluster_from_environment as named

    return ClusterSearch(named())


def layout(tasks: list[Task], **given: Any) -> WorkerLayout:
    with worker_layout(Execution(**given), tasks, say=lambda line: None) as found:
        return found


def test_workers_are_processes_and_none_of_them_is_this_process():
    assert (layout([RGB], workers=3).where, layout([RGB], workers=3).workers) == (
        "pool",
        3,
    )
    assert (layout([RGB], workers=0).where, layout([RGB], workers=0).workers) == (
        "here",
        1,
    )
    assert layout([RGB]).where == "pool"


def test_gpus_are_looked_for_where_flow_is_wanted(monkeypatch):
    def looked() -> Gpus:
        raise AssertionError("looked for GPUs")

    monkeypatch.setattr(layouts, "find_gpus", looked)
    assert layout([RGB], workers=1).backend == "cpu"
    assert layout([], workers=1).backend == "cpu"
    for backend in ("cpu", "opencv"):
        assert layout([FLOW], workers=1, backend=backend).backend == backend
    with pytest.raises(AssertionError, match="looked for GPUs"):
        layout([FLOW], workers=1)
    with pytest.raises(AssertionError, match="looked for GPUs"):
        layout([RGB, FLOW], workers=1)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_cluster_that_is_named_is_joined_or_refused(workers, monkeypatch):
    with pytest.raises(ClusterError, match="^--ray: expected a Ray cluster at"):
        layout([RGB], ray=DEAD, workers=workers)
    monkeypatch.setenv("RAY_ADDRESS", DEAD)
    with pytest.raises(ClusterError, match="^RAY_ADDRESS: expected a Ray cluster at"):
        layout([RGB], ray="auto", workers=workers)
    assert layout([RGB], ray="off", workers=workers).where == "pool"


def test_without_work_no_cluster_is_asked(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", DEAD)
    assert layout([], ray=DEAD, workers=2).where == "pool"
    assert layout([], ray="auto", workers=2).where == "pool"


def test_no_worker_is_this_process_unless_a_cluster_is_named(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", DEAD)
    assert layout([RGB], ray="auto", workers=0).where == "here"
    for ray in (DEAD, "local"):
        with pytest.raises(ExtractionError, match="expected at least 1, got 0"):
            layout([RGB], ray=ray, workers=0)


def test_why_a_cluster_of_this_machine_is_not_joined_is_said(monkeypatch):
    monkeypatch.setattr(
        choosing, "find_cluster", lambda: ClusterSearch(None, "it is a stranger's")
    )
    said: list[str] = []
    with worker_layout(
        Execution(ray="auto", workers=1), [RGB], say=said.append
    ) as found:
        assert found.where == "pool"
    assert said == ["it is a stranger's"]


def test_a_back_end_that_is_not_here_is_refused_before_anything_is_written(monkeypatch):
    require_backend(Execution(backend="auto"), "default")
    require_backend(Execution(backend="opencv"), "default")
    with pytest.raises(FlowError, match="no such profile"):
        require_backend(Execution(backend="cpu"), "no such profile")
    cuda = {"backend": "cuda"}
    for here in ({}, {"ray": "auto"}, {"ray": "auto", "workers": 0}):
        with pytest.raises(FlowError, match="expected a GPU, got none"):
            require_backend(Execution(**cuda, **here), "default")
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(("0",)))
    require_backend(Execution(**cuda), "default")


def test_the_gpu_of_a_cluster_need_not_be_here(monkeypatch):
    require_backend(Execution(backend="cuda", ray=DEAD), "default")
    monkeypatch.setenv("RAY_ADDRESS", DEAD)
    require_backend(Execution(backend="cuda", ray="auto"), "default")


def test_this_process_builds_one_shard_after_the_other(tmp_path):
    """Of a folder of videos that is away: a failure each, as each is asked for."""
    store = tmp_path / "store"
    prepare(store)
    queue = deque([RGB, FLOW])
    here = WorkerLayout(where="here", workers=1, cores=1)
    execution = Execution(workers=0, scratch=tmp_path)
    coming = outcomes(queue, here, store, execution, SILENT)
    first = next(iter(coming))
    assert isinstance(first, Failure) and first.task == RGB
    assert list(queue) == [FLOW]


def test_a_pool_gets_what_layout_and_execution_say(tmp_path, monkeypatch):
    asked: dict[str, Any] = {}

    def run(queue: deque[Task], **given: Any) -> str:
        asked.update(given, queue=queue)
        return "a pool"

    monkeypatch.setattr(choosing, "run_in_pool", run)
    monkeypatch.chdir(tmp_path)
    queue = deque([RGB])
    pool = WorkerLayout(where="pool", workers=3, cores=8, gpus=("0", "1"))
    execution = Execution(
        workers=5, scratch=Path("fast"), hang_seconds=6.0, stall_seconds=7.0
    )
    assert outcomes(queue, pool, Path("s"), execution, SILENT) == "a pool"
    assert asked == {
        "queue": queue,
        "store": tmp_path / "s",
        "scratch": Path("fast"),
        "workers": 3,
        "stall_seconds": 7.0,
        "reporter": SILENT,
        "gpus": ("0", "1"),
    }


def test_a_cluster_gets_what_the_user_asked_for(tmp_path, monkeypatch):
    """Not the number of tasks that fit now: machines may join."""
    asked: dict[str, Any] = {}
    cluster = ModuleType("on_ray")
    cluster.run_on_ray = lambda queue, **given: asked.update(given)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.executors.on_ray", cluster)
    monkeypatch.setattr(executors, "on_ray", cluster, raising=False)
    monkeypatch.chdir(tmp_path)
    layout_there = WorkerLayout(where="ray", workers=3, cores=8)
    execution = Execution(ray="auto", hang_seconds=6.0, stall_seconds=7.0)
    outcomes(deque([RGB]), layout_there, Path("s"), execution, SILENT, local=True)
    assert asked == {
        "store": tmp_path / "s",
        "local": True,
        "scratch": None,
        "workers": None,
        "stall_seconds": 7.0,
        "reporter": SILENT,
    }
