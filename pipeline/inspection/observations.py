"""A store -> facts and statistics of its videos, for `pipeline audit --store`.

A video is read in a few runs of intervals, and about a hundred numbers of it are held.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.store import LayoutError, Store, StoredVideo

from .classifiers import as_numbers
from .motion_statistics import (
    Run,
    field_statistics,
    known_statistics,
    on_cells,
    sampled,
)
from .sample import spread


class Facts(NamedTuple):
    """Facts of the coding of a source that a store records, as words."""

    codec: str
    size: str
    """Width and height of the source, px."""
    pixel_aspect: str
    frames_per_second: str
    rotation: str
    damaged: str
    cut_short: str
    b_frames: str
    key_frames: str
    """Distance of intra-coded frames, or "irregular" where it is not fixed."""

    @property
    def family(self) -> str:
        """Codec and structure of the stream: what an encoder and its settings leave."""
        pictures = "B-frames" if self.b_frames == "True" else "no B-frames"
        return f"{self.codec}, key frames {self.key_frames}, {pictures}"


class Member(NamedTuple):
    """The part of a video that is held."""

    id: str
    labels: tuple[int, ...]
    group: str
    position: tuple[int, int]
    """Shard and first row, of the first modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """The inspected videos of a store. All arrays are in the order of the videos."""

    labels: np.ndarray
    """(videos,) first label of each."""
    groups: tuple[str, ...]
    families: tuple[str, ...]
    """Codec family of each source."""
    facts: np.ndarray
    """(videos, facts) integers that stand for words."""
    vectors: np.ndarray | None
    """(videos, statistics); NaN for a video without known vectors. None without mv."""
    flow: np.ndarray | None
    """(videos, statistics) of the same intervals; None without flow."""
    unlabelled: int
    """Videos of the store without a class."""
    bad: dict[str, str]
    """Video that could not be read -> why."""


def observe(
    store: Store,
    *,
    sample: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Observations:
    """Read the videos of a store, or a sample spread over classes and groups.

    Args:
        on_progress: called with videos read and videos to read.
    """
    members = [
        Member(video.id, video.labels, video.group, _position(video))
        for video in store.videos()
        if video.labels
    ]
    chosen = sorted(spread(members, sample), key=lambda member: member.position)
    seen: list[Member] = []
    facts: list[Facts] = []
    vectors: list[np.ndarray | None] = []
    flow: list[np.ndarray | None] = []
    bad = {}
    for done, member in enumerate(chosen, 1):
        video = store.video(member.id)
        try:
            coding, (of_vectors, of_flow) = (
                coding_facts(store, video),
                _motion(store, video),
            )
        except LayoutError as error:
            bad[video.id] = str(error)
        else:
            seen.append(member)
            facts.append(Facts(*map(sys.intern, coding)))
            vectors.append(of_vectors)
            flow.append(of_flow)
        on_progress(done, len(chosen))
    return Observations(
        labels=np.array([member.labels[0] for member in seen], np.int64),
        groups=tuple(member.group for member in seen),
        families=tuple(coding.family for coding in facts),
        facts=as_numbers(facts) if facts else np.zeros((0, 0), np.int64),
        vectors=_table(vectors) if "mv" in store.modalities else None,
        flow=_table(flow) if "flow" in store.modalities else None,
        unlabelled=len(store.videos()) - len(members),
        bad=bad,
    )


def _position(video: StoredVideo) -> tuple[int, int]:
    rows = next(iter(video.rows.values()))
    return rows.shard, rows.first


def _table(rows: Sequence[np.ndarray | None]) -> np.ndarray:
    """(videos, statistics), NaN where there are none."""
    size = next((len(row) for row in rows if row is not None), 0)
    lacking = np.full(size, np.nan)
    return np.array([lacking if row is None else row for row in rows]).reshape(-1, size)


def coding_facts(store: Store, video: StoredVideo) -> Facts:
    pictures = store.picture_types(video.id)
    return Facts(
        codec=video.codec,
        size=f"{video.source_width}x{video.source_height}",
        pixel_aspect=f"{video.pixel_aspect:.3f}",
        frames_per_second=f"{video.fps:.2f}",
        rotation=f"{video.rotation:.0f}",
        damaged=str(video.damaged > 0),
        cut_short=str(video.missing_bytes > 0),
        b_frames=str(bool((pictures == ord("B")).any())),
        key_frames=key_frame_distance(pictures),
    )


def key_frame_distance(pictures: np.ndarray) -> str:
    """Distance of the key frames of a source in frames, or "irregular".

    The distance is the greatest one, if it occurs twice and is at least every second: an
    encoder of a fixed distance adds key frames where scenes change.

    Args:
        pictures: (T,) ASCII of I, P, B, or ?.
    """
    distances = np.diff(np.flatnonzero(pictures == ord("I")))
    if len(distances):
        greatest = np.count_nonzero(distances == distances.max())
        if greatest >= 2 and 2 * greatest >= len(distances):
            return f"every {distances.max()}"
    return "irregular"


def _motion(
    store: Store, video: StoredVideo
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Statistics of vectors and of flow, at intervals with known vectors."""
    known = np.ones(video.frames - 1, bool)
    if "mv" in video.rows:
        known = store.read(video.id, "mv_valid")

    def statistics(modality: str) -> dict[str, float] | None:
        if modality not in video.rows:
            return None
        runs = []
        for part in sampled(len(known)):
            start, stop = part.start, part.stop
            if known[start:stop].any():
                field = store.read(video.id, modality, start=start, stop=stop)
                field = on_cells(field) if modality == "flow" else field
                runs.append(Run(field, known[start:stop]))
        return field_statistics(runs)

    vectors, flow = statistics("mv"), statistics("flow")
    if vectors is not None:
        vectors |= known_statistics(known)
    return _values(vectors), _values(flow)


def _values(statistics: dict[str, float] | None) -> np.ndarray | None:
    return None if statistics is None else np.array(list(statistics.values()))
