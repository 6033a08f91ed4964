"""A video of a store -> a still and a short movie: its modalities side by side."""

import io
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from pipeline.extract.mp4 import write_mp4
from pipeline.store import CELL_PX, LayoutError, Store, StoredVideo, motion_colours

PANEL_WIDTH, PANEL_HEIGHT = 160, 120
"""Greatest size of a modality's panel, px. Smaller frames are not enlarged."""
LEAST_SIDE = 16
LINE_PX, LINE = 2, 128
"""The line between two panels: its width, and its level of grey."""
FRAMES, FRAMES_PER_SECOND = 36, 12
"""Most frames of a movie, and about their rate where it skips some."""
STILL_QUALITY, CRF = 80, 28
"""Quality of WebP and of x264."""
SHARE_WITHIN = 99
"""Percent of the motion of a movie that is not longer than the rim of the wheel."""
HATCHED = 150
"""Level of grey of the lines where vectors are not known."""
BLOCK_BYTES = 1 << 26
"""Flow that is read at once."""
RANGE, STEPS = 2, 128
"""Reach of the table of colours, and its steps per length of the rim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Pictures of a video. The panels are in the order of the store's modalities."""

    still: bytes
    """WebP: the frame with most motion of those in the movie."""
    movie: bytes | None
    """MP4, at the speed of the video; None of a single frame."""
    bound_px: int | None
    """Motion per frame with a full colour; None where the video has no motion."""
    step: int
    """Frames of the video for each frame of the movie."""


def draw_clip(store: Store, video: StoredVideo) -> Clip:
    """Draw up to three seconds from the middle of a video.

    A modality that the video lacks is grey, and so is the motion of a single frame.

    Raises:
        LayoutError: its rows are damaged.
    """
    chosen = shown_frames(video)
    frames = _Frames(store, video, chosen)
    motion = frames.flow if frames.flow is not None else frames.mv
    bound, liveliest = None, 0
    if motion is not None:
        lengths = np.hypot(motion[..., 0], motion[..., 1])
        bound = max(1, int(np.ceil(np.percentile(lengths, SHARE_WITHIN))))
        means = np.where(frames.valid, lengths.mean((1, 2)), -1)
        liveliest = int(means.argmax())
    pictures = [frames.picture(i, bound or 1) for i in range(len(chosen))]
    done, still = cv2.imencode(
        ".webp",
        cv2.cvtColor(pictures[liveliest], cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_WEBP_QUALITY, STILL_QUALITY],
    )
    assert done
    fps = (video.fps if video.fps > 0 else 25) / chosen.step
    movie = None
    if len(pictures) > 1:
        file = io.BytesIO()
        write_mp4(file, pictures, fps=fps, crf=CRF, reproducible=True)
        movie = file.getvalue()
    return Clip(still=still.tobytes(), movie=movie, bound_px=bound, step=chosen.step)


def shown_frames(video: StoredVideo) -> range:
    """Frames of the movie: all of a short video, about 12 per second of a longer one."""
    count = max(video.frames - 1, 1)
    if count <= FRAMES:
        return range(count)
    fps = video.fps if video.fps > 0 else 25
    step = max(1, round(fps / FRAMES_PER_SECOND))
    span = min(FRAMES, count // step) * step
    start = (count - span) // 2
    return range(start, start + span, step)


def panel_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of a panel, px, even.

    >>> panel_size(240, 320), panel_size(96, 128), panel_size(256, 144)
    ((120, 160), (96, 128), (120, 68))
    """
    scale = min(PANEL_HEIGHT / height, PANEL_WIDTH / width, 1)
    tall, wide = (
        max(LEAST_SIDE, round(scale * side / 2) * 2) for side in (height, width)
    )
    return tall, wide


class _Frames:
    """The chosen frames of a video, as large as a panel. Arrays are (frames, ...) or None."""

    def __init__(self, store: Store, video: StoredVideo, chosen: range) -> None:
        self._modalities = store.modalities
        self._grid = video.height, video.width
        self._size = panel_size(video.height, video.width)
        having = video.modalities
        if video.frames == 1:
            having = tuple(name for name in having if name == "rgb")
        rows = max(1, BLOCK_BYTES // (8 * video.height * video.width))
        blocks = [chosen[i : i + rows] for i in range(0, len(chosen), rows)]

        def read(name: str) -> np.ndarray:
            parts = []
            for block in blocks:
                start, stop, step = block.start, block[-1] + 1, block.step
                found = store.read(video.id, name, start=start, stop=stop, step=step)
                parts.append(self._scaled(found) if name in ("rgb", "flow") else found)
            return np.concatenate(parts)

        self.rgb, self.flow, self.mv = (
            read(name) if name in having else None for name in ("rgb", "flow", "mv")
        )
        self.valid = np.ones(len(chosen), bool)
        if self.mv is not None:
            self.valid = read("mv_valid")
        if (self.flow is not None and not np.isfinite(self.flow).all()) or (
            self.mv is not None and not np.isfinite(self.mv).all()
        ):
            raise LayoutError(f"{video.id}: expected finite motion")

    def picture(self, i: int, bound_px: float) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the panels of frame i, and lines between them."""
        tall, _ = self._size
        line = np.full((tall, LINE_PX, 3), LINE, np.uint8)
        parts: list[np.ndarray] = []
        for name in self._modalities:
            parts += [line, self._panel(name, i, bound_px)]
        return np.concatenate(parts[1:], axis=1)

    def _panel(self, name: str, i: int, bound_px: float) -> np.ndarray:
        rows = getattr(self, name)
        if rows is None:
            return np.full((*self._size, 3), LINE, np.uint8)
        if name == "rgb":
            return np.asarray(rows[i])
        colours = wheel_colours(rows[i], bound_px)
        if name == "flow":
            return colours
        tall, wide = self._size
        cells = colours.shape[:2]
        # Cells of the last row and column may stick out of the frame.
        size = [
            round(CELL_PX * n * p / g)
            for n, p, g in zip(cells, self._size, self._grid, strict=True)
        ]
        drawn = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_NEAREST)
        drawn = drawn[:tall, :wide].copy()
        if not self.valid[i]:
            down, across = np.indices(drawn.shape[:2])
            drawn[(down + across) % CELL_PX < 2] = HATCHED
        return drawn

    def _scaled(self, pictures: np.ndarray) -> np.ndarray:
        tall, wide = self._size
        if pictures.shape[1:3] == self._size:
            return pictures
        return np.stack(
            [
                cv2.resize(each, (wide, tall), interpolation=cv2.INTER_AREA)
                for each in pictures
            ]
        )


@cache
def _table() -> np.ndarray:
    axis = np.arange(-RANGE * STEPS, RANGE * STEPS + 1) / STEPS
    return motion_colours(np.stack(np.meshgrid(axis, axis), -1), bound_px=1)


def wheel_colours(field: np.ndarray, bound_px: float) -> np.ndarray:
    """`motion_colours` from a table: several times as fast, off by two levels or so.

    Args:
        field: (..., 2) float, px to the right and down.
        bound_px: above 0.

    Returns:
        (..., 3) uint8 RGB.
    """
    most = RANGE * STEPS
    across, down = (field[..., k] * np.float32(STEPS / bound_px) for k in (0, 1))
    reach = np.maximum(np.maximum(np.abs(across), np.abs(down)) / np.float32(most), 1)
    column, row = (np.rint(part / reach).astype(np.int32) for part in (across, down))
    return _table()[row + most, column + most]
