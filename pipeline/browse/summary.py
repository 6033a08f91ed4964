"""Numbers of a whole store: counts, lengths, sizes, splits, and how sources are encoded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.inspection.classifiers import as_numbers
from pipeline.inspection.leakage import CLASS, FACTS, measured
from pipeline.inspection.observations import Facts, Observations
from pipeline.store import Store, StoredVideo


@dataclass(slots=True, kw_only=True)
class Summary:
    """Counts over all videos of a store."""

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0
    source_bytes: int = 0
    lengths: list[float] = field(default_factory=list)
    """Seconds of each video whose rate is known."""
    known: float = 0.0
    intervals: int = 0
    """Intervals with known vectors, and intervals, of videos with vectors."""
    groups: set[str] = field(default_factory=set)
    sizes: Counter[str] = field(default_factory=Counter)
    """Stored size -> videos."""
    rates: Counter[str] = field(default_factory=Counter)
    """Frames per second -> videos."""
    classes: Counter[int | None] = field(default_factory=Counter)
    """Label -> videos; None for those without a class."""
    parts: Counter[tuple[str, int | None, str]] = field(default_factory=Counter)
    """Split, label, and train or test -> videos."""
    split_parts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Split, and train or test -> videos, each counted once."""

    def add(self, video: StoredVideo) -> None:
        self.videos += 1
        self.frames += video.frames
        self.source_bytes += video.size_bytes
        if video.fps > 0:
            self.lengths.append(video.frames / video.fps)
            self.seconds += self.lengths[-1]
        if video.known_share is not None:
            self.known += video.known_share * (video.frames - 1)
            self.intervals += video.frames - 1
        self.groups.add(video.group)
        self.sizes[f"{video.width}x{video.height}"] += 1
        self.rates[f"{video.fps:.3g}"] += 1
        labels = dict.fromkeys(video.labels) or (None,)
        for label in labels:
            self.classes[label] += 1
        for split, part in video.splits.items():
            self.split_parts[split, part] += 1
            for label in labels:
                self.parts[split, label, part] += 1


def summarise(store: Store) -> Summary:
    """Pass over the index once."""
    summary = Summary()
    for video in store.videos():
        summary.add(video)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Videos whose sources have one codec and one structure of pictures."""

    name: str
    videos: int
    classes: int
    """Classes in which it occurs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingAudit:
    """Traces of encoders in the facts of the coding of the sources."""

    families: tuple[Family, ...]
    """The most frequent first."""
    conclusion: str
    accuracy: float | None
    """Share of videos whose class is predicted from the facts; None if not measured."""
    chance: float | None


def audit_coding(
    videos: Sequence[StoredVideo], codings: Sequence[Facts | None]
) -> CodingAudit:
    """Count families of encoders, and predict the class from codec facts.

    It is the first of the predictions of `pipeline audit --store`, which also measures
    the vectors and the flow.
    """
    counted: Counter[str] = Counter()
    classes: dict[str, set[int]] = {}
    labelled: list[tuple[StoredVideo, Facts]] = []
    for video, coding in zip(videos, codings, strict=True):
        if coding is not None:
            counted[coding.family] += 1
            classes.setdefault(coding.family, set()).update(video.labels)
            if video.labels:
                labelled.append((video, coding))
    families = tuple(
        Family(name=name, videos=count, classes=len(classes[name]))
        for name, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )
    facts = [coding for _, coding in labelled]
    rows, left_out = measured(
        Observations(
            labels=np.array([video.labels[0] for video, _ in labelled], np.int64),
            groups=tuple(video.group for video, _ in labelled),
            families=tuple(coding.family for coding in facts),
            facts=as_numbers(facts) if facts else np.zeros((0, 0), np.int64),
            vectors=None,
            flow=None,
            unlabelled=len(videos) - len(labelled),
            bad={},
        )
    )
    row = next((row for row in rows if row.source == FACTS), None)
    if row is None:
        reason = left_out[CLASS, FACTS]
        return CodingAudit(
            families=families,
            conclusion=f"not measured: {reason}",
            accuracy=None,
            chance=None,
        )
    return CodingAudit(
        families=families,
        conclusion=row.conclusion,
        accuracy=row.guess.accuracy,
        chance=row.guess.chance,
    )


def stored_bytes(store: Store) -> Mapping[str, int]:
    """Modality -> bytes of its files."""
    return {
        name: sum(file.bytes for file in record.files)
        for name, record in store.manifest.modalities.items()
    }
