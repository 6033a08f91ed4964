"""The pictures of many videos, drawn by several processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from motion_shards.pool import process_pool
from pipeline.inspection.observations import Facts, coding_facts
from pipeline.store import LayoutError, Store

from .clip import draw_clip
from .errors import DrawingError

PER_FOLDER = 1000
"""Videos whose pictures lie in one folder."""
AT_ONCE = 8
"""Videos that a process takes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The result of drawing a video."""

    bound_px: int | None = None
    step: int = 1
    moves: bool = False
    """Whether there is a movie, not only a still."""
    coding: Facts | None = None
    """Coding of the source; None where the rows could not be read."""
    error: str | None = None
    """Reason for which there is no picture."""


def picture_name(number: int) -> str:
    """Path of the pictures of a video within `media`, without suffix.

    >>> picture_name(1017)
    '1/1017'
    """
    return f"{number // PER_FOLDER}/{number}"


def draw_all(
    store: Store,
    ids: Sequence[str],
    folder: Path,
    *,
    workers: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Drawn]:
    """Write the pictures of all videos below `folder`, named by their positions in `ids`.

    Args:
        workers: processes; 0 or 1 draws in this one.

    Raises:
        DrawingError: a process was killed.
        OSError: the pictures cannot be written.
    """
    for first in range(0, len(ids), PER_FOLDER):
        (folder / picture_name(first)).parent.mkdir(parents=True, exist_ok=True)
    drawn: list[Drawn] = []
    parts = [
        (first, list(ids[first : first + AT_ONCE]))
        for first in range(0, len(ids), AT_ONCE)
    ]
    with _mapped(store, folder, min(workers, len(parts))) as mapped:
        for some in mapped(parts):
            drawn += some
            on_progress(len(drawn), len(ids))
    return drawn


Part = tuple[int, list[str]]


@contextmanager
def _mapped(
    store: Store, folder: Path, workers: int
) -> Iterator[Callable[[list[Part]], Iterator[list[Drawn]]]]:
    """A function that draws parts, in their order."""
    if workers <= 1:
        yield lambda parts: (_draw_part(store, folder, part) for part in parts)
        return
    try:
        with process_pool(workers, _begin, store, folder) as pool:
            yield lambda parts: pool.map(_work, parts)
    except BrokenProcessPool:
        raise DrawingError("a process that draws the pictures has died") from None


_given: tuple[Store, Path]


def _begin(store: Store, folder: Path) -> None:
    """Prepare a process of the pool."""
    global _given
    os.environ["OMP_NUM_THREADS"] = "1"
    _given = store, folder


def _work(part: Part) -> list[Drawn]:
    return _draw_part(*_given, part)


def _draw_part(store: Store, folder: Path, part: Part) -> list[Drawn]:
    first, ids = part
    return [_draw(store, folder, first + i, name) for i, name in enumerate(ids)]


def _draw(store: Store, folder: Path, number: int, video_id: str) -> Drawn:
    video = store.video(video_id)
    try:
        coding = coding_facts(store, video)
        clip = draw_clip(store, video)
    except LayoutError as error:
        return Drawn(error=str(error).replace(f"{store.folder}{os.sep}", ""))
    path = folder / picture_name(number)
    path.with_suffix(".webp").write_bytes(clip.still)
    if clip.movie is not None:
        path.with_suffix(".mp4").write_bytes(clip.movie)
    return Drawn(
        bound_px=clip.bound_px,
        step=clip.step,
        moves=clip.movie is not None,
        coding=coding,
    )
