"""One view of a clip for all modalities: where to cut, how large, mirrored or not.

Axes: F entries, H W pixels of the net's grid (the whole frame, reduced), C channels.
The view is drawn once per clip, and every modality is cut with it, so that what
student and teacher see at (y, x) is the same place. Motion keeps its values, in px of
the stored grid, when a frame is reduced: teacher and student see it alike.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from pipeline.store import CELL_PX


class Box(NamedTuple):
    """A part of the frame, px."""

    top: int
    left: int
    height: int
    width: int

    def of(self, frames: np.ndarray) -> np.ndarray:
        """The part of every frame: (F, H, W, C) -> (F, height, width, C), not a copy."""
        rows = slice(self.top, self.top + self.height)
        return frames[:, rows, self.left : self.left + self.width]


class View(NamedTuple):
    """A part of the frame, in px of the net's grid, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False

    @property
    def box(self) -> Box:
        return Box(self.top, self.left, self.height, self.width)

    def within(self, box: Box) -> "View":
        """The same view of frames of which this box was cut."""
        return self._replace(top=self.top - box.top, left=self.left - box.left)


def box_around(views: Sequence[View]) -> Box:
    """The smallest part of a frame that holds all of the views."""
    top, left = min(v.top for v in views), min(v.left for v in views)
    bottom = max(v.top + v.height for v in views)
    right = max(v.left + v.width for v in views)
    return Box(top, left, bottom - top, right - left)


def grid_size(height: int, width: int, short_px: int | None) -> tuple[int, int]:
    """Size of the net's grid for a stored frame: the short side given, aspect kept."""
    if short_px is None:
        return height, width
    scale = short_px / min(height, width)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def cut_size(
    size: tuple[int, int],
    crop_px: tuple[int, int],
    scale: float | tuple[float, float] | None,
) -> tuple[int, int]:
    """Height and width of the part that becomes the network's input.

    Args:
        size: of the net's grid.
        crop_px: height and width of the network's input.
        scale: None cuts `crop_px` as it is; a number cuts a part with the shape of
            `crop_px` whose short side is that share of the grid's. What is larger
            than the grid shrinks until it fits, and is enlarged afterwards. Two
            numbers are shares for height and width, each of which shrinks alone.
    """
    height, width = crop_px
    if isinstance(scale, tuple):
        unit = min(size) / min(crop_px)
        return (
            min(max(int(scale[0] * unit * height), 1), size[0]),
            min(max(int(scale[1] * unit * width), 1), size[1]),
        )
    if scale is None:
        factor = 1.0
    else:
        factor = scale * min(size) / min(crop_px)
    factor = min(factor, size[0] / height, size[1] / width)
    return max(int(height * factor), 1), max(int(width * factor), 1)


