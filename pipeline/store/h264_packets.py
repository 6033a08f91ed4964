"""Packets of H.264 -> windows of frames, checked. PyAV and OpenCV are imported by the first.

Decoded frames are the same to the bit on every machine, whatever was decoded before.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .codec import Window
from .errors import LayoutError

if TYPE_CHECKING:
    import av

BATCH_BYTES = 1 << 20
"""Planes that are converted to RGB at once: they fit a core's cache."""
SPARE_PX = 128
"""The decoder allocates more than the frame on each side, by less than this."""


def decoded_pictures(
    rows: Iterable[tuple[int, np.ndarray]], height: int, width: int, *, keyint: int
) -> Iterator[tuple[int, "av.VideoFrame"]]:
    """Decode the packets of consecutive rows of a video; the first is a key packet.

    Args:
        rows: (row of the video, packet); a row that does not follow is a key packet, too.
        height, width: px, of every frame.
        keyint: every row that is a multiple of it is a key packet, and no other.

    Raises:
        LayoutError: a packet that is damaged, gives no frame or several, or a frame that
            is not what the row must have.
    """
    from av.error import FFmpegError
    from av.packet import Packet

    decoder, flushed = _decoder(height, width), False
    for row, packet in rows:
        if not flushed:
            decoder.flush_buffers()
            flushed = True
        try:
            frames = decoder.decode(Packet(packet.tobytes())) if packet.size else []
        except FFmpegError as error:
            _forget()
            raise LayoutError(
                f"expected a packet of H.264, got {packet.size} other bytes "
                f"({error.strerror})"
            ) from None
        if len(frames) != 1:
            _forget()
            raise LayoutError(f"expected a packet of one frame, got {len(frames)}")
        frame, key = frames[0], row % keyint == 0
        found = (frame.height, frame.width, frame.format.name, bool(frame.key_frame))
        if found != (height, width, "yuv420p", key) or frame.is_corrupt:
            _forget()
            damage = ", with errors" if frame.is_corrupt else ""
            raise LayoutError(
                f"expected a{' key' if key else ''} frame of {height}x{width} yuv420p, "
                f"got {found[0]}x{found[1]} {found[2]}, key {found[3]}{damage}"
            )
        yield row, frame


class Crops:
    """The same window of several frames, converted to RGB a few at once.

    Chroma has half the size: the planes are cut at even positions around the window, so
    that it is, to the bit, that of the whole frame.
    """

    def __init__(self, count: int, height: int, width: int, window: Window) -> None:
        top, bottom, _ = window[0].indices(height)
        left, right, _ = window[1].indices(width)
        self._count, self._shape = count, (bottom - top, right - left, 3)
        top_even, left_even = top // 2 * 2, left // 2 * 2
        self._tall = (bottom - top_even + 1) // 2 * 2
        self._wide = (right - left_even + 1) // 2 * 2
        self._window = (
            slice(top - top_even, bottom - top_even),
            slice(left - left_even, right - left_even),
        )
        self._luma = _box(top_even, left_even, self._tall, self._wide)
        self._chroma = _box(
            top_even // 2, left_even // 2, self._tall // 2, self._wide // 2
        )
        self._most = max(BATCH_BYTES // (self._tall * self._wide * 3 // 2), 1)
        self._out: np.ndarray | None = None
        self._done = self._held = 0
        self._batch = np.empty(0, np.uint8)
        self._planes: list[np.ndarray] = []

    def add(self, frame: "av.VideoFrame") -> None:
        """Take the next frame, whose size has been checked."""
        if self._out is None:  # memory only for a size that has been checked
            self._out = np.empty((self._count, *self._shape), np.uint8)
        if not self._held:
            self._begin(min(self._most, self._count - self._done))
        boxes = (self._luma, self._chroma, self._chroma)
        for plane, into, box in zip(frame.planes, self._planes, boxes, strict=True):
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(
                -1, plane.line_size
            )
            into[self._held] = lines[box]
        self._held += 1
        if self._held == len(self._planes[0]):
            self._convert()

    def frames(self) -> np.ndarray:
        """(frames, h, w, 3) uint8.

        Raises:
            LayoutError: fewer frames came than were expected.
        """
        if self._done != self._count:
            got = self._done + self._held
            raise LayoutError(f"expected {self._count} frames, got {got}")
        if self._out is None:
            return np.empty((0, *self._shape), np.uint8)
        return self._out

    def _begin(self, count: int) -> None:
        """Memory for the planes of some frames, as those of one tall picture."""
        if len(self._planes) and len(self._planes[0]) == count:
            return
        tall, wide = self._tall, self._wide
        luma, chroma = count * tall * wide, count * tall * wide // 4
        self._batch = np.empty((count * tall * 3 // 2, wide), np.uint8)
        flat, half = self._batch.reshape(-1), (count, tall // 2, wide // 2)
        self._planes = [
            flat[:luma].reshape(count, tall, wide),
            flat[luma : luma + chroma].reshape(half),
            flat[luma + chroma :].reshape(half),
        ]

    def _convert(self) -> None:
        import cv2

        assert self._out is not None
        out = self._out[self._done : self._done + self._held]
        shape = (self._held, self._tall, self._wide, 3)
        if shape == out.shape:
            tall = out.reshape(-1, self._wide, 3)
            cv2.cvtColor(self._batch, cv2.COLOR_YUV2RGB_I420, dst=tall)
        else:
            rgb = cv2.cvtColor(self._batch, cv2.COLOR_YUV2RGB_I420)
            out[:] = rgb.reshape(shape)[:, *self._window]
        self._done, self._held = self._done + self._held, 0


def _box(top: int, left: int, height: int, width: int) -> Window:
    return slice(top, top + height), slice(left, left + width)


class _Held(threading.local):
    """The decoder of this thread, for one size."""

    size: tuple[int, int] | None = None
    decoder: Any = None


_held = _Held()


def _decoder(height: int, width: int) -> Any:
    """A decoder without a container that gives each frame at once; ready to be flushed."""
    if _held.size != (height, width):
        import av

        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count, decoder.thread_type = 1, "NONE"
        most = (height + SPARE_PX) * (width + SPARE_PX)
        # a false header would make it allocate gigabytes
        decoder.options = {"err_detect": "explode", "max_pixels": str(most)}
        _held.size, _held.decoder = (height, width), decoder
    return _held.decoder


def _forget() -> None:
    _held.size = _held.decoder = None
