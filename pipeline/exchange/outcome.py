"""Results of an export: of one video, and of all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from motion_shards.plain_text import counted, in_words, printable, size_text
from pipeline.store import Json


class Written(NamedTuple):
    """Files of a video."""

    files: int = 0
    bytes: int = 0
    values: int = 0
    """Values of flow that were brought to levels."""
    clipped: int = 0
    """Those beyond the bound."""

    def plus(self, other: "Written") -> "Written":
        """The sum."""
        return Written(*(a + b for a, b in zip(self, other, strict=True)))


class Total(NamedTuple):
    """All videos of an export."""

    before: int
    """Videos that an earlier run had written."""
    written: Written
    """Files of this run."""
    bad: Mapping[str, str]
    """Id of a video that was left out -> reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Results of an export."""

    out: Path
    videos: int
    """Videos that were asked for."""
    before: int
    """Videos that an earlier run had written."""
    written: Written
    """Files of this run."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Id of a video that was left out -> reason."""
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all written, 3 some left out, 1 all left out."""
        if not self.bad:
            return 0
        return 1 if len(self.bad) == self.videos else 3

    def to_dict(self) -> dict[str, Json]:
        return {
            "out": str(self.out),
            "videos": self.videos,
            "written_before": self.before,
            **self.written._asdict(),
            "bad": dict(self.bad),
            "remarks": list(self.remarks),
            "seconds": self.seconds,
            "exit_code": self.exit_code,
        }

    def text(self) -> str:
        """The summary, a line each."""
        there = self.videos - len(self.bad)
        lines = [f"{there:,} of {counted(self.videos, 'video')} in {self.out}"]
        if self.before:
            lines.append(f"{counted(self.before, 'video')} written before")
        if self.written.files:
            lines.append(
                f"{counted(self.written.files, 'file')}, "
                f"{size_text(self.written.bytes)} in {in_words(max(self.seconds, 1))}"
            )
        lines += self.remarks
        if self.written.clipped:
            share = self.written.clipped / self.written.values
            lines.append(
                f"flow: {share:.3%} of the values are beyond the bound: clipped"
            )
        if self.bad:
            lines.append(f"{len(self.bad)} left out:")
            lines += [
                f"  {name}: {why.removeprefix(f'{name}: ')}"
                for name, why in self.bad.items()
            ]
        return "\n".join(map(printable, lines))
