"""The videos of a store as lines of a table or of JSON, one at a time."""

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain

from motion_shards.plain_text import printable
from pipeline.driver.plan import StorePlan
from pipeline.driver.plan_file import read_plan
from pipeline.errors import PlanError
from pipeline.store import Store, StoredVideo

WIDEST = {"video": 60, "class": 30, "split": 40}
"""Widths of columns, at most; a longer cell moves the rest of its line to the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRow:
    """A video of a store. Values other than names and state are None for one left out."""

    id: str
    path: str | None
    """Relative to the folder of videos; None if unknown: left out, and in no plan."""
    state: str
    """stored, quarantined, unavailable, or unreadable: when the store was planned."""
    reason: str | None = None
    """Reason for which it is left out."""
    classes: tuple[str, ...] = ()
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split name -> "train" or "test"."""
    frames: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None
    """Size of the stored frames, px."""
    seconds: float | None = None
    known_share: float | None = None
    """Share of intervals with known motion vectors; None without mv."""

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        state = f"{self.state}: {self.reason}" if self.reason else self.state
        stored = self.state == "stored"
        return (
            self.id if stored or self.path is None else self.path,
            ", ".join(self.classes) or "-",
            " ".join(f"{name}:{part}" for name, part in self.splits.items()) or "-",
            _number(self.frames, "d"),
            _number(self.fps, ".2f"),
            f"{self.width}x{self.height}" if stored else "-",
            _number(self.seconds, ".2f"),
            _number(self.known_share, ".1%"),
            state,
        )


def video_rows(store: Store) -> Iterator[VideoRow]:
    """All videos of a store, and those left out of it, sorted by id.

    Stored videos are read as they are asked for; those left out are held.
    """
    stored = map(_stored, store.videos())
    return heapq.merge(stored, left_out_rows(store), key=lambda row: row.id)


def json_lines(store: Store) -> Iterator[str]:
    """One JSON object per video."""
    return (json.dumps(asdict(row)) for row in video_rows(store))


def table_lines(store: Store) -> Iterator[str]:
    """A head line and a line per video, in columns."""
    left_out = left_out_rows(store)
    names = chain(store.ids(), (row.cells()[0] for row in left_out))
    widths = {
        "video": max(map(len, names), default=0),
        "class": max(map(len, store.classes), default=0),
        "split": sum(len(name) + len(":train ") for name in store.splits) - 1,
    }
    first, second, third = (
        max(len(name), min(width, WIDEST[name])) for name, width in widths.items()
    )
    form = (
        f"{{:{first}}}  {{:{second}}}  {{:{third}}}  {{:>7}}  {{:>6}}  {{:>9}}  {{:>8}}"
        "  {:>8}  {}"
    )
    head = ("frames", "fps", "size", "seconds", "known mv", "state")
    yield form.format(*widths, *head)
    for row in video_rows(store):
        yield form.format(*map(printable, row.cells()))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _stored(video: StoredVideo) -> VideoRow:
    return VideoRow(
        id=video.id,
        path=video.path,
        state="stored",
        classes=video.class_names,
        splits=video.splits,
        frames=video.frames,
        fps=video.fps,
        height=video.height,
        width=video.width,
        seconds=round(video.frames / video.fps, 3) if video.fps > 0 else None,
        known_share=video.known_share,
    )


def split_videos(store: Store) -> dict[str, dict[str, int]]:
    """Split -> its parts, and the number of stored videos in each."""
    counts = Counter(
        (split, part)
        for video in store.videos()
        for split, part in video.splits.items()
    )
    parts = dict.fromkeys(("train", "test", *sorted(part for _, part in counts)))
    return {
        split: {part: counts[split, part] for part in parts if counts[split, part]}
        for split in store.splits
    }


def left_out_rows(store: Store) -> list[VideoRow]:
    """Videos, files and folders that are left out, sorted by id, with the reasons."""
    bad, unavailable = store.manifest.bad, store.manifest.unavailable
    plan = plan_of(store) if bad or unavailable else None
    paths = {
        video.id: video.path
        for video in (plan.videos if plan else ())
        if video.id in bad or video.id in unavailable
    }
    unreadable = plan.unusable if plan else {}
    reasons = [
        (name, "unreadable" if name in unreadable else "quarantined", why)
        for name, why in bad.items()
    ]
    reasons += [(name, "unavailable", why) for name, why in unavailable.items()]
    return [
        VideoRow(id=name, path=paths.get(name), state=state, reason=why)
        for name, state, why in sorted(reasons)
    ]


def plan_of(store: Store) -> StorePlan | None:
    """The plan of a store; None where it came without one."""
    try:
        return read_plan(store.folder)
    except PlanError:
        return None
