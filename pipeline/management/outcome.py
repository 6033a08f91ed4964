"""Results of a command that makes a store of others, as text and as JSON."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Self

from motion_shards.plain_text import counted, printable, size_text
from pipeline.store import Json
from pipeline.store.manifest import Manifest

Progress = Callable[[int, int], None]
"""Called with the bytes copied, and all bytes that are to be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A store that was made from others."""

    store: str
    videos: int
    bytes: int
    """Size of its shard files."""
    copied_bytes: int
    """Those of the files that this call has written."""
    fingerprint: str
    action: str = "copied"
    """Verb for these files: copied, or linked."""
    passed_over: int = 0
    """Quarantined and unavailable videos of the sources that the store does not name."""
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        place: object,
        manifest: Manifest,
        *,
        copied: int,
        passed_over: int = 0,
        action: str = "copied",
    ) -> Self:
        """The outcome, by the manifest of the new store.

        Args:
            place: its folder or address, as text.
        """
        files = (
            file for record in manifest.modalities.values() for file in record.files
        )
        return cls(
            store=str(place),
            videos=manifest.videos,
            bytes=sum(file.bytes for file in files),
            copied_bytes=copied,
            fingerprint=manifest.fingerprint,
            passed_over=passed_over,
            action=action,
        )

    def with_remarks(self, remarks: tuple[str, ...]) -> Self:
        """The same with lines about the videos."""
        return replace(self, remarks=remarks)

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)

    def text(self) -> str:
        copied = "nothing to copy: all files are there"
        if self.action != "copied":
            copied = self.action
        elif self.copied_bytes:
            copied = f"{size_text(self.copied_bytes)} copied"
        there = f"{counted(self.videos, 'video')}, {size_text(self.bytes)}"
        lines = [f"{self.store}: {there}; {copied}"]
        if self.passed_over:
            lines.append(
                f"{counted(self.passed_over, 'quarantined, unavailable or unreadable video')}"
                " of the source not copied"
            )
        return "\n".join(map(printable, (*lines, *self.remarks)))
