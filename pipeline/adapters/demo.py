"""The demo data set: drawn and encoded on the spot, with exactly known motion.

Twelve classes. Eight differ by the motion of an object that wears the same texture as
what lies behind it; four are two motions in two appearances each that flow cannot know.
So motion alone can reach 10/12, a single frame 5/12, and only both together everything.

    left/left_g00.mp4 ...    one clip of every class in every group
    splits/tour/             classInd.txt, trainlist01.txt, testlist01.txt, ... as UCF101's
    demo.json                seed, and the version of the drawing
"""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pipeline.adapters.demo_drawing import encoded, frames
from pipeline.adapters.demo_motion import CLASSES, FRAMES, HEIGHT, WIDTH, Clip
from pipeline.adapters.errors import DatasetError
from pipeline.adapters.videos import DataSet, Video

DRAWING = 1
"""Grows when the same seed begins to give other clips."""
SEED = 1

DEMO_SHORT_SIDE = HEIGHT
"""The stored grid: as drawn."""
DEMO_MV_CRF = 44
"""The canonical stream's quality. At the ordinary 18, vectors are as good as flow on
these clean clips, and a student would have nothing to gain from a teacher."""


class Size(NamedTuple):
    """Groups of the data set; every group has one clip of every class."""

    train: int
    test: int


SIZES = {"tour": Size(24, 12), "full": Size(24, 30)}
"""`tour` for a look in a few minutes, `full` for numbers to quote."""
SPLITS = ("1", "2", "3")

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
    """Draws what is not there yet, then returns it like any other data set.

    A killed run goes on where it stopped: a clip is there completely or not at all.

    Args:
        folder: of its own; made where it is missing.
        seed: of all clips. Default: what lies in the folder, else `SEED`.
        size: one of `SIZES`. Default: what lies in the folder, else "tour".
        limit: so many clips, from groups spread evenly over the splits.
        classes: only these.

    Raises:
        DatasetError: unknown size or class, or the folder holds something else.
    """
    card = _card(folder, seed, size)
    seed, size = card["seed"], card["size"]
    unknown = sorted(set(classes) - set(CLASSES))
    if unknown:
        raise DatasetError(
            f"classes: expected some of {', '.join(CLASSES)}, got {', '.join(unknown)}"
        )
    kinds = tuple(kind for kind in CLASSES if not classes or kind in classes)
    clips = _chosen(seed, SIZES[size], kinds, limit)
    _write_lists(folder, size)
    _draw(folder, clips, on_progress)
    kept = tuple(kind for kind in CLASSES if any(clip.kind == kind for clip in clips))
    videos = [_video(folder, clip, kept, SIZES[size]) for clip in clips]
    return DataSet(
        name="demo",
        folder=folder,
        classes=kept,
        videos=tuple(sorted(videos, key=lambda video: video.id)),
        splits={name: "official" for name in SPLITS},
        mirror_safe=False,
        facts=_facts(seed, size, len(videos)),
    )


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


def _card(folder: Path, seed: int | None, size: str | None) -> dict:
    """What the folder is or becomes; written before the first clip."""
    if size is not None and size not in SIZES:
        raise DatasetError(f"size: expected one of {', '.join(SIZES)}, got {size}")
    path = folder / "demo.json"
    if not path.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise DatasetError(
                f"{folder}: expected an empty folder or a demo data set, got other files"
            )
        seed = SEED if seed is None else seed
        card = {"drawing": DRAWING, "seed": seed, "size": size or "tour"}
        _write(path, _text(card))
        return card
    there = json.loads(path.read_text())
    wanted = {"drawing": DRAWING, "seed": there["seed"] if seed is None else seed}
    for name, value in wanted.items():
        if there[name] != value:
            raise DatasetError(
                f"{folder}: expected demo clips of {name} {value}, got {name} "
                f"{there[name]}; give another folder, or remove this one"
            )
    size = size or there["size"]
    if sum(SIZES[size]) > sum(SIZES[there["size"]]):
        _write(path, _text(there | {"size": size}))
    return there | {"size": size}


def _chosen(
    seed: int, size: Size, kinds: Sequence[str], limit: int | None
) -> list[Clip]:
    groups = list(range(size.train + size.test))
    if limit is not None:
        num = min(-(-limit // len(kinds)), len(groups))
        groups = [i * len(groups) // num for i in range(num)]
    return [Clip(seed, group, kind) for group in groups for kind in kinds][:limit]


def _draw(folder: Path, clips: Sequence[Clip], on_progress: Progress | None) -> None:
    missing = [clip for clip in clips if not (folder / clip_path(clip)).exists()]
    for kind in {clip.kind for clip in missing}:
        (folder / kind).mkdir(exist_ok=True)

    def draw(clip: Clip) -> None:
        _write(folder / clip_path(clip), encoded(frames(clip)))

    # Threads: nearly all time is spent in numpy, OpenCV and x264, outside Python's lock.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for done, _ in enumerate(threads.map(draw, missing), start=1):
            if on_progress:
                on_progress(done, len(missing))


def _video(folder: Path, clip: Clip, classes: Sequence[str], size: Size) -> Video:
    path = clip_path(clip)
    return Video(
        id=path.removesuffix(".mp4"),
        path=path,
        size_bytes=(folder / path).stat().st_size,
        labels=(classes.index(clip.kind),),
        splits={name: role(clip.group, size, name) for name in SPLITS},
        group=f"g{clip.group:02d}",
    )


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


def _facts(seed: int, size: str, videos: int) -> tuple[str, ...]:
    drawn = f"drawn with seed {seed}, size {size}"
    what = f"{videos} clips of {FRAMES} frames, {WIDTH}x{HEIGHT}"
    return (
        f"{drawn}: {what}",
        "within reach: 0.833 from motion alone, 0.417 from a single frame, 1 from both",
    )


def _text(card: dict) -> str:
    return json.dumps(card, indent=1, sort_keys=True) + "\n"


def _write(path: Path, content: str | bytes) -> None:
    """The file appears complete or not at all; a file that is there already stays."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