def crop_views(
    size: tuple[int, int], crop_px: tuple[int, int], *, crops: int, scaled: bool
) -> tuple[View, ...]:
    """The views of one clip for evaluation, without their mirrors.

    Args:
        crops: 1 is the centre; 3 lie along the long side (left, centre, right, or top,
            centre, bottom); 10 are the corners, the centre, and the mirrors of these
            five, which the caller has to add.
        scaled: as large as a training crop can be, instead of `crop_px` as it is.
    """
    height, width = cut_size(size, crop_px, 1.0 if scaled else None)
    down, right = size[0] - height, size[1] - width
    centre = (down // 2, right // 2)
    if crops == 1:
        places: tuple[tuple[int, int], ...] = (centre,)
    elif crops == 3 and size[1] >= size[0]:
        places = ((centre[0], 0), centre, (centre[0], right))
    elif crops == 3:
        places = ((0, centre[1]), centre, (down, centre[1]))
    else:
        places = ((0, 0), (0, right), (down, 0), (down, right), centre)
    return tuple(View(top, left, height, width) for top, left in places)


def neighbours(scales: Sequence[float]) -> list[tuple[float, float]]:
    """Shares for the height and the width of a crop that is only slightly distorted.

    Of the shares in their order, every pair that is equal or next to each other: 7 of
    (1, 0.875, 0.75).

    Source:
        Wang et al., "Temporal segment networks", ECCV 2016: scale jittering.
    """
    return [
        (tall, wide)
        for i, tall in enumerate(scales)
        for j, wide in enumerate(scales)
        if abs(i - j) <= 1
    ]


def random_view(
    rng: np.random.Generator,
    size: tuple[int, int],
    crop_px: tuple[int, int],
    *,
    scales: Sequence[float],
    corners: bool,
    flip: bool,
    uneven: bool = False,
) -> View:
    """A view for training.

    Args:
        scales: one is chosen for `cut_size`; empty cuts `crop_px` as it is.
        corners: cut at the centre or a corner only, instead of anywhere.
        flip: mirror half of the clips.
        uneven: height and width have shares of their own, next to each other.
    """
    choices: Sequence[float | tuple[float, float]] = scales
    if uneven:
        choices = neighbours(scales)
    scale = choices[int(rng.integers(len(choices)))] if choices else None
    height, width = cut_size(size, crop_px, scale)
    down, right = size[0] - height, size[1] - width
    if corners:
        places = (
            (down // 2, right // 2),
            (0, 0),
            (0, right),
            (down, 0),
            (down, right),
        )
        top, left = places[rng.integers(len(places))]
    else:
        top, left = int(rng.integers(down + 1)), int(rng.integers(right + 1))
    return View(top, left, height, width, bool(flip and rng.integers(2)))


def cut(
    frames: np.ndarray, view: View, crop_px: tuple[int, int], *, motion: bool
) -> np.ndarray:
    """The view of every frame, at the size of the network's input.

    Args:
        frames: (F, H, W, C) uint8 or float32.
        motion: the channels are (u, v): a mirrored scene moves the other way, so a
            flip negates u.

    Returns:
        (F, *crop_px, C), of the same type.
    """
    part = resized(view.box.of(frames), crop_px)
    if view.flip:
        part = part[:, :, ::-1]
        if motion:
            part = part * np.array([-1, 1], part.dtype)
    return part


def resized(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames at another size; values stay what they are.

    Smaller is the mean over the area of a pixel, larger is bilinear (a bilinear
    sample of a much larger image would skip pixels).

    Args:
        frames: (F, H, W, C) uint8 or float32.

    Returns:
        (F, *size, C).
    """
    way = resize_way(frames.shape[1:3], size)
    if way is None:
        return frames
    import cv2

    out = np.empty((len(frames), *size, frames.shape[3]), frames.dtype)
    for frame, place in zip(frames, out, strict=True):
        cv2.resize(frame, size[::-1], dst=place, interpolation=way)
    return out


def resize_way(before: tuple[int, ...], after: tuple[int, int]) -> int | None:
    """OpenCV's interpolation from a height and width to another; None: they are the same."""
    if before == after:
        return None
    import cv2  # here, because training from memory or of another size needs none

    smaller = after[0] <= before[0] and after[1] <= before[1]
    return cv2.INTER_AREA if smaller else cv2.INTER_LINEAR


def painted(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    """Motion of cells of 8 px -> of pixels: a pixel has the vector of its cell.

    Args:
        cells: (F, M, N, 2).

    Returns:
        (F, height, width, 2).
    """
    wide = cells.repeat(CELL_PX, axis=2)[:, :, :width]
    rows = np.broadcast_to(
        wide[:, :, None], (*wide.shape[:2], CELL_PX, *wide.shape[2:])
    )  # whole rows are copied at once: ten times as fast as looking up every pixel
    return rows.reshape(len(cells), -1, *wide.shape[2:])[:, :height]


def painted_box(cells: np.ndarray, box: Box) -> np.ndarray:
    """A part of what `painted` makes of cells, without painting the rest.

    Args:
        cells: (F, M, N, 2).

    Returns:
        (F, box.height, box.width, 2).
    """
    down, right = box.top // CELL_PX, box.left // CELL_PX
    inner = Box(box.top % CELL_PX, box.left % CELL_PX, box.height, box.width)
    bottom, side = inner.top + inner.height, inner.left + inner.width
    tall, wide = -(-bottom // CELL_PX), -(-side // CELL_PX)
    near = Box(down, right, tall, wide).of(cells)
    return inner.of(painted(near, bottom, side))


def rgb_input(
    frames: np.ndarray,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    order: Literal["rgb", "bgr"] = "rgb",
    contrast: float = 1.0,
    brightness: float = 0.0,
) -> np.ndarray:
    """(F, H, W, 3) uint8 -> float32, as the network wants it.

    Args:
        mean, std: of red, green, blue, of values from 0 to 1.
        order: in which the network wants the three.
        contrast: factor around mid grey.
        brightness: added, where 1 is from black to white.
    """
    gain, shift = rgb_scale(
        mean=mean, std=std, contrast=contrast, brightness=brightness
    )
    # Channel by channel, in the order that `to_tensor` wants: eight times as fast
    planes = np.ascontiguousarray(frames.transpose(3, 0, 1, 2)).astype(np.float32)
    planes *= gain[:, None, None, None]
    planes += shift[:, None, None, None]
    values = planes.transpose(1, 2, 3, 0)
    return values[..., ::-1] if order == "bgr" else values


def rgb_scale(
    *, mean: Sequence[float], std: Sequence[float], contrast: float, brightness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Factor of the bytes of red, green and blue, and what is added then: (3,) float32."""
    gain = np.float32(contrast) / (255 * np.asarray(std, np.float32))
    shift = (0.5 + brightness - 0.5 * contrast - np.asarray(mean)) / np.asarray(std)
    return gain, shift.astype(np.float32)
