"""One sequential pass over a video: every modality, in blocks of frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.store.h264_rgb import H264Rgb

from .blocks import (
    BLOCK,
    CACHED_BYTES,
    DeferredFlow,
    Frames,
    GreyFrames,
    Solver,
    no_flow,
)
from .canonical import CanonicalVectors, StoredVectors
from .clock import Ticks
from .coded_frames import CodedFrames
from .decode import Picture
from .errors import DecodeError
from .opening import open_video
from .orientation import orientation, rotation
from .original import OriginalVectors
from .settings import SHORTEST_SIDE, ExtractSettings
from .side_data import side_data

LONGEST_SIDE = 16_384
"""px, of the stored grid."""
Size = int | Fraction


class VideoInfo(NamedTuple):
    """Facts about a video that is open."""

    height: int
    width: int
    """Size of the stored frames, px."""
    fps: float
    """Frames per second of the stored frames."""
    codec: str
    source_height: int = 0
    source_width: int = 0
    """Size of the first frame as it was decoded, px."""
    pixel_aspect: float = 1.0
    """Width of its pixels, for a height of 1."""
    rotation: float = 0.0
    """Degrees, clockwise, by which the file asks to be turned."""
    missing_bytes: int = 0
    """Bytes by which the file ends before the end that its container states."""


class Block(NamedTuple):
    """Consecutive frames of a video, and the intervals that were finished meanwhile."""

    seconds: np.ndarray
    """(F,) float64, since the first frame, never falling."""
    picture_types: np.ndarray
    """(F,) uint8, ASCII: of the source's coding."""
    arrays: dict[str, np.ndarray]
    """`rgb` (F, H, W, 3) uint8, `flow` (F', H, W, 2) float32, `mv` (F'', M, N, 2) float32
    and `mv_valid` (F'',) bool. Over all blocks F' and F'' sum up to T-1; in one block they
    may differ, as `mv` may wait for later frames. The last block may have no frame."""
    damaged: int = 0
    """Packets of the file that did not decode or were incomplete, and frames with errors,
    so far."""
    grey: np.ndarray | None = None
    """(F'+1, H, W) uint8: the frames that `flow` is to be computed from, where that was
    left to the caller (`DeferredFlow`); else None."""
    packets: list[np.ndarray] | None = None
    """F rows of uint8: the frames as packets of H.264, instead of `rgb`, where that was
    asked for (`coded`); else None."""

    @property
    def nbytes(self) -> int:
        """Size of its arrays, grey frames and packets."""
        grey = self.grey.nbytes if self.grey is not None else 0
        packets = sum(packet.nbytes for packet in self.packets or ())
        return grey + packets + sum(array.nbytes for array in self.arrays.values())


