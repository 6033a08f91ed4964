"""A live source over all its connections: reconnection, and time that never decreases."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.extract.blocks import DeferredFlow, Solver
from pipeline.extract.errors import VideoError
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, Extraction, VideoInfo

from ...errors import StreamError
from .address import LiveAddress
from .video import LiveVideo, Patience, open_live

FRAMES_PER_BLOCK = 1
"""Block size with the least delay."""


class Part(NamedTuple):
    """The beginning of a part of a stream that has no gap: one connection."""

    info: VideoInfo
    offset: float
    """Seconds from the first frame of the stream to the first frame of this part."""


class LiveStream:
    """A source that reconnects whenever a connection breaks off.

    Motion and clips never span two connections.
    """

    def __init__(
        self,
        address: LiveAddress,
        patience: Patience,
        *,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """
        Args:
            say: receives a line when the source is connected, when a connection breaks
                off, and when the next one holds.
        """
        self.address, self._patience, self._say = address, patience, say
        self._stop = threading.Event()
        self.reconnects = 0
        self.frames = 0
        """Frames that were yielded, at the frame rate of the settings."""
        self.skipped = 0
        """Packets that were not decoded, to catch up."""
        self.end = ""
        """Reason for which the source ended."""
        self.complete = False
        """Whether the source has said that nothing follows, or was stopped."""
        self._damaged = 0
        self._failed = 0
        """Attempts to connect that failed since the last frame."""

    @property
    def damaged(self) -> int:
        """Packets that did not decode or were incomplete, and frames with errors."""
        return self._damaged

    def stop(self) -> None:
        """End soon; may be called by any thread."""
        self._stop.set()

    def blocks(
        self, settings: ExtractSettings, solver: Solver | DeferredFlow | None = None
    ) -> Iterator[Part | Block]:
        """A `Part`, the blocks of its frames, the next part, and so on to the end.

        Raises:
            StreamError: the first connection fails, or the source has gone.
        """
        patience, waits = self._patience, self._patience.waits()
        began: float | None = None
        last_frame = time.monotonic()
        offset = 0.0
        while not self._stop.is_set():
            frames, seconds = self.frames, 0.0
            try:
                with open_live(
                    self.address,
                    patience,
                    self._stop,
                    vectors=settings.original_vectors,
                    pixels=settings.pixels,
                ) as video:
                    extraction = self._extraction(video, settings, solver)
                    now = time.monotonic()
                    if began is None:
                        began = now
                        self._say(
                            f"{self.address.shown}: connected, {_facts(extraction.info)}"
                        )
                    else:
                        self.reconnects += 1
                        self._say(f"{self.address.shown}: connected again")
                    offset = max(offset, now - began)
                    yield Part(extraction.info, offset)
                    for block in self._counted(extraction, video):
                        if len(block.seconds):
                            seconds = block.seconds[-1] + 1 / extraction.info.fps
                        yield block
                    self.end, self.complete = video.end, video.complete
            except (StreamError, VideoError) as error:
                self.end, self.complete = str(error), False
            offset += seconds
            if self._stop.is_set() or self.complete:
                break
            if self.frames > frames:
                waits, self._failed = patience.waits(), 0
                last_frame = time.monotonic()
            else:
                self._failed += 1
            self._go_on(began is None, last_frame)
            if not self._failed:
                self._say(f"{self.address.shown}: {self.end}; connecting again")
            self._stop.wait(next(waits))
        if self._stop.is_set():
            self.end, self.complete = "stopped", True

    def _extraction(
        self,
        video: LiveVideo,
        settings: ExtractSettings,
        solver: Solver | DeferredFlow | None,
    ) -> Extraction:
        try:
            return Extraction(video, settings, solver, most=FRAMES_PER_BLOCK)
        except VideoError as error:
            raise StreamError(video.end or str(error)) from error

    def _counted(self, extraction: Extraction, video: LiveVideo) -> Iterator[Block]:
        damaged, skipped = self._damaged, self.skipped
        for block in extraction:
            self.frames += len(block.seconds)
            self._damaged = damaged + video.damaged
            self.skipped = skipped + video.skipped
            yield block._replace(damaged=self._damaged)

    def _go_on(self, first: bool, last_frame: float) -> None:
        """Raise where another attempt makes no sense."""
        shown, patience = self.address.shown, self._patience
        if first:
            raise StreamError(f"{shown}: {self.end}")
        silent = time.monotonic() - last_frame
        if silent >= patience.gone:
            times = f" after {self._failed} attempts to connect" if self._failed else ""
            raise StreamError(
                f"{shown}: gone: {self.end}; no frame for {silent:.0f} s{times}"
            )


def _facts(info: VideoInfo) -> str:
    rate = f"{info.fps:.4g} frames per second"
    return f"{info.codec}, {rate}, seen at {info.width}x{info.height}"
