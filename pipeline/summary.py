"""What became of a run, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.files import read_index
from pipeline.store.records import Manifest

CLIPPED_SHARE = 0.001
"""Above this share of flow values beyond the codec's bound, a video is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a run."""

    store: Path
    videos: int
    stored: int
    bad: Mapping[str, str]
    modalities: Mapping[str, int]
    """Modality -> bytes of its files."""
    frames: int
    hours: float
    """Of stored video."""
    fresh_shards: int
    """Built by this run; the others were there."""
    seconds: float
    clipped: tuple[str, ...] = ()
    """Videos with more than a thousandth of their flow beyond the codec's bound."""

    @property
    def exit_code(self) -> int:
        """0 all stored, 3 some quarantined, 1 nothing could be stored."""
        if not self.stored:
            return 1
        return 3 if self.bad else 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "store": str(self.store),
            "videos": self.videos,
            "stored": self.stored,
            "bad": dict(self.bad),
            "bytes": dict(self.modalities),
            "frames": self.frames,
            "video_hours": self.hours,
            "fresh_shards": self.fresh_shards,
            "seconds": self.seconds,
            "clipped": list(self.clipped),
            "exit_code": self.exit_code,
        }

    def text(self) -> str:
        sizes = ", ".join(
            f"{modality} {size / 1e6:,.1f} MB"
            + (
                f" ({size / 1e9 / self.hours:.2f} GB per video-hour)"
                if self.hours
                else ""
            )
            for modality, size in self.modalities.items()
        )
        lines = [
            f"{self.stored:,} of {self.videos:,} videos stored in {self.store}",
            f"{self.frames:,} frames ({self.hours:.2f} h): {sizes}",
            f"{self.fresh_shards} shards built in {self.seconds:.0f} s",
        ]
        if self.clipped:
            lines.append(
                f"flow beyond the codec's bound in more than {CLIPPED_SHARE:.1%} of the "
                f"values of {len(self.clipped)} videos: {', '.join(self.clipped[:10])}"
                + (", ..." if len(self.clipped) > 10 else "")
            )
        if self.bad:
            lines.append(f"{len(self.bad)} quarantined:")
            lines += [f"  {name}: {reason}" for name, reason in self.bad.items()]
        return "\n".join(lines)


def summarize(
    store: Path, manifest: Manifest, *, shards: int, seconds: float
) -> Summary:
    """What a store holds after a run that built so many shards in so many seconds."""
    frames, hours, clipped = 0, 0.0, []
    for video in read_index(store) if manifest.videos else ():
        frames += video.frames
        hours += video.frames / video.fps / 3600 if video.fps > 0 else 0.0
        if (video.clipped_share or 0.0) > CLIPPED_SHARE:
            clipped.append(video.id)
    return Summary(
        store=store,
        videos=manifest.videos + len(manifest.bad),
        stored=manifest.videos,
        bad=manifest.bad,
        modalities={
            modality: sum(file.bytes for file in record.files)
            for modality, record in manifest.modalities.items()
        },
        frames=frames,
        hours=hours,
        fresh_shards=shards,
        seconds=seconds,
        clipped=tuple(clipped),
    )
