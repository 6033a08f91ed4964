"""Summary of a run, as text and as JSON."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from motion_shards.plain_text import (
    counted,
    first_names,
    in_words,
    printable,
    size_text,
)
from pipeline.extract.orientation import is_askew
from pipeline.extract.settings import SHORTEST_SIDE
from pipeline.store import Json
from pipeline.store.files import read_index
from pipeline.store.index import IndexRecord
from pipeline.store.manifest import Manifest

from .estimate import named_sizes

CLIPPED_SHARE = 0.001
"""Above this share of flow values beyond the codec's bound, a video is named."""

SLACK_SECONDS = 0.5
"""Seconds by which annotations may end after the last frame of a video."""

NAMED = 10
"""Videos that are named of each remark, at most."""


def _enlarged(video: IndexRecord) -> bool:
    short = min(video.source_height, video.source_width * video.pixel_aspect)
    return 0 < short and max(short, SHORTEST_SIDE) < min(video.height, video.width) - 1


REMARKS: Mapping[str, tuple[str, Callable[[IndexRecord], bool]]] = {
    "clipped": (
        f"with more than {CLIPPED_SHARE:.1%} of the flow values clipped by the codec",
        lambda video: (video.clipped_share or 0.0) > CLIPPED_SHARE,
    ),
    "without_known_vectors": (
        "without any known motion vector, so useless for training on mv",
        lambda video: video.known_share == 0,
    ),
    "damaged": (
        "with damaged packets or frames: some may be missing or wrong",
        lambda video: video.damaged > 0,
    ),
    "cut_short": (
        "truncated: the file ends before the end stated in its container",
        lambda video: video.missing_bytes > 0,
    ),
    "enlarged": (
        "enlarged to the requested short side",
        _enlarged,
    ),
    "stretches_beyond_end": (
        (
            f"with annotated segments that end more than {SLACK_SECONDS:g} s after "
            "their video"
        ),
        lambda video: any(
            stop > video.frames / video.fps + SLACK_SECONDS
            for _, _, stop in video.segments
            if video.fps > 0
        ),
    ),
    "askew": (
        "with a rotation that is no multiple of 90 degrees: stored as coded",
        lambda video: is_askew(video.rotation),
    ),
}
"""Remarks on stored videos: name, description, and the videos concerned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Results of a run."""

    store: Path | str
    """Its folder or address."""
    videos: int
    stored: int
    bad: Mapping[str, str]
    """Id of a quarantined video -> reason."""
    unavailable: Mapping[str, str]
    """Video whose file could not be read -> why; the next run takes it up again."""
    modalities: Mapping[str, int]
    """Modality -> bytes of its files."""
    frames: int
    hours: float
    """Hours of stored video."""
    fresh_shards: int
    """Built by this run; the others were there."""
    seconds: float
    remarkable: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a remark of `REMARKS` -> its videos."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Width x height of the stored frames, px -> videos; the most frequent first."""

    paths: Mapping[str, str] = field(default_factory=dict)
    """Id -> path in the folder of videos, of those that are not stored."""
    unusable: frozenset[str] = frozenset()
    """Those of the bad that were never planned, as they cannot be read."""

    @property
    def exit_code(self) -> int:
        """0 all stored, 3 some quarantined or unavailable, 1 nothing could be stored."""
        if not self.stored:
            return 1
        return 3 if self.bad or self.unavailable else 0

    def to_dict(self) -> dict[str, Json]:
        return {
            "store": str(self.store),
            "videos": self.videos,
            "stored": self.stored,
            "bad": dict(self.bad),
            "unavailable": dict(self.unavailable),
            "bytes": dict(self.modalities),
            "frames": self.frames,
            "video_hours": self.hours,
            "sizes": dict(self.sizes),
            "fresh_shards": self.fresh_shards,
            "seconds": self.seconds,
            **{name: list(self.remarkable.get(name, ())) for name in REMARKS},
            "exit_code": self.exit_code,
        }

    def text(self) -> str:
        sizes = ", ".join(
            f"{modality} {size_text(size)}"
            + (
                f" ({size_text(size / self.hours)} per video-hour)"
                if self.hours
                else ""
            )
            for modality, size in self.modalities.items()
        )
        lines = [
            f"{self.stored:,} of {counted(self.videos, 'video')} stored in {self.store}",
            f"{counted(self.frames, 'frame')}, {in_words(max(3600 * self.hours, 1))} of video: {sizes}",
            f"{counted(self.fresh_shards, 'shard')} built in {in_words(max(self.seconds, 1))}"
            if self.fresh_shards
            else "nothing to extract: all shards are built",
        ]
        if self.sizes:
            lines.insert(2, f"stored size: {named_sizes(self.sizes)}")
        for name, (words, _) in REMARKS.items():
            if videos := self.remarkable.get(name):
                lines.append(
                    f"{counted(len(videos), 'video')} {words}: {first_names(videos, NAMED)}"
                )
        lost = [f"  {n}: {why}" for n, why in self.bad.items() if n in self.unusable]
        bad = [
            f"  {self.paths.get(name, name)}: {why}"
            for name, why in self.bad.items()
            if name not in self.unusable
        ]
        if lost:
            lines += [f"{len(lost)} unreadable when the store was planned:", *lost]
        if bad:
            lines.append(f"{len(bad)} quarantined (--retry-quarantined retries them):")
            lines += bad
        if self.unavailable:
            lines.append(
                f"{len(self.unavailable)} unavailable (run the same command again "
                "once their files can be read):"
            )
            lines += [
                f"  {self.paths.get(name, name)}: {why}"
                for name, why in self.unavailable.items()
            ]
        return "\n".join(map(printable, lines))


def summarize(
    store: Path,
    manifest: Manifest,
    *,
    shards: int,
    seconds: float,
    unusable: Iterable[str] = (),
    paths: Mapping[str, str] | None = None,
) -> Summary:
    """Summarize a store after a run.

    Args:
        unusable: those of the bad that were never planned, as they cannot be read.
        paths: id -> path in the folder of videos, of those that are not stored.
    """
    frames, hours = 0, 0.0
    sizes: Counter[str] = Counter()
    remarkable: dict[str, list[str]] = {name: [] for name in REMARKS}
    away = set(manifest.unavailable)
    for video in read_index(store) if manifest.videos else ():
        away.discard(video.id)
        frames += video.frames
        hours += video.frames / video.fps / 3600 if video.fps > 0 else 0.0
        sizes[f"{video.width}x{video.height}"] += 1
        for name, (_, holds) in REMARKS.items():
            if holds(video):
                remarkable[name].append(video.id)
    return Summary(
        store=store,
        videos=manifest.videos + len(manifest.bad) + len(away),
        stored=manifest.videos,
        bad=manifest.bad,
        unavailable=manifest.unavailable,
        modalities={
            modality: sum(file.bytes for file in record.files)
            for modality, record in manifest.modalities.items()
        },
        frames=frames,
        hours=hours,
        fresh_shards=shards,
        seconds=seconds,
        remarkable={name: tuple(ids) for name, ids in remarkable.items()},
        sizes=dict(sizes.most_common()),
        paths=paths or {},
        unusable=frozenset(unusable),
    )
