"""Rows of a store -> JPEG files as other programs read them."""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.store import Store, StoredVideo
from pipeline.store.codecs import from_dict
from pipeline.store.jpeg_codecs import JpegRgb

from .levels import Levels

BLOCK = 16
"""Frames or intervals that are read at once."""


class FlowPicture(NamedTuple):
    """The field of one interval as two grey JPEGs."""

    x: bytes
    y: bytes
    clipped: int
    """Values beyond the bound."""


def jpeg(picture: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) RGB or (H, W) grey uint8 -> a baseline JPEG as OpenCV writes it."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, coded = cv2.imencode(".jpg", np.ascontiguousarray(picture), options)
    if not done:
        raise ValueError(f"a picture of {picture.shape} could not be encoded")
    return coded.tobytes()


def as_stored(store: Store) -> JpegRgb | None:
    """The codec of rgb where its rows are JPEG files, which can be written unchanged.

    Raises:
        LayoutError: the manifest has no codec that is known.
    """
    codec = from_dict(store.manifest.modalities["rgb"].codec)
    return codec if isinstance(codec, JpegRgb) else None


def frames(
    store: Store,
    video: StoredVideo,
    *,
    quality: int,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[bytes]:
    """Each frame as a JPEG file: the stored bytes where they are one.

    Args:
        quality: of frames that are stored as something else.
        start, stop: frames; all if left out.
    """
    unchanged = as_stored(store) is not None
    encoded = partial(jpeg, quality=quality)
    end = video.frames if stop is None else stop
    for begin, after in blocks(start, end):
        if unchanged:
            for row in store.rows(video.id, "rgb", start=begin, stop=after):
                yield row.tobytes()
        else:
            rgb = store.read(video.id, "rgb", start=begin, stop=after)
            yield from map(encoded, rgb)


def fields(
    store: Store,
    video: StoredVideo,
    levels: Levels,
    *,
    quality: int,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[FlowPicture]:
    """The flow of each interval as two grey JPEG files.

    Args:
        start, stop: intervals; all if left out.
    """
    end = video.frames - 1 if stop is None else stop
    for begin, after in blocks(start, end):
        for field in store.read(video.id, "flow", start=begin, stop=after):
            planes = np.moveaxis(levels.levels(field), 2, 0)
            across, down = (jpeg(plane, quality) for plane in planes)
            beyond = int(np.count_nonzero(np.abs(field) > levels.bound_px))
            yield FlowPicture(across, down, beyond)


def blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `BLOCK` entries, one after the other."""
    for begin in range(start, stop, BLOCK):
        yield begin, min(begin + BLOCK, stop)
