"""Videos as the rows that the script of a sheet reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from motion_shards.plain_text import printable
from pipeline.store import Json, Store, StoredVideo

from .drawing import PER_FOLDER, Drawn
from .oddities import ODDITIES, Copies, oddities_of

FIELDS = (
    *("number", "id", "path", "classes", "splits", "group"),
    *("frames", "fps", "width", "height", "sourceWidth", "sourceHeight", "bytes"),
    *("known", "clipped", "coding", "segments", "copies", "odd"),
    *("bound", "moves", "error"),
)
"""Columns of a row."""
KINDS = [oddity.name for oddity in ODDITIES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A video of the page."""

    number: int
    """Position among the videos of the page; its pictures have it in their names."""
    video: StoredVideo
    drawn: Drawn
    copies: tuple[str, ...]
    """Ids of videos of the store with the same bytes."""
    odd: tuple[str, ...]


def shown_videos(
    videos: Sequence[StoredVideo], drawn: Sequence[Drawn], copies: Copies
) -> list[Shown]:
    return [
        Shown(
            number=number,
            video=video,
            drawn=each,
            copies=tuple(copies.of(video)),
            odd=tuple(oddities_of(video, copies, unreadable=each.error is not None)),
        )
        for number, (video, each) in enumerate(zip(videos, drawn, strict=True))
    ]


def listing(store: Store, shown: Sequence[Shown], *, media: str, mixed: bool) -> Json:
    """The data of a sheet. Equal splits and encodings stand once.

    Args:
        media: address of the folder of pictures, as seen from the sheet.
        mixed: the videos are of several classes.
    """
    splits: dict[tuple[tuple[str, str], ...], int] = {}
    codings: dict[str, int] = {}
    rows: list[Json] = []
    for each in shown:
        video, drawn = each.video, each.drawn
        parts = tuple(
            (printable(name), part) for name, part in sorted(video.splits.items())
        )
        coding = -1
        if drawn.coding is not None:
            said = printable(f"{drawn.coding.family}")
            coding = codings.setdefault(said, len(codings))
        cells: dict[str, Json] = {
            "number": each.number,
            "id": printable(video.id),
            "path": printable(video.path),
            "classes": list(dict.fromkeys(video.labels)),
            "splits": splits.setdefault(parts, len(splits)),
            "group": printable(video.group),
            "frames": video.frames,
            "fps": round(video.fps, 4),
            "width": video.width,
            "height": video.height,
            "sourceWidth": video.source_width,
            "sourceHeight": video.source_height,
            "bytes": video.size_bytes,
            "known": _rounded(video.known_share),
            "clipped": _rounded(video.clipped_share),
            "coding": coding,
            "segments": len(video.segments),
            "copies": [printable(name) for name in each.copies],
            "odd": [KINDS.index(name) for name in each.odd],
            "bound": drawn.bound_px,
            "moves": int(drawn.moves),
            "error": None if drawn.error is None else printable(drawn.error),
        }
        rows.append([cells[name] for name in FIELDS])
    return {
        "fields": list(FIELDS),
        "media": media,
        "perFolder": PER_FOLDER,
        "mixed": mixed,
        "modalities": list(store.modalities),
        "classes": [printable(name) for name in store.classes],
        "splitNames": [printable(name) for name in store.splits],
        "splits": [dict(parts) for parts in splits],
        "codings": list(codings),
        "oddities": [list(oddity) for oddity in ODDITIES],
        "rows": rows,
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
