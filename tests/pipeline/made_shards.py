"""Plans, tasks, reports and commits of shards made by hand: nothing is decoded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest

from pipeline.adapters.videos import DataSet, Video
from pipeline.driver.plan import StorePlan
from pipeline.driver.publish import prepare, publish
from pipeline.extract.settings import ExtractSettings
from pipeline.shard.plan import PlannedVideo
from pipeline.shard.task import ShardReport, Task
from pipeline.store.commit import VideoRecord
from pipeline.store.file_names import shard_file
from pipeline.store.manifest import FileRecord
from pipeline.store.schema import num_entries

SETTINGS = ExtractSettings(short_side=32)
NO_COLUMNS = xxh3_128_hexdigest(b"columns")
FRAMES = 10


def planned(*sizes: int) -> tuple[PlannedVideo, ...]:
    """Videos v000, v001, ... of these sizes in bytes."""
    return tuple(
        PlannedVideo(f"v{number:03d}", f"v{number:03d}.mp4", size)
        for number, size in enumerate(sizes)
    )


def made_plan(
    *counts: int, modalities: Sequence[str] = ("rgb", "mv"), size_bytes: int = 100
) -> StorePlan:
    """Shards of these numbers of videos."""
    return StorePlan(
        dataset="folder",
        videos=planned(*[size_bytes] * sum(counts)),
        ends=tuple(accumulate(counts)),
        settings=SETTINGS.only(modalities),
    )


def made_task(
    *sizes: int,
    shard: int = 0,
    modalities: Sequence[str] = ("rgb", "mv"),
    folder: Path = Path("/nowhere"),
    **changes: Any,
) -> Task:
    """An attempt at a shard whose videos have these sizes in bytes."""
    plan = made_plan(1, modalities=modalities).shard_plan(0, modalities, folder=folder)
    videos = tuple(
        PlannedVideo(f"{shard}-{video.id}", f"{shard}-{video.path}", video.size_bytes)
        for video in planned(*sizes)
    )
    return Task(plan=replace(plan, shard=shard, videos=videos), **changes)


def made_record(
    video: PlannedVideo, modality: str, *, first: int = 0, **changes: Any
) -> VideoRecord:
    """A stored video of 32x42 px and 10 frames."""
    frames = changes.get("frames", FRAMES)
    record = VideoRecord(
        id=video.id,
        path=video.path,
        size_bytes=video.size_bytes,
        xxh3=xxh3_128_hexdigest(video.id.encode()),
        frames=frames,
        height=32,
        width=42,
        fps=25.0,
        codec="h264",
        first=first,
        rows=num_entries(modality, frames),
    )
    return replace(record, **changes)


def made_report(
    plan: StorePlan,
    shard: int,
    modalities: Sequence[str],
    store: Path,
    *,
    content: bytes = b"rows",
    bad: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> ShardReport:
    """A shard that was delivered: its files lie in the `_tmp` of the store.

    Args:
        content: of every file; readers of commits never open it.
        changes: modality -> what is special about its videos.
    """
    prepare(store)
    bad, unavailable = dict(bad or {}), dict(unavailable or {})
    shard_plan = plan.shard_plan(shard, modalities, folder=Path("/nowhere"))
    report = ShardReport(plan=shard_plan, bad=bad, unavailable=unavailable)
    for modality in modalities:
        arrived = store / "_tmp" / f"{modality}-{shard}.h5"
        arrived.write_bytes(content)
        name = shard_file(modality, shard)
        report.files[modality] = arrived
        report.delivered[modality] = FileRecord(
            name, len(content), xxh3_128_hexdigest(content), NO_COLUMNS, 0, 0, 0
        )
        records = report.records.setdefault(modality, [])
        for video in shard_plan.videos:
            if video.id not in bad and video.id not in unavailable:
                first = records[-1].first + records[-1].rows if records else 0
                special = (changes or {}).get(modality, {})
                records.append(made_record(video, modality, first=first, **special))
    return report


def published(
    plan: StorePlan, shard: int, modalities: Sequence[str], store: Path, **given: Any
) -> None:
    """Make a shard, given as to `made_report`, part of a store."""
    publish(made_report(plan, shard, modalities, store, **given), store)


def made_data_set(plan: StorePlan, **changes: Any) -> DataSet:
    """The videos of a plan, alternately of two classes, all to learn from in split 1."""
    given: dict[str, Any] = {
        "name": plan.dataset,
        "folder": Path("/nowhere"),
        "classes": ("jump", "run"),
        "splits": {"1": "lists"},
        "videos": tuple(
            Video(
                id=video.id,
                path=video.path,
                size_bytes=video.size_bytes,
                labels=(number % 2,),
                splits={"1": "train"},
                group=video.id,
            )
            for number, video in enumerate(plan.videos)
        ),
    }
    return DataSet(**given | changes)
