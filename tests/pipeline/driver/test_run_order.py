"""The order of a run: what is published, counted, forgotten and tried again, and when.

The executor here is a list of answers; all else is real, and nothing is decoded.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batch_solvers import ZeroFlow
from made_shards import SETTINGS, made_data_set, made_plan, made_report

from motion_shards.processes import ProcessIdentity
from pipeline.adapters.videos import DataSet
from pipeline.driver import extraction
from pipeline.driver.extraction import dry_run, extract
from pipeline.driver.missing import DAMAGED
from pipeline.driver.plan_file import read_plan
from pipeline.errors import ExtractionError
from pipeline.executors import workers as layouts
from pipeline.executors.attempt import Failure, Outcome
from pipeline.executors.choose import Execution
from pipeline.executors.gpus import Gpus
from pipeline.executors.reporter import SilentReporter
from pipeline.flow.errors import FlowError
from pipeline.shard.task import ShardReport, Task
from pipeline.store import FolderHeld
from pipeline.store.file_names import LOGS, commit_file

RGB_MV = SETTINGS.only(["rgb", "mv"])
Answer = Callable[[Task, Path], Outcome]


class Watched(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counts: list[dict[str, int]] = []
        self.videos = 0

    def say(self, text: str) -> None:
        self.lines.append(text)

    def start(self, *, videos: int) -> None:
        self.videos = videos

    def published(self, **counts: int) -> None:
        self.counts.append(counts)


def built(task: Task, out: Path, **given: Any) -> ShardReport:
    """The shard as it was asked for."""
    modalities = task.plan.modalities
    return made_report(read_plan(out), task.plan.shard, modalities, out, **given)


@pytest.fixture
def dataset(tmp_path) -> DataSet:
    """Twelve videos: three shards of four."""
    return made_data_set(made_plan(12), folder=tmp_path / "videos")


@pytest.fixture
def run(monkeypatch, dataset, tmp_path):
    """A run whose shards are answered like this; returns what the reporter got."""

    def start(answer: Answer, *, at_end: Callable[[], None] = lambda: None) -> Watched:
        def outcomes(
            queue: deque[Task], *given: Any, **named: Any
        ) -> Iterator[Outcome]:
            while queue:
                yield answer(queue.popleft(), tmp_path / "store")
            at_end()

        monkeypatch.setattr(extraction, "outcomes", outcomes)
        reporter = Watched()
        extract(
            dataset,
            RGB_MV,
            out=tmp_path / "store",
            execution=Execution(workers=0),
            reporter=reporter,
        )
        return reporter

    return start


def test_a_gpu_that_is_not_here_is_missed_before_anything_is_written(
    dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(()))
    cuda = Execution(workers=0, backend="cuda")
    with pytest.raises(FlowError, match="expected a GPU, got none"):
        extract(dataset, SETTINGS.only(["flow"]), out=tmp_path / "s", execution=cuda)
    assert not (tmp_path / "s").exists()


def committed(out: Path) -> list[int]:
    """Shards with a commit of their vectors."""
    return [k for k in range(3) if (out / commit_file("mv", k)).exists()]


def test_a_shard_is_published_before_the_next_is_asked_for(run):
    seen = []

    def answer(task: Task, out: Path) -> Outcome:
        seen.append((task.plan.shard, committed(out)))
        return built(task, out)

    reporter = run(answer)
    assert seen == [(0, []), (1, [0]), (2, [0, 1])]
    assert reporter.videos == 12
    # 40 frames in each shard, and 4 bytes in each of its two files
    assert reporter.counts == [{"videos": 4, "frames": 40, "stored_bytes": 8}] * 3
    assert reporter.lines == []


def test_a_failed_shard_is_tried_again_at_once(run):
    seen = []

    def answer(task: Task, out: Path) -> Outcome:
        seen.append((task.plan.shard, task.attempt))
        if seen[-1] == (1, 1):
            return Failure(task, "lost", "Traceback ...\nits worker is gone\n")
        return built(task, out)

    reporter = run(answer)
    assert seen == [(0, 1), (1, 1), (1, 2), (2, 1)]
    assert reporter.lines == ["shard 1 failed (attempt 1): its worker is gone"]
    assert len(reporter.counts) == 3


def test_videos_that_cannot_be_used_are_named_when_their_shard_is_published(run):
    def answer(task: Task, out: Path) -> Outcome:
        if task.plan.shard != 1:
            return built(task, out)
        bad, away = {"v004": "no video"}, {"v006": "no such file"}
        report = built(task, out, bad=bad, unavailable=away)
        report.records["mv"] = []  # frames are those of the modality that has most
        return report

    reporter = run(answer)
    assert reporter.lines == [
        "quarantined v004.mp4: no video",
        "unavailable v006.mp4: no such file",
    ]
    assert reporter.counts[1]["frames"] == 20 and reporter.counts[1]["videos"] == 4


def test_a_run_of_nothing_but_bad_videos_is_stopped(run, dataset, tmp_path):
    many = made_data_set(made_plan(128), folder=dataset.folder)

    def answer(task: Task, out: Path) -> Outcome:
        names = [video.id for video in task.plan.videos]
        return built(task, out, bad=dict.fromkeys(names, "no video"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            extraction,
            "outcomes",
            lambda queue, layout, out, *given, **named: (
                answer(task, out) for task in [*queue]
            ),
        )
        with pytest.raises(ExtractionError, match="of the first 32 videos failed"):
            extract(many, RGB_MV, out=tmp_path / "s", execution=Execution(workers=0))


def follow(store: Path) -> None:
    """Another run takes over: this one was silent for so long."""
    holder = replace(ProcessIdentity.this_process(), space="elsewhere")
    path = store / LOGS / "holder-00002.json"
    path.write_text(json.dumps(asdict(holder)))


def test_a_run_that_was_followed_publishes_nothing_more(run, tmp_path):
    def answer(task: Task, out: Path) -> Outcome:
        if task.plan.shard == 1:
            follow(out)
        return built(task, out)

    with pytest.raises(FolderHeld, match="another one took over"):
        run(answer)
    assert committed(tmp_path / "store") == [0]


def test_a_run_that_was_followed_does_not_write_the_manifest(run, tmp_path):
    out = tmp_path / "store"
    with pytest.raises(FolderHeld, match="another one took over"):
        run(built, at_end=lambda: follow(out))
    assert committed(out) == [0, 1, 2]
    assert not (out / "manifest.json").exists() and not (out / "index.jsonl").exists()


def test_the_executor_is_ended_when_the_run_is(run, monkeypatch, dataset, tmp_path):
    """Not when somebody collects garbage: its workers write to scratch."""
    ended = []

    def outcomes(queue: deque[Task], *given: Any, **named: Any) -> Iterator[Outcome]:
        try:
            yield Failure(queue.popleft(), "environment", "No space left on device")
        finally:
            ended.append(True)

    kept: list[Iterator[Outcome]] = []
    monkeypatch.setattr(
        extraction,
        "outcomes",
        lambda *given, **named: kept.append(outcomes(*given)) or kept[0],
    )
    with pytest.raises(ExtractionError, match="No space left on device"):
        extract(dataset, RGB_MV, out=tmp_path / "s", execution=Execution(workers=0))
    assert ended == [True]


def test_attempts_are_forgotten_shard_by_shard_as_they_are_published(run, tmp_path):
    left = []

    def answer(task: Task, out: Path) -> Outcome:
        shard = task.plan.shard
        if shard == 0:
            for number in range(3):
                (out / LOGS / f"attempts-{number:05d}-mv").write_bytes(b"x")
        left.append(sorted(path.name for path in (out / LOGS).glob("attempts-*")))
        return built(task, out)

    run(answer)
    names = [f"attempts-{number:05d}-mv" for number in range(3)]
    assert left == [names, names[1:], names[2:]]


def test_notes_of_a_repaired_store_are_removed_at_the_end(run, tmp_path):
    out = tmp_path / "store"
    run(built)
    (out / DAMAGED).write_text("[]")
    (out / LOGS / "attempts-00007-rgb").write_bytes(b"x")
    (out / commit_file("mv", 1)).unlink()
    seen = []

    def answer(task: Task, store: Path) -> Outcome:
        seen.append((task.plan.shard, task.plan.modalities))
        assert (store / DAMAGED).exists()
        return built(task, store)

    reporter = run(answer)
    assert seen == [(1, ("mv",))]
    assert reporter.lines == ["8 of 12 videos are already finished"]
    left = {path.name for path in (out / LOGS).iterdir()}
    assert left == {"holder-00002.ended"}
    assert not (out / "_tmp").exists()


def test_a_whole_store_asks_the_executor_for_nothing(run):
    run(built)

    def never(task: Task, out: Path) -> Outcome:
        raise AssertionError("built again")

    reporter = run(never)
    assert reporter.lines == [] and reporter.counts == []


def test_a_store_that_cannot_be_written_has_something_to_do_if_its_plan_is_lost(
    run, dataset, tmp_path, monkeypatch
):
    """All shards are there, and the manifest; only the plan would be written."""
    out = tmp_path / "store"
    run(built)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != out)
    here = Execution(workers=0)
    assert extract(dataset, RGB_MV, out=out, execution=here).fresh_shards == 0
    (out / "_plan.json").unlink()
    with pytest.raises(
        ExtractionError, match="cannot be written, and its text files must be"
    ):
        extract(dataset, RGB_MV, out=out, execution=here)


def test_a_dry_run_counts_only_the_shard_of_a_video_that_has_grown(
    run, dataset, tmp_path
):
    """v004 was half there when the store was planned; v009 is as bad as it was."""
    out = tmp_path / "store"
    bad = {1: {"v004": "cut short"}, 2: {"v009": "no video"}}
    run(lambda task, store: built(task, store, bad=bad.get(task.plan.shard)))
    for video in dataset.videos:
        path = dataset.folder / video.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * (200 if video.id == "v004" else 100))
    videos = tuple(
        replace(video, size_bytes=200) if video.id == "v004" else video
        for video in dataset.videos
    )
    grown = replace(dataset, videos=videos)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    found = dry_run(grown, RGB_MV, out=out, execution=Execution(workers=0))
    assert (found.shards, found.videos) == (1, 4)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_dry_run_estimates_the_tasks_as_they_would_be_run(
    dataset, tmp_path, monkeypatch
):
    """On the GPU that would compute their flow, with the threads that would encode."""
    monkeypatch.setattr(layouts, "find_gpus", lambda: Gpus(("0",)))
    asked: list[Task] = []
    real = extraction.estimate
    monkeypatch.setattr(
        extraction,
        "estimate",
        lambda tasks, layout, *, measure: asked.extend(tasks) or real([], layout),
    )
    flow = SETTINGS.only(["flow"])
    gpu = Execution(workers=1, make_solver=partial(ZeroFlow, notes=tmp_path))
    dry_run(dataset, flow, out=tmp_path / "s", execution=gpu)
    assert len(asked) == 3 and all(task.on_gpu for task in asked)
