"""Who builds and who computes flow: counts, order, shares of GPUs, and the CPU instead."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from batch_solvers import Failing, ZeroFlow, broken
from small_videos import SETTINGS, Said, data_set, store_bytes

from motion_shards import extras
from pipeline.driver.extraction import extract
from pipeline.driver.plan import new_plan
from pipeline.errors import ExtractionError
from pipeline.executors import workers as layouts
from pipeline.executors.choose import Execution
from pipeline.executors.gpus import Gpus
from pipeline.executors.threads import expected_times
from pipeline.executors.workers import (
    WorkerLayout,
    local_layout,
    split,
)
from pipeline.flow.errors import DeviceError, FlowError, LostDevice
from pipeline.shard.calibration import StageTimes
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import Task

ALL = SETTINGS.only(["rgb", "flow", "mv"])


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(("GPU-a", "GPU-b")))


def task(*sizes: int, modalities=("rgb", "flow", "mv"), backend="cpu") -> Task:
    videos = [PlannedVideo(f"{k}", f"{k}.avi", size) for k, size in enumerate(sizes)]
    plan = new_plan("folder", videos, ALL, bytes_per_frame=1e9)
    shard = plan.shard_plan(0, modalities, folder=Path("x"))
    return Task(plan=replace(shard, videos=tuple(videos)), backend=backend)


def test_the_layout_of_this_machine(two_gpus, monkeypatch):
    monkeypatch.setattr(layouts, "worker_cores", lambda: 12)
    given = {"profile": "default", "make_solver": ZeroFlow}
    layout = local_layout(backend="auto", workers=None, **given)
    assert (layout.backend, layout.workers, layout.coders) == ("cuda", 11, 1)
    assert layout.gpus == ("GPU-a", "GPU-b") and layout.where == "pool"
    assert layout.per_gpu == 6
    flow_alone = nullcontext(partial(expected_times, ("flow",)))
    layout = local_layout(
        backend="auto", workers=None, measure=lambda: flow_alone, **given
    )
    assert (layout.workers, layout.coders) == (8, 1)
    uneven = local_layout(backend="auto", workers=5, **given)
    assert [task.per_gpu for task in uneven.assigned([task(9)])] == [3]
    few = local_layout(backend="cuda", workers=2, **given)
    assert few.per_gpu == 1
    assert (few.workers, few.coders, few.cpu_instead) == (2, 1, False)
    assert local_layout(backend="auto", workers=0, **given).where == "here"
    told = local_layout(backend="cpu", workers=None, **given)
    assert (told.backend, told.workers, told.gpus) == ("cpu", 12, ())
    assert told.per_gpu == 1
    no_flow = local_layout(backend="auto", workers=None, profile=None)
    assert (no_flow.backend, no_flow.workers) == ("cpu", 12)


def test_times_are_measured_while_the_gpus_are_tried(two_gpus, monkeypatch):
    """And not waited for where none of them can be used."""
    log: list[str] = []

    @contextmanager
    def measure() -> Iterator[Callable[[], StageTimes]]:
        log.append("measure")
        yield lambda: log.append("wait") or StageTimes(1.0, 0.5, 0.1)
        log.append("end")

    def tried(names, profile):
        log.append("try")
        return troubles

    monkeypatch.setattr(layouts, "worker_cores", lambda: 2)
    monkeypatch.setattr(layouts, "troubles_with_flow", tried)
    given = {"backend": "auto", "workers": None, "measure": measure}
    troubles: dict[str, str] = {}
    layout = local_layout(profile="default", **given)
    assert log == ["measure", "try", "wait", "end"] and layout.workers == 2
    log.clear()
    troubles = dict.fromkeys(("GPU-a", "GPU-b"), "too old")
    assert local_layout(profile="default", **given).gpus == ()
    assert log == ["measure", "try", "end"]
    log.clear()
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(()))
    local_layout(profile="default", **given)
    local_layout(profile=None, **given)
    assert log == []


@pytest.mark.parametrize("trouble", ["", "the NVIDIA driver says error 803"])
def test_without_a_gpu_cuda_is_refused_and_auto_says_why(trouble, monkeypatch):
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus((), trouble))
    with pytest.raises(FlowError, match=f"expected a GPU, got {trouble or 'none'}"):
        local_layout(backend="cuda", workers=None, profile="default")
    layout = local_layout(backend="auto", workers=None, profile="default")
    assert layout.backend == "cpu" and trouble in layout.remark
    assert bool(layout.remark) == bool(trouble)


def test_a_gpu_that_cannot_compute_flow_is_as_good_as_none(two_gpus, monkeypatch):
    """It is tried with the profile that is asked for, unless a stand-in computes."""
    tried = []
    monkeypatch.setattr(
        layouts,
        "troubles_with_flow",
        lambda names, profile: tried.append(profile) or dict.fromkeys(names, "too old"),
    )
    layout = local_layout(backend="auto", workers=None, profile="fast")
    assert (layout.backend, layout.gpus, tried) == ("cpu", (), ["fast"])
    assert (
        layout.remark == "GPU not used (GPU-a, GPU-b: too old): the CPU computes flow"
    )
    with pytest.raises(FlowError, match="expected a GPU, got GPU-a, GPU-b: too old"):
        local_layout(backend="cuda", workers=None, profile="fast")
    tried.clear()
    given = {"profile": "fast", "make_solver": ZeroFlow}
    assert local_layout(backend="cuda", workers=None, **given).gpus
    assert local_layout(backend="auto", workers=None, profile=None).remark == ""
    assert local_layout(backend="cpu", workers=None, profile="fast").remark == ""
    assert tried == []


def test_a_gpu_without_the_extra_is_not_used_and_the_extra_named(two_gpus, monkeypatch):
    monkeypatch.setattr(extras, "is_there", lambda module: module != "numba_cuda")
    line = "flow back end cuda needs numba-cuda: pip install 'motion-shards[cuda]'"
    layout = local_layout(backend="auto", workers=None, profile="default")
    assert (layout.backend, layout.gpus) == ("cpu", ())
    assert layout.remark == f"GPU not used ({line}): the CPU computes flow"
    with pytest.raises(FlowError) as error:
        local_layout(backend="cuda", workers=None, profile="default")
    assert str(error.value) == line


def test_a_gpu_that_computes_wrong_flow_is_left_out(two_gpus, monkeypatch):
    """The others go on, and a line says so; a process on its own uses the first only."""
    wrong = {"GPU-a": "wrong flow"}
    monkeypatch.setattr(
        layouts,
        "troubles_with_flow",
        lambda names, profile: {name: wrong[name] for name in names if name in wrong},
    )
    for backend in ("auto", "cuda"):
        layout = local_layout(backend=backend, workers=None, profile="default")
        assert (layout.backend, layout.gpus) == ("cuda", ("GPU-b",))
        line = "not all GPUs are used (GPU-a: wrong flow): flow by 1 GPU"
        assert layout.remark == line
    alone = local_layout(backend="auto", workers=0, profile="default")
    assert (alone.backend, alone.gpus) == ("cpu", ())
    assert alone.remark == "GPU not used (wrong flow): the CPU computes flow"


@pytest.mark.parametrize(
    ("workers", "built", "per_gpu"), [(None, 4, 2), (3, 3, 2), (4, 4, 2), (9, 4, 2)]
)
def test_workers_are_as_many_as_the_gpus_have_room_for(
    workers, built, per_gpu, monkeypatch
):
    found = Gpus(("0", "1"), room=2, why="2 GB of memory")
    monkeypatch.setattr(layouts, "find_gpus", lambda: found)
    monkeypatch.setattr(layouts, "worker_cores", lambda: 32)
    given = {"profile": "default", "make_solver": ZeroFlow}
    layout = local_layout(backend="auto", workers=workers, **given)
    assert (layout.workers, layout.per_gpu) == (built, per_gpu)
    told = "4 workers instead of 9: a GPU has room for 2 (2 GB of memory)"
    assert layout.remark == (told if workers == 9 else "")
    others = local_layout(backend="cpu", workers=9, profile="default")
    assert (others.workers, others.remark) == (9, "")


def test_long_shards_come_first_and_flow_before_what_is_quick():
    layout = WorkerLayout(where="pool", workers=4, cores=4)
    tasks = [task(10, 10), task(500), task(30, modalities=("flow",)), task(100, 20)]
    tasks.append(task(600, modalities=("rgb",)))
    order = [sum(v.size_bytes for v in t.plan.videos) for t in layout.assigned(tasks)]
    assert order == [500, 120, 30, 20, 600]


def test_a_task_is_split_into_flow_and_the_rest():
    parts = [part.plan.modalities for part in split(task(1, backend="cuda"))]
    assert parts == [("flow",), ("rgb", "mv")]
    only = task(1, modalities=("flow",), backend="cuda")
    assert [part.plan.modalities for part in split(only)] == [("flow",)]
    layout = WorkerLayout(where="ray", workers=4, cores=4, backend="cuda", split=True)
    assert [t.on_gpu for t in layout.assigned([task(9), task(8)])].count(True) == 2


def test_where_a_gpu_cannot_be_used_the_cpu_takes_over_and_says_so(
    two_gpus, folder, tmp_path
):
    execution = Execution(workers=0, ray="off", make_solver=broken)
    reporter = Said()
    out = tmp_path / "store"
    flow = SETTINGS.only(["flow"])
    extract(data_set(folder), flow, out=out, execution=execution, reporter=reporter)
    assert len(reporter.lines) == 3
    assert re.fullmatch(
        r"shard 0 failed \(attempt 1\): GPU of .*: the driver is too old; "
        "the CPU takes over",
        reporter.lines[0],
    )
    commit = json.loads((out / "_commits/flow-00000.json").read_text())
    assert commit["made_with"]["backend"] == "cpu"
    strict = replace(execution, backend="cuda")
    with pytest.raises(ExtractionError, match="shard 0: GPU of .*driver is too old"):
        extract(data_set(folder), flow, out=tmp_path / "other", execution=strict)


@pytest.mark.parametrize(
    ("method", "error"), [("launch", DeviceError), ("collect", LostDevice)]
)
def test_where_a_gpu_fails_at_work_the_cpu_takes_over_and_says_so(
    method, error, two_gpus, folder, tmp_path
):
    """In one process an error and a lost GPU cost it a shard each; after three it is given up."""
    make = partial(Failing, method=method, error=error)
    execution = Execution(workers=0, ray="off", make_solver=make)
    reporter, out, flow = Said(), tmp_path / "store", SETTINGS.only(["flow"])
    extract(data_set(folder), flow, out=out, execution=execution, reporter=reporter)
    failed = [it for it in reporter.lines if "an illegal address (error 700)" in it]
    over = [it.endswith("; the CPU takes over") for it in failed]
    assert over == [True] * 3 and reporter.lines == failed
    lost = [it.count("; only a new process can use this GPU again") for it in failed]
    assert lost == [error is LostDevice] * 3
    commit = json.loads((out / "_commits/flow-00000.json").read_text())
    assert commit["made_with"]["backend"] == "cpu"
    strict = replace(execution, backend="cuda")
    with pytest.raises(ExtractionError, match="GPU of .*: an illegal address") as ended:
        extract(data_set(folder), flow, out=tmp_path / "other", execution=strict)
    assert not getattr(ended.value, "__notes__", [])


def test_parts_of_shards_are_published_and_gone_on_with(
    two_gpus, folder, tmp_path, monkeypatch
):
    make = partial(ZeroFlow, notes=tmp_path)
    execution = Execution(workers=0, ray="off", make_solver=make)
    whole, out = tmp_path / "whole", tmp_path / "parts"
    extract(data_set(folder), ALL, out=whole, execution=execution)
    monkeypatch.setattr(
        "pipeline.executors.choose.local_layout",
        lambda **given: replace(local_layout(**given), split=True),
    )
    with pytest.raises(KeyboardInterrupt):
        extract(
            data_set(folder),
            ALL,
            out=out,
            execution=execution,
            reporter=Said(stop_after=4),
        )
    commits = sorted(path.stem for path in (out / "_commits").glob("*.json"))
    assert len(commits) == 7  # rgb and mv of three shards, flow of one
    before = {name: (out / f"_commits/{name}.json").stat().st_ino for name in commits}
    summary = extract(data_set(folder), ALL, out=out, execution=execution)
    assert 0 < summary.fresh_shards <= 3
    after = {name: (out / f"_commits/{name}.json").stat().st_ino for name in commits}
    assert after == before
    assert store_bytes(out) == store_bytes(whole)
    assert not list((out / "_logs").glob("attempts-*"))


@pytest.mark.slow
def test_a_pool_spreads_over_gpus_and_gives_the_same_bytes(two_gpus, folder, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    here = Execution(workers=0, ray="off", make_solver=partial(ZeroFlow, notes=notes))
    flow = SETTINGS.only(["flow"])
    extract(data_set(folder), flow, out=tmp_path / "here", execution=here)
    for note in notes.iterdir():
        note.unlink()
    pool = replace(here, workers=3)
    extract(data_set(folder), flow, out=tmp_path / "pool", execution=pool)
    gpus = [note.read_text().split()[1] for note in notes.iterdir()]
    assert set(gpus) == {"GPU-a", "GPU-b"}
    assert store_bytes(tmp_path / "pool") == store_bytes(tmp_path / "here")
