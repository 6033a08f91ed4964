"""A modality of a video -> a movie to look at: frames, flow in colours, vectors drawn."""

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.extract.mp4 import write_mp4
from pipeline.extract.x264 import enlargement
from pipeline.store import CELL_PX, Store, StoredVideo, motion_colours

from .outcome import Written
from .pictures import blocks
from .unfinished import new_file

CRF = 18
"""Quality of x264."""
SAMPLE = 8
"""Intervals from which the scale of a video's colours is taken."""
SHARE_WITHIN = 99
"""Percentile of the length of their flow at which a colour is full."""
ARROWS_SIDE_PX = 480
"""Shorter side to which frames with vectors are enlarged, at least, by a whole number."""
PAPER, INK, UNKNOWN = (255, 255, 255), (220, 30, 30), (150, 150, 150)


def write_movie(
    store: Store, video: StoredVideo, target: Path, *, work: Path, modality: str
) -> Written:
    """Write a modality of a video as an MP4 file (H.264) that any player shows.

    `rgb` has the frames; `flow` a picture per interval, with directions as hues and one
    scale for the video; `mv` the frames with an arrow per cell whose vector is not zero,
    on white where the video has no rgb, framed in grey where the vectors are not known.

    Args:
        target: the file; it appears when it is whole.
        work: a folder of the same disk for what is not finished.

    Raises:
        StoreError: the store is damaged.
        OSError: the file cannot be written.
    """
    draw = {"rgb": _frames, "flow": _colours, "mv": _arrows}[modality]
    with new_file(target, work) as file:
        pictures = draw(store, video)
        write_mp4(file, pictures, fps=video.fps, crf=CRF, reproducible=True)
        size = file.seek(0, 2)
    return Written(files=1, bytes=size)


def _frames(store: Store, video: StoredVideo) -> Iterator[np.ndarray]:
    for start, stop in blocks(0, video.frames):
        yield from store.read(video.id, "rgb", start=start, stop=stop)


def _colours(store: Store, video: StoredVideo) -> Iterator[np.ndarray]:
    count = video.frames - 1
    chosen = range(0, count, -(-count // SAMPLE))
    shares = [
        np.percentile(
            np.hypot(
                *np.moveaxis(store.read(video.id, "flow", start=k, stop=k + 1), 3, 0)
            ),
            SHARE_WITHIN,
        )
        for k in chosen
    ]
    bound_px = max(1.0, math.ceil(max(shares)))
    for start, stop in blocks(0, count):
        for field in store.read(video.id, "flow", start=start, stop=stop):
            yield motion_colours(field, bound_px=bound_px)


def _arrows(store: Store, video: StoredVideo) -> Iterator[np.ndarray]:
    times = enlargement(video.height, video.width, short_side=ARROWS_SIDE_PX)
    size = (video.height, video.width, 3)
    for start, stop in blocks(0, video.frames - 1):
        fields = store.read(video.id, "mv", start=start, stop=stop)
        valid = store.read(video.id, "mv_valid", start=start, stop=stop)
        if "rgb" in video.modalities:
            pictures = store.read(video.id, "rgb", start=start, stop=stop)
        else:
            pictures = np.full((stop - start, *size), PAPER, np.uint8)
        for picture, field, known in zip(pictures, fields, valid, strict=True):
            large = picture.repeat(times, axis=0).repeat(times, axis=1)
            yield _drawn(large, field if known else None, times)


def _drawn(picture: np.ndarray, field: np.ndarray | None, times: int) -> np.ndarray:
    if field is None:
        corner = (picture.shape[1] - 1, picture.shape[0] - 1)
        cv2.rectangle(picture, (0, 0), corner, UNKNOWN, 2 * times)
        return picture
    for row, column in np.argwhere(field.any(axis=2)):
        centre = (np.array((column, row)) + 0.5) * CELL_PX * times
        end = centre + field[row, column] * times
        tail, head = (
            (int(point[0]), int(point[1])) for point in (centre.round(), end.round())
        )
        cv2.arrowedLine(picture, tail, head, INK, 1, cv2.LINE_AA, tipLength=0.3)
    return picture
