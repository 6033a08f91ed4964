"""A store -> a folder of static pages: `browse`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from motion_shards.cores import worker_cores
from motion_shards.plain_text import counted, printable, size_text
from pipeline.inspection.sample import spread
from pipeline.inspection.video_table import left_out_rows
from pipeline.store import Store, motion_wheel

from .drawing import draw_all
from .folder import INDEX, replacing_folder
from .index_page import Overview, index_page
from .listing import shown_videos
from .oddities import Copies
from .sheet_page import sheet_page, sheets_of
from .summary import audit_coding, summarise

WHEEL_PX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsable:
    """The pages that were written."""

    index: Path
    videos: int
    sheets: int
    bytes: int
    """Size of all files."""
    unreadable: tuple[str, ...]
    """Ids of videos whose rows are damaged."""

    def text(self) -> str:
        sheets = counted(self.sheets, "sheet")
        lines = [
            f"{counted(self.videos, 'video')} on {sheets}, {size_text(self.bytes)}",
            *(f"could not be read: {name}" for name in self.unreadable),
            f"page {self.index}",
        ]
        return "\n".join(map(printable, lines))


def browse(
    folder: Path | str,
    out: Path,
    *,
    sample: int | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Browsable:
    """Write pages that show the videos of a store. They need no server and no network.

    The same store gives the same bytes.

    Args:
        folder: of a finished store, or its address.
        out: a folder for the pages: new, empty, or with older pages, which are replaced
            when all is done.
        sample: videos to show, about, spread over classes and groups; all if left out.
        workers: processes; by default as many as there are cores.
        on_progress: called with videos drawn and videos to draw.

    Raises:
        StoreError: no store, or one whose index is damaged. A video whose rows are
            damaged has a card that says so.
        FolderInUse: `out` holds something else, or is in the store.
        DrawingError: a process was killed.
        OSError: the pages cannot be written.
    """
    store = Store(folder)
    videos = spread(store.videos(), sample)
    local = store.folder if isinstance(store.folder, Path) else None
    with replacing_folder(out, store=local) as part:
        drawn = draw_all(
            store,
            [video.id for video in videos],
            part / "media",
            workers=worker_cores() if workers is None else workers,
            on_progress=on_progress,
        )
        shown = shown_videos(videos, drawn, Copies(store.videos()))
        sheets = sheets_of(store, shown)
        (part / "class").mkdir()
        for at, sheet in enumerate(sheets):
            _write(part / sheet.file, sheet_page(store, sheets, at))
        _write_wheel(part / "media" / "wheel.webp")
        view = Overview(
            store=store,
            summary=summarise(store),
            shown=shown,
            sheets=sheets,
            coding=audit_coding(videos, [each.coding for each in drawn]),
            left_out=left_out_rows(store),
        )
        _write(part / INDEX, index_page(view))
        size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    return Browsable(
        index=Path(out).absolute() / INDEX,
        videos=len(videos),
        sheets=len(sheets),
        bytes=size,
        unreadable=tuple(
            video.id
            for video, each in zip(videos, drawn, strict=True)
            if each.error is not None
        ),
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")


def _write_wheel(path: Path) -> None:
    wheel = motion_wheel(WHEEL_PX, background=(255, 255, 255))
    opaque = motion_wheel(WHEEL_PX, background=(1, 2, 3))
    outside = (opaque == (1, 2, 3)).all(-1)
    picture = cv2.cvtColor(wheel, cv2.COLOR_RGB2BGRA)
    picture[outside, 3] = 0
    done, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 90])
    assert done
    path.write_bytes(data.tobytes())
