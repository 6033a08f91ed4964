"""Time and memory of everything but the videos, on as many as Kinetics-700 has. By hand:

    python tests/bench_scale.py --videos 650000

No video is read: a fake data set is planned, its tasks are written as a cluster gets
them, and each is answered by a made-up report with files of a few bytes. Planning,
publishing (with its flushes to disk), merging, resuming and opening are the real ones.
Prints a JSON line per step: wall and processor seconds, and the peak memory of the
process during that step, of which what the earlier steps hold is a part.
"""

import argparse
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench_memory import peak_mb
from xxhash import xxh3_128_hexdigest

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/ has folders of these names

from pipeline.adapters.videos import DataSet, Video
from pipeline.driver.merging import merge
from pipeline.driver.missing import missing_tasks
from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan, write_plan
from pipeline.driver.publish import prepare, publish
from pipeline.driver.resume import store_plan, write_if_new
from pipeline.driver.summary import summarize
from pipeline.executors.choose import Execution
from pipeline.extract.settings import ExtractSettings
from pipeline.inspection import status as upkeep
from pipeline.management import making
from pipeline.management.relabelling import relabel, relisted
from pipeline.shard.plan import ShardPlan
from pipeline.shard.task import ShardReport, Task
from pipeline.store import MODALITIES, Store
from pipeline.store.commit import VideoRecord
from pipeline.store.file_names import ARRIVING, shard_file
from pipeline.store.manifest import FileRecord
from pipeline.store.schema import num_entries

KINETICS_700 = 650_000
FRAMES, CLASSES = 250, 700
XXH3 = "0123456789abcdef" * 2
SETTINGS = ExtractSettings().only(MODALITIES)
T = TypeVar("T")


def fake_data_set(count: int, folder: Path) -> DataSet:
    """Videos of ten seconds, named as those of Kinetics are; there are no files."""
    names = tuple(f"class {number:03d}" for number in range(CLASSES))
    splits = [{"official": part} for part in ("train", "train", "train", "test")]
    videos = []
    for number in range(count):
        name = f"{names[number % CLASSES]}/{number:011d}_000012_000022"
        videos.append(
            Video(
                id=name,
                path=f"{name}.mp4",
                size_bytes=4_000 * FRAMES + number % 999,
                labels=(number % CLASSES,),
                splits=splits[number % 4],
                group=name,
            )
        )
    return DataSet(
        name="folder",
        folder=folder,
        classes=names,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={"official": "lists"},
    )


def fake_report(plan: ShardPlan, store: Path) -> ShardReport:
    """What a worker would say about a shard; its files hold their names."""
    report = ShardReport(plan=plan)
    for modality in plan.modalities:
        rows = num_entries(modality, FRAMES)
        name = shard_file(modality, plan.shard)
        arrived = store / ARRIVING / name
        arrived.write_text(name)
        report.files[modality] = arrived
        xxh3 = xxh3_128_hexdigest(name.encode())
        report.delivered[modality] = FileRecord(name, len(name), xxh3, XXH3, 0, 0, 0)
        report.records[modality] = [
            VideoRecord(
                id=video.id,
                path=video.path,
                size_bytes=video.size_bytes,
                xxh3=XXH3,
                frames=FRAMES,
                height=256,
                width=340,
                fps=25.0,
                codec="h264",
                first=place * rows,
                rows=rows,
                clipped=place,
                values=10_000,
                bytes=rows * 9_000,
            )
            for place, video in enumerate(plan.videos)
        ]
    return report


def publish_all(tasks: list[Task], store: Path) -> None:
    for task in tasks:
        publish(fake_report(task.plan, store), store)


def resumed(dataset: DataSet, store: Path) -> tuple[StorePlan, list[Task]]:
    """What a second start of the same command finds to do."""
    plan = store_plan(dataset, SETTINGS, out=store)
    assert read_plan(store) == plan
    return plan, missing_tasks(plan, MODALITIES, dataset.folder, store, Execution())


class Steps:
    """Does steps one by one, and tells the figures of each."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self.tell = tell

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        forget_peak()
        began, worked = time.perf_counter(), time.process_time()
        result = work()
        figures = {
            "step": name,
            "seconds": round(time.perf_counter() - began, 2),
            "cpu_seconds": round(time.process_time() - worked, 2),
            "peak_mb": peak_mb(),
        }
        self.tell(figures)
        return result


def write(count: int, store: Path, step: Steps) -> None:
    """All that `pipeline extract` does with so many videos, but for the videos."""
    dataset = step("data set", lambda: fake_data_set(count, store.parent / "videos"))
    plan = step("plan", lambda: store_plan(dataset, SETTINGS, out=store))
    prepare(store)
    step("write the plan", lambda: write_plan(store, plan))
    tasks = step(
        "tasks",
        lambda: missing_tasks(plan, MODALITIES, dataset.folder, store, Execution()),
    )
    sent = step("send the tasks", lambda: sum(len(pickle.dumps(t)) for t in tasks))
    step.tell({"shards": len(tasks), "bytes_per_task": sent // len(tasks)})
    step("publish", lambda: publish_all(tasks, store))
    manifest = step("merge", lambda: merge(plan, dataset, store))
    assert manifest.videos == count and not manifest.bad
    step("summary", lambda: summarize(store, manifest, shards=0, seconds=0))
    again, left = step("resume", lambda: resumed(dataset, store))
    assert again == plan and not left


def read(count: int, store: Path, step: Steps) -> Store:
    """What people do with the store."""
    state = step("status", lambda: upkeep.status(store))
    assert state.finished and set(state.done.values()) == {state.shards}
    index_mb = (store / "index.jsonl").stat().st_size / 1e6
    plan_mb = (store / "_plan.json").stat().st_size / 1e6
    step.tell({"index_mb": round(index_mb, 1), "plan_mb": round(plan_mb, 1)})
    opened = step("open", lambda: Store(store))
    middle = opened.ids()[count // 2]
    step("first look-up", lambda: opened.video(middle))
    assert step("all ids", lambda: sum(1 for _ in opened.ids())) == count
    assert step("all videos", lambda: sum(1 for _ in opened.videos())) == count
    return opened


def manage(count: int, store: Path, step: Steps) -> None:
    """Growth by a tenth, other labels, and a copy of files that hold almost nothing."""
    dataset = fake_data_set(count + count // 10, store.parent / "videos")
    plan = step(
        "plan a growth", lambda: store_plan(dataset, SETTINGS, out=store, grow=True)
    )
    write_if_new(plan, store)
    tasks = missing_tasks(plan, MODALITIES, dataset.folder, store, Execution())
    assert len(tasks) == plan.shards - plan.earlier[0]
    step("publish a growth", lambda: publish_all(tasks, store))
    manifest = step("merge a growth", lambda: merge(plan, dataset, store))
    assert manifest.videos == len(dataset.videos) and manifest.earlier
    held_out = step("hold out", lambda: relisted(store, holdout=0.2))
    step("relabel", lambda: relabel(store, held_out))
    outcome = step("copy", lambda: making.copy(store, store.parent / "copy"))
    assert outcome.videos == manifest.videos


def forget_peak() -> None:
    """Start the kernel's count of the peak anew, where it lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--videos", type=int, default=KINETICS_700)
    parser.add_argument("--folder", type=Path, help="On the disk that is meant.")
    given = parser.parse_args()
    step = Steps(lambda figures: print(json.dumps(figures), flush=True))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        store = Path(folder, "store")
        write(given.videos, store, step)
        read(given.videos, store, step)
        manage(given.videos, store, step)


if __name__ == "__main__":
    main()
