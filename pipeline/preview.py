"""A video of a store -> a picture and a movie: rgb, flow and mv of the same interval."""

import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.colour_wheel import motion_colours, wheel
from pipeline.store import RangeError, Store, StoredVideo, printable
from pipeline.store.schema import CELL_PX

PANEL_PX = 300
"""Least width of a panel, so that its title fits; small videos are enlarged."""
TITLE_PX, LEGEND_PX, GAP_PX = 26, 96, 6
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (150, 150, 150)
SHARE_WITHIN = 99
"""Percent of the vectors of an interval that get a colour of their own length."""
BLOCK = 16
ARRAYS = ("rgb", "flow", "mv", "mv_valid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What was drawn, and where it lies."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Frame k and interval k -> k+1 of a video, in the units of the store."""

    interval: int
    seconds: float
    rgb: np.ndarray | None = None
    flow: np.ndarray | None = None
    mv: np.ndarray | None = None
    mv_valid: bool = True


def preview(
    store_folder: Path,
    video_id: str | None = None,
    *,
    out: Path | None = None,
    interval: int | None = None,
    frames: int = 150,
    movie: bool = True,
) -> Preview:
    """Draw what a store holds of one video; modalities it lacks are left out.

    Args:
        video_id: the first one of the store if left out.
        out: of the picture (PNG); the movie (MP4) lies beside it. In the current
            folder, under the name of the video, if left out.
        interval: of the picture and the colours' scale; by default the one of the
            movie with most motion.
        frames: of the movie at most, from its start.

    Raises:
        StoreError: no such store, video or interval.
        OSError: the picture cannot be written.
    """
    store = Store(store_folder)
    video = store.videos()[0] if video_id is None else store.video(video_id)
    stop = min(video.frames - 1, frames)
    if interval is None:
        interval = _liveliest(store, video, stop)
    elif not 0 <= interval < max(video.frames - 1, 1):
        raise RangeError(
            f"{video.id}: expected an interval below {max(video.frames - 1, 1)}, "
            f"got {interval}"
        )
    image = out or Path(video.id.replace("/", "_") + ".png")
    if image.suffix.lower() != ".png":
        image = image.with_name(image.name + ".png")
    moment = next(_moments(store, video, interval, interval + 1))
    bound_px = _bound_px(moment)
    image.parent.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(draw(moment, bound_px=bound_px), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(image), picture):
        raise OSError(f"{image}: the picture could not be written")
    film = None
    if movie and video.frames > 1:
        film = image.with_suffix(".mp4")
        _write_movie(film, _moments(store, video, 0, stop), video.fps, bound_px)
    return Preview(
        video=video.id, interval=interval, bound_px=bound_px, image=image, movie=film
    )


def draw(moment: Moment, *, bound_px: float | None) -> np.ndarray:
    """Titled panels side by side over a legend: (rows, columns, 3) uint8 RGB, both even.

    Args:
        bound_px: length of the vectors with full colour.
    """
    k = moment.interval
    panels = []
    if moment.rgb is not None:
        title = f"rgb: frame {k} ({moment.seconds:.2f} s)"
        panels.append(_panel(title, _shown(moment.rgb)))
    if moment.flow is not None:
        assert bound_px is not None
        colours = motion_colours(moment.flow, bound_px=bound_px)
        panels.append(_panel(f"flow: frame {k} to {k + 1}", _shown(colours)))
    if moment.mv is not None:
        assert bound_px is not None
        title = f"mv: frame {k} to {k + 1}"
        colours = _vector_colours(moment, bound_px)
        if not moment.mv_valid:
            title += ", not valid"
        panels.append(_panel(title, _shown(colours)))
    drawn = _beside(panels)
    if bound_px is not None:
        drawn = np.concatenate([drawn, _legend(moment, bound_px, drawn.shape[1])])
    rows, columns = drawn.shape[:2]
    return np.pad(
        drawn, ((0, rows % 2), (0, columns % 2), (0, 0)), constant_values=PAPER[0]
    )


def _vector_colours(moment: Moment, bound_px: float) -> np.ndarray:
    """(H, W, 3): each cell in its colour; hatched where the vectors are not valid."""
    assert moment.mv is not None
    cells = motion_colours(moment.mv, bound_px=bound_px)
    colours = cells.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)
    for like in (moment.rgb, moment.flow):  # cells of the last row may stick out
        if like is not None:
            colours = colours[: like.shape[0], : like.shape[1]]
    if not moment.mv_valid:
        rows, columns = np.indices(colours.shape[:2])
        colours[(rows + columns) % CELL_PX < 2] = FAINT
    return colours


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


def _bound_px(moment: Moment) -> float | None:
    """A whole number of pixels that hardly any vector of the interval exceeds."""
    lengths = [
        np.hypot(field[..., 0], field[..., 1]).ravel()
        for field in (moment.flow, moment.mv)
        if field is not None
    ]
    if not lengths:
        return None
    return max(1.0, *(math.ceil(np.percentile(each, SHARE_WITHIN)) for each in lengths))


def _shown(picture: np.ndarray) -> np.ndarray:
    """Enlarged by a whole number where it is narrow: pixels and cells stay sharp."""
    times = max(1, round(PANEL_PX / picture.shape[1]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _panel(title: str, picture: np.ndarray) -> np.ndarray:
    """The picture, centred under its title."""
    height, width = picture.shape[:2]
    wide = max(width, PANEL_PX)
    panel = np.full((TITLE_PX + height, wide, 3), PAPER, np.uint8)
    left = (wide - width) // 2
    panel[TITLE_PX:, left : left + width] = picture
    corners = (left, TITLE_PX), (left + width - 1, TITLE_PX + height - 1)
    cv2.rectangle(panel, *corners, FAINT)  # white is a colour of motion, too
    _write(panel, title, (left + 2, TITLE_PX - 9))
    return panel


def _beside(panels: list[np.ndarray]) -> np.ndarray:
    """All of one height: they show one grid."""
    height = max(panel.shape[0] for panel in panels)
    gap = np.full((height, GAP_PX, 3), PAPER, np.uint8)
    parts = [gap]
    for panel in panels:
        below = height - panel.shape[0]
        parts += [np.pad(panel, ((0, below), (0, 0), (0, 0)), constant_values=255), gap]
    return np.concatenate(parts, axis=1)


def _legend(moment: Moment, bound_px: float, width: int) -> np.ndarray:
    """The wheel, what its rim means, and what the fields hold in pixels."""
    legend = np.full((LEGEND_PX, width, 3), PAPER, np.uint8)
    size = LEGEND_PX - 2 * GAP_PX
    legend[GAP_PX : GAP_PX + size, GAP_PX : GAP_PX + size] = wheel(
        size, background=PAPER
    )
    lines = [f"rim: {bound_px:g} px per frame; medians are (right, down)"]
    for name, field in (("flow", moment.flow), ("mv", moment.mv)):
        if field is None:
            continue
        across, down = np.median(field.reshape(-1, 2), axis=0)
        longest = np.hypot(field[..., 0], field[..., 1]).max()
        median = f"median ({across + 0:+.2f}, {down + 0:+.2f})"
        lines.append(f"{name}: {median}, longest {longest:.2f} px")
    for row, line in enumerate(lines):
        _write(legend, line, (size + 4 * GAP_PX, 30 + 22 * row))
    return legend


def _write(picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(
        picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA
    )


def _write_movie(
    path: Path, moments: Iterator[Moment], fps: float, bound_px: float | None
) -> None:
    with av.open(str(path), "w") as container:
        rate = Fraction(fps if fps > 0 else 25).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18", "preset": "veryfast"}
        for moment in moments:
            picture = draw(moment, bound_px=bound_px)
            if not stream.codec_context.is_open:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
