"""The data set that every adapter returns: labelled videos and findings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Segment(NamedTuple):
    """A stretch of a video in which an action happens (THUMOS14)."""

    label: int
    start_seconds: float
    stop_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One video file with everything the lists say about it."""

    id: str
    """Unique in the data set: the path without its suffix, with forward slashes
    (with its suffix where two files differ in nothing else)."""
    path: str
    """Relative to the folder of videos, with forward slashes."""
    size_bytes: int
    labels: tuple[int, ...]
    """Positions in `DataSet.classes`; several in THUMOS14, empty where unlabelled."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split name -> "train" or "test". Absent: not used in that split."""
    group: str
    """Videos that must not be torn apart (UCF101's g07 of a class, HMDB51's film)."""
    segments: tuple[Segment, ...] = ()


class Finding(NamedTuple):
    """One thing about the folder that its owner should know."""

    kind: str
    """Short and stable: "missing", "unexpected", "duplicate", "extension", "erratum", ..."""
    text: str
    """One sentence with a count."""
    names: tuple[str, ...] = ()
    """The files or videos it is about, relative."""

    @classmethod
    def of(cls, kind: str, text: str, names: Iterable[str]) -> tuple["Finding", ...]:
        """The text with the count of the names and the names sorted; nothing for none."""
        names = tuple(sorted(names))
        return (cls(kind, f"{text}: {len(names):,}", names),) if names else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A folder of videos, read with its lists."""

    name: str
    """hmdb51, ucf101, thumos14, demo, or the name of the user's data set."""
    folder: Path
    classes: tuple[str, ...]
    """In official order, only those that have a video here."""
    videos: tuple[Video, ...]
    """Sorted by id."""
    splits: Mapping[str, str]
    """Split name -> where it comes from: "official", "lists" or "seeded"."""
    expected: Mapping[str, int] = field(default_factory=dict)
    """Class -> videos that the lists name, absent classes included; empty: not known."""
    mirror_safe: bool = True
    """False where a mirrored video belongs to another class (left, right)."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Unreadable files and folders (with a `/` at their end, relative) that should hold
    videos of this data set -> reason. None of them is among `videos`."""
    findings: tuple[Finding, ...] = ()
    facts: tuple[str, ...] = ()
    """Lines for the top of the report: what was expected, how partial it is."""