class Video(Protocol):
    """Frames in order, from a file (`VideoFile`) or elsewhere."""

    codec: str
    """Name of the codec in FFmpeg."""
    rate: float
    """Average frames per second."""
    damaged: int
    """Packets that did not decode or were incomplete, and frames with errors, so far."""

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel for a height of 1."""

    @property
    def missing_bytes(self) -> int:
        """Bytes by which a file ends too early."""

    def pictures(self) -> Iterator[Picture]:
        """The frames; at least one, or DecodeError."""


class Extraction:
    """A video being extracted. Made by `open_extraction`; iterate once."""

    def __init__(
        self,
        video: Video,
        settings: ExtractSettings,
        solver: Solver | DeferredFlow | None,
        frames: int | None = None,
        *,
        most: int = BLOCK,
        coded: bool = False,
    ) -> None:
        """
        Args:
            video: yields frames; open.
            settings, solver, frames, coded: as in `open_extraction`.
            most: frames in one block, at most; 1 for the least delay.
        """
        self._most = min(most, BLOCK)
        self._coded = coded and settings.rgb_packets
        self._video, self._settings, self._solver = video, settings, solver
        pictures = video.pictures()
        first = next(pictures)  # no frame at all: DecodeError
        source = (first.frame.height, first.frame.width)
        matrix = side_data(first.frame, "DISPLAYMATRIX")
        self._turned = orientation(matrix)
        height, width = stored_size(
            *self._turned.size(*squared(source, video.pixel_aspect, settings)),
            short_side=settings.short_side,
            enlarge=settings.enlarge,
        )
        self.info = VideoInfo(
            height=height,
            width=width,
            fps=settings.frames_per_second or video.rate,
            codec=video.codec,
            source_height=source[0],
            source_width=source[1],
            pixel_aspect=float(video.pixel_aspect),
            rotation=rotation(matrix),
            missing_bytes=video.missing_bytes,
        )
        """The first frame decides about the grid; frames of another size are scaled
        to it."""
        self._pictures: Iterator[Picture] = chain([first], pictures)
        if settings.frames_per_second:
            ticks = Ticks(frames_per_second=self.info.fps, rate=video.rate)
            self._pictures = ticks.shown(self._pictures)
        if frames is not None:
            self._pictures = islice(self._pictures, frames)

    def __iter__(self) -> Iterator[Block]:
        wanted = self._settings.modalities
        height, width = self.info[:2]
        most = self._most
        if "flow" not in wanted and self._settings.pixels:
            most = min(max(CACHED_BYTES // (height * width * 3), 1), most)
        frames = Frames(height, width, self._turned, most=most)
        solver = self._solver if "flow" in wanted else None
        grey = GreyFrames(height, width) if solver is not None else None
        mv = self._vectors() if "mv" in wanted else None
        stream = None
        if self._coded or isinstance(mv, StoredVectors):
            stream = self._stream()
        seconds: list[float] = []
        types: list[int] = []

        def block() -> Block:
            arrays = {}
            if self._settings.pixels:
                rgb = frames.take()
                if "rgb" in wanted and not self._coded:
                    arrays["rgb"] = rgb
            packets = stream.take() if stream is not None else None
            deferred = None
            if grey is not None:
                grey_frames = grey.take()
                if isinstance(solver, DeferredFlow):
                    deferred = grey_frames
                elif solver is not None and len(grey_frames) > 1:
                    arrays["flow"] = solver.flow(grey_frames)
                else:
                    arrays["flow"] = no_flow(height, width)
            if mv is not None:
                arrays["mv"], arrays["mv_valid"] = mv.take()
            times, kinds = np.array(seconds, np.float64), np.array(types, np.uint8)
            seconds.clear()
            types.clear()
            return Block(
                times,
                kinds,
                arrays,
                self._video.damaged,
                deferred,
                packets if self._coded else None,
            )

        for picture in self._pictures:
            seconds.append(picture.seconds)
            types.append(picture.picture_type)
            if self._settings.pixels:
                pixels = frames.send(picture.frame)
                if grey is not None:
                    grey.send(pixels)
                if isinstance(mv, CanonicalVectors):
                    mv.send(pixels)
                if stream is not None:
                    packet = stream.send(pixels)
                    if isinstance(mv, StoredVectors):
                        mv.send(packet)
            if isinstance(mv, OriginalVectors):
                mv.send(picture.frame, picture.vector_status)
            if len(seconds) == frames.most:
                yield block()
        if stream is not None:
            stream.finish()
        if mv is not None:
            mv.finish()
        yield block()

    def _stream(self) -> CodedFrames:
        settings, codec = self._settings, self._settings.rgb_codec
        crf, preset, keyint = settings.mv_crf, settings.mv_preset, settings.mv_keyint
        if settings.rgb_packets and isinstance(codec, H264Rgb):
            crf, preset, keyint = codec.crf, codec.preset, codec.keyint
        return CodedFrames(
            height=self.info.height,
            width=self.info.width,
            crf=crf,
            preset=preset,
            keyint=keyint,
        )

    def _vectors(self) -> CanonicalVectors | StoredVectors | OriginalVectors:
        settings = self._settings
        if settings.mv_source == "stored":
            return StoredVectors(height=self.info.height, width=self.info.width)
        if settings.mv_source == "original":
            return OriginalVectors(
                height=self.info.height, width=self.info.width, turned=self._turned
            )
        return CanonicalVectors(
            height=self.info.height,
            width=self.info.width,
            crf=settings.mv_crf,
            preset=settings.mv_preset,
            keyint=settings.mv_keyint,
        )


@contextmanager
def open_extraction(
    path: Path | str,
    settings: ExtractSettings,
    solver: Solver | DeferredFlow | None = None,
    *,
    frames: int | None = None,
    coded: bool = False,
) -> Iterator[Extraction]:
    """Open a video for one pass.

    >>> with open_extraction(path, ExtractSettings(modalities=("rgb",))) as extraction:
    ...     for block in extraction:
    ...         block.arrays["rgb"]

    Args:
        path: a local file.
        settings: modalities and their settings.
        solver: for flow, or `DeferredFlow()`; needed if that is among the modalities.
        frames: stop behind the first ones, at least 1; None: all.
        coded: give rgb as `Block.packets` where the codec of the settings stores packets.

    Raises:
        VideoError: the video cannot be used; also while iterating.
        OSError: the file cannot be read; not the video's fault.
    """
    if "flow" in settings.modalities and solver is None:
        raise ValueError("flow: expected a solver, got none")
    with open_video(
        path, vectors=settings.original_vectors, pixels=settings.pixels
    ) as video:
        yield Extraction(video, settings, solver, frames, coded=coded)


def squared(
    size: tuple[int, int], pixel_aspect: Fraction, settings: ExtractSettings
) -> tuple[Fraction, Fraction]:
    """Height and width of a frame as coded -> in square pixels, if these are wanted."""
    aspect = pixel_aspect if settings.square_pixels else Fraction(1)
    return Fraction(size[0]), size[1] * aspect


def stored_size(
    height: Size, width: Size, *, short_side: int, enlarge: bool
) -> tuple[int, int]:
    """Height and width of the stored grid of an upright frame.

    The short side becomes `short_side`, or stays as it is (rounded down to even) where it
    is smaller and not to be enlarged; the other keeps the aspect, rounded down to even.

    Args:
        height, width: px, if these are squares.

    Raises:
        DecodeError: the long side would be beyond every format.
    """
    short, long = sorted((height, width))
    if not enlarge:
        short_side = min(short_side, max(int(short) // 2 * 2, SHORTEST_SIDE))
    longer = max(long * short_side // short // 2 * 2, short_side)
    if longer > LONGEST_SIDE:
        raise DecodeError(
            f"expected at most {LONGEST_SIDE} px for the long side at {short_side} px for "
            f"the short one, got {longer}: the frames are {float(width):g}x{float(height):g}"
        )
    return (short_side, longer) if height <= width else (longer, short_side)
