"""Videos whose planes, colours, times and turns we chose. Written with PyAV."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.extract.x264 import SAME_BYTES

LIMITED, FULL = 1, 2
BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)
SPACE = {BT601: 6, BT709: 1}
"""AVColorSpace of the weights of red and blue."""

EXACT = {"qp": "0", "preset": "ultrafast", "threads": "1"}
LAST_FRAME_ONLY = {
    "bf": "0",
    "refs": "1",
    "g": "100",
    "sc_threshold": "0",
    "threads": "1",
    "crf": "10",
}
"""Every frame refers to the one before it."""


def frame_of(planes: Sequence[np.ndarray], form: str) -> av.VideoFrame:
    """A frame of these planes, as they are."""
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, form)
    for plane, pixels in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        octets = np.ascontiguousarray(pixels).reshape(len(pixels), -1).view(np.uint8)
        rows[:, : octets.shape[1]] = octets
        plane.update(rows.tobytes())
    return frame


def coded(
    rgb: np.ndarray,
    weights: tuple[float, float],
    *,
    full: bool,
    bits: int = 8,
    down: int = 2,
    right: int = 2,
) -> list[np.ndarray]:
    """RGB -> Y, Cb, Cr planes, the chroma averaged over `down` x `right` pixels."""
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = weights[0] * red + (1 - sum(weights)) * green + weights[1] * blue
    chroma = [(blue - luma) / (2 - 2 * weights[1]), (red - luma) / (2 - 2 * weights[0])]
    height, width = luma.shape
    rows, columns = -(-height // down), -(-width // right)
    pad = ((0, rows * down - height), (0, columns * right - width))
    chroma = [
        np.pad(plane, pad, "edge").reshape(rows, down, columns, right).mean((1, 3))
        for plane in chroma
    ]
    step, top = 1 << (bits - 8), (1 << bits) - 1
    if full:
        planes = [luma * top, *(plane * top + 128 * step for plane in chroma)]
    else:
        planes = [(219 * luma + 16) * step]
        planes += [(224 * plane + 128) * step for plane in chroma]
    kind = np.uint8 if bits == 8 else np.uint16
    return [np.rint(plane).clip(0, top).astype(kind) for plane in planes]


def rgb_frames(frames: np.ndarray) -> list[av.VideoFrame]:
    return [av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames]


def encode(
    path: Path,
    frames: Iterable[av.VideoFrame],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    space: int | None = None,
    range_: int | None = None,
    rate: int = 25,
    times: Sequence[int] | None = None,
    rotation: int | None = None,
    pixel_aspect: Fraction | None = None,
    tags: dict[str, str] | None = None,
    **muxer: str,
) -> Path:
    """Write a video.

    Args:
        times: milliseconds of each frame, instead of a steady rate.
        rotation: degrees to turn the picture, counterclockwise.
        pixel_aspect: width of a pixel, for a height of 1.
    """
    with av.open(str(path), "w", options=muxer) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pix_fmt
        stream.codec_context.options = same_bytes(codec, options or {})
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if space is not None:
            stream.codec_context.colorspace = space
        if range_ is not None:
            stream.codec_context.color_range = range_
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            if number == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, rate if times is None else 1000)
            if space is not None:
                frame.colorspace = space
            if range_ is not None:
                frame.color_range = range_
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def same_bytes(codec: str, options: Mapping[str, str]) -> dict[str, str]:
    """Options with which a codec gives the same file each time, on whatever machine."""
    if codec != "libx264":
        return dict(options)
    params = ":".join(filter(None, (SAME_BYTES, options.get("x264-params"))))
    return {"threads": "1", **options, "x264-params": params}


def packets_of(path: Path) -> list[bytes]:
    """The coded packets of the video stream, in order."""
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]


def texture_at(
    positions: Iterable[tuple[int, int]], *, smooth: bool = False
) -> np.ndarray:
    """(T, 96, 128, 3): a texture that wraps around, at these positions, (right, down) px.

    Args:
        smooth: without edges, so that a search for motion that follows the slope finds its
            way over long distances.
    """
    still = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    still = still.repeat(4, axis=0).repeat(4, axis=1)
    if smooth:
        around = [np.roll(still, (y, x), (0, 1)) for y in range(8) for x in range(8)]
        blurred = np.mean(around, axis=0)
        still = ((blurred - blurred.min()) * 255 / np.ptp(blurred)).astype(np.uint8)
    return np.stack(
        [np.roll(still, (down, right), axis=(0, 1)) for right, down in positions]
    )
