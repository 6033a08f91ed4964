"""A video of a store -> a picture and a movie: rgb, flow and mv of the same interval."""

import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xxhash

from motion_shards.new_folders import with_parents
from motion_shards.output_path import Output
from motion_shards.plain_text import printable
from pipeline.extract.mp4 import write_mp4
from pipeline.store import Location, RangeError, Store, StoredVideo, replacing
from pipeline.store.png import write_png

from .panels import Moment, draw

SHARE_WITHIN = 99
"""Percent of the flow of an interval that gets a colour of its own length."""
CRF = 18
"""Quality of x264."""
NAME_BYTES = 200
"""Limit for a file's name without its suffix."""
BLOCK = 16
ARRAYS = ("rgb", "flow", "mv", "mv_valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The pictures that were drawn, and their paths."""

    video: str
    interval: int
    bound_px: float | None
    """Length of the vectors with full colour; None without flow and mv."""
    image: Path
    movie: Path | None
    """None where the video has a single frame, or none was asked for."""

    def text(self) -> str:
        lines = [f"{self.video}: interval {self.interval}", f"picture {self.image}"]
        if self.movie:
            lines.append(f"movie   {self.movie}")
        return "\n".join(map(printable, lines))

    def to_dict(self) -> dict:
        return {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
        }


def preview(
    store_folder: Location | str,
    video_id: str | None = None,
    *,
    out: Output | Path | None = None,
    interval: int | None = None,
    frames: int = 150,
    movie: bool = True,
) -> Preview:
    """Draw what a store holds of one video; modalities it lacks are left out.

    Args:
        video_id: the first one of the store if left out.
        out: of the picture (PNG), or a folder, where it has the name of the video: the
            current folder if left out. The movie (MP4) is written next to it.
        interval: of the picture and the colours' scale; by default the one of the
            movie with most motion.
        frames: of the movie at most, from its start.

    Raises:
        StoreError: no such store, video or interval.
        OSError: the picture cannot be written.
    """
    store = Store(store_folder)
    video = store.videos()[0] if video_id is None else store.video(video_id)
    if video.frames == 1 and "rgb" not in video.modalities:
        raise RangeError(
            f"{video.id}: a single frame has no motion to draw, and no rgb"
        )
    stop = min(video.frames - 1, frames)
    if interval is None:
        interval = _liveliest(store, video, stop)
    elif not 0 <= interval < max(video.frames - 1, 1):
        raise RangeError(
            f"{video.id}: expected an interval below {max(video.frames - 1, 1)}, "
            f"got {interval}"
        )
    where = out if isinstance(out, Output) else Output.at(out or Path())
    image = where.file(file_name(video.id, store.ids()), ".png")
    moment = next(_moments(store, video, interval, interval + 1))
    bound_px = full_colour_px(moment)
    drawer = partial(draw, bound_px=bound_px, heading=_heading(video))
    with with_parents(image):
        write_png(image, drawer(moment))
    film = None
    if movie and video.frames > 1:
        film = image.with_suffix(".mp4")
        pictures = map(drawer, _moments(store, video, 0, stop))
        with replacing(film, durable=False) as file:
            write_mp4(file, pictures, fps=video.fps, crf=CRF)
    return Preview(
        video=video.id, interval=interval, bound_px=bound_px, image=image, movie=film
    )


def _moments(
    store: Store,
    video: StoredVideo,
    start: int,
    stop: int,
    *,
    only: Collection[str] = ARRAYS,
) -> Iterator[Moment]:
    """Moments start up to stop, read in blocks. A single frame gives one moment."""
    seconds = store.seconds(video.id)
    arrays = [name for name in only if name.split("_")[0] in video.modalities]
    if video.frames == 1:
        arrays = [name for name in arrays if name == "rgb"]
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        block = {
            name: store.read(video.id, name, start=first, stop=last) for name in arrays
        }
        for row in range(last - first):
            k = first + row
            entries = {name: values[row] for name, values in block.items()}
            yield Moment(interval=k, seconds=float(seconds[k]), **entries)


def _liveliest(store: Store, video: StoredVideo, stop: int) -> int:
    """The interval below `stop` with most motion: of the vectors, else of the flow."""
    if video.frames == 1 or not {"flow", "mv"} & set(video.modalities):
        return stop // 2
    field = "mv" if "mv" in video.modalities else "flow"
    motion = [
        np.abs(getattr(moment, field)).mean() if moment.mv_valid else -1.0
        for moment in _moments(store, video, 0, stop, only=(field, "mv_valid"))
    ]
    return int(np.argmax(motion))


def full_colour_px(moment: Moment) -> float | None:
    """A whole number of pixels that hardly any flow of the interval exceeds.

    Of the vectors only where there is no flow: a single block may point anywhere.
    """
    field = moment.mv if moment.flow is None else moment.flow
    if field is None:
        return None
    lengths = np.hypot(field[..., 0], field[..., 1])
    return max(1.0, math.ceil(np.percentile(lengths, SHARE_WITHIN)))


def file_name(video_id: str, ids: Iterable[str]) -> str:
    """The name of a picture of a video, without suffix: none of `ids` has the same.

    >>> file_name("a/b c", ["a/b c", "d"])
    'a_b c'
    """
    name = _plain(video_id)
    alike = sum(_plain(other).lower() == name.lower() for other in ids)
    if alike > 1 or len(name.encode()) > NAME_BYTES:
        kept = name.encode()[: NAME_BYTES - 17].decode(errors="ignore")
        name = f"{kept}-{xxhash.xxh3_64_hexdigest(video_id.encode())}"
    return name


def _plain(video_id: str) -> str:
    """The id with letters, digits and a few signs only, none of them special in a shell."""
    return re.sub(r"^-|[^\w.,+@= -]", "_", video_id)


def _heading(video: StoredVideo) -> str:
    many = "classes" if len(video.class_names) > 1 else "class"
    of_class = f", {many} {', '.join(video.class_names)}" if video.class_names else ""
    return printable(f"{video.id}{of_class}")
