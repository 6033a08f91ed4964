"""Video file -> how it was coded: what an encoder leaves in every file it writes."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .opening import open_video
from .side_data import side_data
from .vectors import VECTOR

FRAMES = 64
"""Frames that are decoded; key frames farther apart than this count as one group."""


class Signature(NamedTuple):
    """Coding parameters of a video that many videos share."""

    codec: str
    """h264, mpeg4, ..."""
    profile: str
    """In FFmpeg's words; empty where the codec has none."""
    gop: str
    """Greatest distance of intra-coded frames, "1" where all are, "long" where a second
    one was not seen."""
    b_frames: str
    """yes or no."""
    blocks: str
    """Sizes of the motion-compensated blocks, in px: "8x8 16x16"; empty without vectors."""


def signature(path: Path | str, *, frames: int = FRAMES) -> Signature:
    """Determine the coding parameters of the first frames of a video.

    Args:
        frames: to decode, at most.

    Raises:
        VideoError: the video cannot be used.
        OSError: the file cannot be read; not the video's fault.
    """
    sizes: set[tuple[int, int]] = set()
    types = bytearray()
    with open_video(path, vectors=True, pixels=False) as video:
        for picture in islice(video.pictures(), frames):
            types.append(picture.picture_type)
            vectors = side_data(picture.frame, "MOTION_VECTORS")
            pairs = np.unique(np.frombuffer(vectors, VECTOR)[["w", "h"]])
            sizes.update((int(pair["w"]), int(pair["h"])) for pair in pairs)
        codec, profile = video.codec, video.profile
    intra = np.flatnonzero(np.frombuffer(bytes(types), np.uint8) == ord("I"))
    return Signature(
        codec=codec,
        profile=profile,
        gop=str(int(np.diff(intra).max())) if len(intra) > 1 else "long",
        b_frames="yes" if ord("B") in types else "no",
        blocks=" ".join(f"{wide}x{high}" for wide, high in sorted(sizes)),
    )
