"""Small videos with the times, turns and codecs that a test wants."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def write(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    times: Iterable[int] | None = None,
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
    pix_fmt: str = "yuv420p",
    **options: str,
) -> Path:
    """Encode RGB frames.

    Args:
        times: milliseconds of each frame, instead of 25 per second.
        rotation: degrees to turn the picture, counterclockwise.
    """
    stamps = iter(times) if times is not None else iter(range(0, 10**9, 40))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.pix_fmt = pix_fmt
        stream.options = options
        if path.suffix != ".avi":
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if path.suffix != ".avi":
                frame.pts, frame.time_base = next(stamps), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """Seconds since the first frame, and the frames as RGB."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    start = frames[0].time
    assert start is not None
    times = [float(frame.time or 0) - start for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames]


def textured(count: int) -> list[np.ndarray]:
    """Frames of a grey texture that does not move, and that no slope can be taken for."""
    noise = np.random.default_rng(0).uniform(0, 255, (240, 320)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    still = cv2.normalize(smooth, np.empty_like(smooth), 20, 235, cv2.NORM_MINMAX)
    return [np.repeat(still[..., None], 3, axis=-1).astype(np.uint8)] * count


def flat(count: int, *, height: int = 240, width: int = 320) -> list[np.ndarray]:
    """Frames of a slope of colours that does not move."""
    down, right = np.mgrid[0:height, 0:width]
    blue = np.full_like(down, 128)
    still = np.stack([down * 200 // height + 20, right * 200 // width + 20, blue], -1)
    return [still.astype(np.uint8)] * count
