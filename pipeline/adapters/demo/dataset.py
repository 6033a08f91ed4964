"""The demo data set: drawn and encoded on the spot, with exactly known motion.

Twelve classes. Eight differ by the motion of an object that wears the same texture as
what lies behind it; four are two motions in two appearances each that flow cannot know.
So motion alone can reach 10/12, a single frame 5/12, and only both together everything.

    left/left_g00.mp4 ...    one clip of every class in every group
    splits/tour/             classInd.txt, trainlist01.txt, testlist01.txt, ... as UCF101's
    demo.json                seed, and the version of the drawing
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from motion_shards.cores import worker_cores
from pipeline.adapters import subset
from pipeline.adapters.errors import DatasetError
from pipeline.adapters.videos import DataSet, Video
from pipeline.store.replacement import replacing

from .drawing import encoded, frames
from .motion import CLASSES, FRAMES, HEIGHT, WIDTH, Clip

DRAWING = 1
"""Grows when the same seed begins to give other clips."""
SEED = 1

DEMO_SHORT_SIDE = HEIGHT
"""The stored grid: as drawn."""
DEMO_MV_CRF = 40
"""The canonical stream's quality. At the ordinary 18 vectors are as good as flow on these
clean clips, and still at 38 a student catches up with flow by longer training alone; at
40 more than half of the vectors are zero, and a teacher helps."""


class Size(NamedTuple):
    """Groups of the data set; every group has one clip of every class."""

    train: int
    test: int


SIZES = {"tour": Size(24, 12), "full": Size(24, 30)}
"""`tour` takes a few minutes, `full` gives numbers to quote."""
SPLITS = ("1", "2", "3")
REACH = "best possible accuracy: 83.3 % from motion alone, 41.7 % from one frame, 100 % from both"

Progress = Callable[[int, int], None]
"""Called with clips done and clips to do."""


def load(
    folder: Path,
    *,
    seed: int | None = None,
    size: str | None = None,
    limit: int | None = None,
    classes: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> DataSet:
    """Draw the clips that are missing and return the data set.

    A killed run goes on where it stopped: a clip is there completely or not at all.

    Args:
        folder: of its own; made where it is missing.
        seed: of all clips. Default: that of the folder, else `SEED`.
        size: one of `SIZES`. Default: that of the folder, else "tour".
        limit: maximum number of clips; only these are drawn.
        classes: only these.

    Raises:
        DatasetError: unknown size or class, or the folder holds something else.
        OSError: the folder cannot be written, or the disk is full.
    """
    card = _card(folder, seed, size)
    dataset = _planned(folder, card)
    if classes:
        dataset = subset.select_classes(dataset, classes)
    if limit is not None:
        dataset = subset.limited(dataset, limit)
    _write(folder / "demo.json", card.text())
    _write_lists(folder, card.size)
    _draw(folder, [clip_of(v.id, seed=card.seed) for v in dataset.videos], on_progress)
    videos = [
        replace(video, size_bytes=(folder / video.path).stat().st_size)
        for video in dataset.videos
    ]
    return replace(dataset, videos=tuple(videos))


def clip_path(clip: Clip) -> str:
    """Relative to the folder, with forward slashes."""
    return f"{clip.kind}/{clip.kind}_g{clip.group:02d}.mp4"


def clip_of(video_id: str, *, seed: int = SEED) -> Clip:
    """The clip behind a video of the data set, for its exact motion."""
    kind, _, group = video_id.rpartition("/")[2].rpartition("_g")
    return Clip(seed, int(group), kind)


def role(group: int, size: Size, split: str) -> str:
    """ "train" or "test". The splits rotate which groups are tested."""
    groups = size.train + size.test
    first = size.train - (int(split) - 1) * size.test
    return "test" if (group - first) % groups < size.test else "train"


class _Card(NamedTuple):
    """`demo.json`: what was asked for last."""

    drawing: int
    seed: int
    size: str

    def text(self) -> str:
        return json.dumps(self._asdict(), indent=1, sort_keys=True) + "\n"


def _card(folder: Path, seed: int | None, size: str | None) -> _Card:
    """The requested data set, if the folder may hold it."""
    if size not in (None, *SIZES):
        raise DatasetError(f"size: expected one of {', '.join(SIZES)}, got {size}")
    path = folder / "demo.json"
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise DatasetError(
                f"{folder}: expected an empty folder or a demo data set, got other files"
            )
        return _Card(DRAWING, SEED if seed is None else seed, size or "tour")
    there = _Card(**json.loads(path.read_text("utf-8")))
    card = _Card(
        DRAWING,
        there.seed if seed is None else seed,
        there.size if size is None else size,
    )
    if there[:2] != card[:2]:
        raise DatasetError(
            f"{folder}: expected demo clips of drawing {card.drawing}, seed {card.seed}; "
            f"got drawing {there.drawing}, seed {there.seed}; remove it, or give another"
        )
    return card


def _planned(folder: Path, card: _Card) -> DataSet:
    """The whole data set, before anything is drawn."""
    size = SIZES[card.size]
    groups = range(size.train + size.test)
    clips = [Clip(card.seed, group, kind) for kind in CLASSES for group in groups]
    videos = [
        Video(
            id=clip_path(clip).removesuffix(".mp4"),
            path=clip_path(clip),
            size_bytes=0,
            labels=(CLASSES.index(clip.kind),),
            splits={name: role(clip.group, size, name) for name in SPLITS},
            group=f"g{clip.group:02d}",
        )
        for clip in clips
    ]
    drawn = f"drawn with seed {card.seed}, size {card.size}"
    return DataSet(
        name="demo",
        folder=folder,
        classes=CLASSES,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={name: "official" for name in SPLITS},
        mirror_safe=False,
        expected={kind: len(groups) for kind in CLASSES},
        facts=(
            f"{drawn}: {len(videos)} clips of {FRAMES} frames, {WIDTH}x{HEIGHT}",
            REACH,
        ),
    )


def _draw(folder: Path, clips: Sequence[Clip], on_progress: Progress | None) -> None:
    missing = [clip for clip in clips if not (folder / clip_path(clip)).exists()]
    for kind in {clip.kind for clip in missing}:
        (folder / kind).mkdir(exist_ok=True)

    def draw(clip: Clip) -> None:
        _write(folder / clip_path(clip), encoded(frames(clip)))

    # Threads: nearly all time is spent in numpy, OpenCV and x264, outside Python's lock.
    threads = ThreadPoolExecutor(worker_cores())
    try:
        for done, _ in enumerate(threads.map(draw, missing), start=1):
            if on_progress:
                on_progress(done, len(missing))
    finally:
        threads.shutdown(cancel_futures=True)


def _write_lists(folder: Path, name: str) -> None:
    size = SIZES[name]
    lists = folder / "splits" / name
    lists.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(CLASSES, start=1))
    _write(lists / "classInd.txt", "".join(f"{i} {kind}\n" for i, kind in numbered))
    for split in SPLITS:
        rows: dict[str, list[str]] = {"train": [], "test": []}
        for i, kind in numbered:
            for group in range(size.train + size.test):
                part = role(group, size, split)
                number = f" {i}" if part == "train" else ""
                rows[part].append(clip_path(Clip(0, group, kind)) + number + "\n")
        for part, lines in rows.items():
            _write(lists / f"{part}list0{split}.txt", "".join(lines))


def _write(path: Path, content: str | bytes) -> None:
    """The file appears complete or not at all; a file that is there already stays."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=False) as file:
        file.write(data)
