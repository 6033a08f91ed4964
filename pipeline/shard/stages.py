"""Conversion of an opened video to rows: the interface, and the one on a core.

`InPlace` and `pipelined.Batched` give the blocks of the videos that they are asked for, in
order, and ready to be written; which of them it was does not show in the bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.extract.video import Block, VideoInfo
from pipeline.store.encoding import Encoded, Levels

from .isolate import OpenVideo


class CodedBlock(NamedTuple):
    """A block as it is written."""

    seconds: np.ndarray
    picture_types: np.ndarray
    rows: dict[str, Encoded]
    """Rows by modality."""
    damaged: int = 0
    """Packets of the video that did not decode, so far."""


class CodedVideo(NamedTuple):
    """A video on its way into the store; iterate `blocks` once."""

    info: VideoInfo
    blocks: Iterator[CodedBlock]


Size = tuple[int, int]
Values = np.ndarray | Levels
Encode = Callable[[Block, Values | None, Size], CodedBlock]
"""Block, its flow if it has one, height and width -> rows. Called on several threads."""


class Stage(Protocol):
    """Conversion of the videos of a shard to rows."""

    def open(self, path: Path) -> AbstractContextManager[CodedVideo]:
        """The next video of the shard. Some may be left out, none comes twice.

        Raises:
            VideoError: it cannot be used; also while iterating.
        """


class InPlace:
    """Decodes, solves and encodes block by block, on the thread that asks."""

    def __init__(self, open_video: OpenVideo, encode: Encode) -> None:
        self._open_video, self._encode = open_video, encode

    @contextmanager
    def open(self, path: Path) -> Iterator[CodedVideo]:
        """See `Stage.open`."""
        with self._open_video(path) as opened:
            size = opened.info[:2]
            yield CodedVideo(
                opened.info,
                (
                    self._encode(block, block.arrays.get("flow"), size)
                    for block in opened
                ),
            )
