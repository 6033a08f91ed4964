"""Motion of one file, without a store: as arrays (`read_vectors`, `read_flow`) or block by
block, for videos of any length (`vector_blocks`, `flow_blocks`)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .errors import NoVectors, VideoError
from .opening import probe
from .settings import ExtractSettings
from .video import LONGEST_SIDE, Block, Extraction, VideoInfo, open_extraction

OWN_SIZE = LONGEST_SIDE
"""px, a short side to which no frame is reduced."""

Progress = Callable[[int, int], None]
"""Called with the frames that are done and how many there are, as the header says."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileFrames:
    """Frames of one file, T of them."""

    seconds: np.ndarray
    """(T,) float64, of each frame since the first."""
    picture_types: np.ndarray
    """(T,) uint8, ASCII: I, P, B, S or ? in the file's coding."""
    info: VideoInfo
    """Size of the grid, frame rate, codec."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors(FileFrames):
    """Motion vectors of one file."""

    mv: np.ndarray
    """(T-1, M, N, 2) float32: px from frame k to k+1, right and down, of cells of 8x8 px."""
    mv_valid: np.ndarray
    """(T-1,) bool: the vectors of the interval are known to be from frame k to k+1."""
    source: str
    """original: the file's own; canonical: those of our own encoding of its frames."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow(FileFrames):
    """TV-L1 optical flow of one file."""

    flow: np.ndarray
    """(T-1, H, W, 2) float32: px from frame k to k+1, right and down."""
    profile: str
    """Profile of TV-L1, a key of `pipeline.flow.profiles.PROFILES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBlocks:
    """Motion of one file that is being read; iterate once."""

    info: VideoInfo
    field: Literal["mv", "flow"]
    """The array of the blocks that has the motion."""
    made_by: str
    """`source` of vectors, `profile` of flow."""
    blocks: Iterator[Block]

    def __iter__(self) -> Iterator[Block]:
        return self.blocks


def read_vectors(
    path: Path | str,
    *,
    source: Literal["original", "canonical"] = "original",
    short_side: int | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
) -> Vectors:
    """Read the motion vectors of a video file.

    >>> vectors = read_vectors("clip.mp4")
    >>> vectors.mv[vectors.mv_valid].mean(axis=(1, 2))  # px right and down per frame

    They are those that `pipeline extract` stores with the same settings.

    Args:
        path: a local file.
        source: "original", the vectors with which the file was coded, or "canonical",
            those of our own H.264 encoding of its frames, alike for every codec.
        short_side: px of the grid's shorter side, even, where frames are larger; None:
            the frames' own size.
        frames: number of frames to read from the start, at least 1; None: all.
        progress: told how far it is, after every few frames.

    Raises:
        NotAVideo: no video stream in the file that can be decoded.
        DecodeError: no frame came out.
        NoVectors: none of the file's frames has vectors of its own, as in MJPEG.
        ValueError: settings that make no sense.
        OSError: the file cannot be read.
    """
    with vector_blocks(
        path, source=source, short_side=short_side, frames=frames, progress=progress
    ) as motion:
        blocks = list(motion)
    return Vectors(
        **_frames(blocks),
        info=motion.info,
        mv=_joined(blocks, "mv"),
        mv_valid=_joined(blocks, "mv_valid"),
        source=source,
    )


@contextmanager
def vector_blocks(
    path: Path | str,
    *,
    source: Literal["original", "canonical"] = "original",
    short_side: int | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
) -> Iterator[MotionBlocks]:
    """Motion vectors of a video file, block by block; arguments and errors of
    `read_vectors`."""
    settings = ExtractSettings(
        modalities=("mv",), mv_source=source, short_side=_side(short_side)
    )
    with _named(path), open_extraction(path, settings, frames=frames) as extraction:
        info = extraction.info
        yield MotionBlocks(
            info=info,
            field="mv",
            made_by=source,
            blocks=_with_vectors(
                _blocks(path, extraction, frames, progress), info.codec
            ),
        )


def read_flow(
    path: Path | str,
    *,
    profile: str = "default",
    backend: str = "auto",
    short_side: int | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
) -> Flow:
    """Compute the TV-L1 optical flow of a video file.

    It is the flow that `pipeline extract` computes with the same settings, before it is
    rounded for the store. Memory: 8 bytes per pixel and frame; `flow_blocks` gives the same
    block by block.

    Args:
        path: a local file.
        profile: "default", "fast" or "opencv".
        backend: "auto", "cpu", "opencv" or "cuda"; see `pipeline.flow.solver`.
        short_side: px of the frames' shorter side, even, where they are larger; None: the
            frames' own size.
        frames: number of frames to read from the start, at least 1; None: all.
        progress: told how far it is, after every few frames.

    Raises:
        NotAVideo: no video stream in the file that can be decoded.
        DecodeError: no frame came out.
        FlowError: no such profile or back end, or it is not available here.
        ValueError: settings that make no sense.
        OSError: the file cannot be read.
    """
    with flow_blocks(
        path,
        profile=profile,
        backend=backend,
        short_side=short_side,
        frames=frames,
        progress=progress,
    ) as motion:
        blocks = list(motion)
    return Flow(
        **_frames(blocks),
        info=motion.info,
        flow=_joined(blocks, "flow"),
        profile=profile,
    )


@contextmanager
def flow_blocks(
    path: Path | str,
    *,
    profile: str = "default",
    backend: str = "auto",
    short_side: int | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
) -> Iterator[MotionBlocks]:
    """TV-L1 optical flow of a video file, block by block; arguments and errors of
    `read_flow`."""
    from pipeline.flow.solver import flow_solver  # numba takes half a second to import

    settings = ExtractSettings(
        modalities=("flow",), flow_profile=profile, short_side=_side(short_side)
    )
    solver = flow_solver(backend, profile=profile)
    with (
        _named(path),
        open_extraction(path, settings, solver, frames=frames) as extraction,
    ):
        yield MotionBlocks(
            info=extraction.info,
            field="flow",
            made_by=profile,
            blocks=_blocks(path, extraction, frames, progress),
        )


def _with_vectors(blocks: Iterator[Block], codec: str) -> Iterator[Block]:
    """The same blocks.

    Raises:
        NoVectors: at the end, if none of them has vectors.
    """
    intervals, some = 0, False
    for block in blocks:
        mv, valid = block.arrays["mv"], block.arrays["mv_valid"]
        intervals += len(mv)
        some = some or bool(valid.any() or mv.any())
        yield block
    if intervals and not some:
        raise NoVectors(
            f"expected motion vectors in the file, got none (codec {codec}): "
            "--source canonical (in Python source='canonical') computes them for "
            "every codec"
        )


def _side(short_side: int | None) -> int:
    return OWN_SIZE if short_side is None else short_side


def _blocks(
    path: Path | str,
    extraction: Extraction,
    frames: int | None,
    progress: Progress | None,
) -> Iterator[Block]:
    """The blocks of a video; `progress` is told of each."""
    done, total = 0, probe(path).frames_estimate if progress else 0
    for block in extraction:
        done += len(block.seconds)
        if progress:
            progress(done, max(done, min(total, frames or total)))
        yield block


def _frames(blocks: list[Block]) -> dict[str, np.ndarray]:
    return {
        "seconds": np.concatenate([block.seconds for block in blocks]),
        "picture_types": np.concatenate([block.picture_types for block in blocks]),
    }


def _joined(blocks: list[Block], name: str) -> np.ndarray:
    return np.concatenate([block.arrays[name] for block in blocks])


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Name the file in errors about a video."""
    try:
        yield
    except VideoError as error:
        raise type(error)(f"{path}: {error}") from error
