"""A model and a live source -> windows as they end."""

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, Self

from pipeline.extract.blocks import DeferredFlow, Solver
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Block, Extraction, VideoInfo

from ..answers import LiveSummary, Window
from ..given_frames import Given, given_video
from ..timeline import WindowScorer
from .reader import Reader
from .stream import FRAMES_PER_BLOCK, Part

QUEUE_BYTES = 64 << 20
"""Most bytes of blocks that wait for the network."""
BEHIND = 2.0
"""Seconds behind a source beyond which frames are skipped where only the latest count."""
CHECKED_INTERVALS = 250
"""Intervals after which the share of known motion vectors is judged."""


class BlockSource(Protocol):
    """A stream of blocks, in parts without gaps."""

    frames: int
    skipped: int
    reconnects: int
    end: str

    @property
    def damaged(self) -> int: ...

    def stop(self) -> None: ...

    def blocks(
        self, settings: ExtractSettings, solver: Solver | DeferredFlow | None = None
    ) -> Iterator[Part | Block]: ...


class WindowModel(Protocol):
    """A model as a live source needs it: that of `Recognizer`."""

    settings: ExtractSettings

    @property
    def solver(self) -> Solver | None:
        """The solver of optical flow, of models that see it."""

    def window_scorer(
        self, info: VideoInfo, *, hop: int | None = None, offset: float = 0.0
    ) -> WindowScorer:
        """A scorer of windows for the blocks of an extraction."""

    def check_known(self, source: Path | str, share: float) -> None:
        """Check that a share of known motion vectors is enough to answer."""


class LiveWindows:
    """The windows of a live source. Made by `Recognizer.stream`; iterate once.

    Memory holds the entries of a window or two and a bounded queue, however long it goes.
    """

    def __init__(
        self,
        model: WindowModel,
        source: BlockSource,
        *,
        shown: str,
        hop: int | None,
        latest: bool,
        seconds: float | None,
    ) -> None:
        self.source = shown
        """The source, without a password."""
        self._model, self._stream = model, source
        self._hop, self._latest, self._limit = hop, latest, seconds
        self._scorer: WindowScorer | None = None
        self._began = time.monotonic()
        self._windows = self._dropped = self._known = self._intervals = 0
        self._checked = self._stopped = self._finished = False
        self._reader: Reader[Part | Block] | None = None
        self._delays = Delays()
        self.window_seconds = 0.0
        """Length of a window, once the source is connected."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End soon; may be called by any thread and by a signal's handler."""
        self._stopped = not self._finished
        self._stream.stop()
        if self._reader is not None:
            self._reader.hurry()

    def __iter__(self) -> Iterator[Window]:
        """
        Yields:
            Windows in order of time; none spans a gap of the stream.

        Raises:
            StreamError: the source cannot be reached, is silent, or has gone.
            DataError: too few of its motion vectors are known.
        """
        self._began = time.monotonic()
        timer = None
        if self._limit is not None:
            timer = threading.Timer(self._limit, self.stop)
            timer.daemon = True
            timer.start()
        reader = self._reader = Reader(
            self._stream.blocks(self._model.settings, self._model.solver),
            size=_size,
            most_bytes=QUEUE_BYTES,
            stop=self._stream.stop,
        )
        try:
            while arrivals := reader.take(all_of_them=self._latest):
                if self._stopped:
                    break
                for arrival in arrivals:
                    if isinstance(arrival.item, Part):
                        yield from self._end_part()
                        self._begin_part(arrival.item)
                    else:
                        self._send(arrival.item)
                yield from self._found(arrivals[-1].when)
            yield from self._end_part()
            self._finished = not self._stopped
        finally:
            if timer is not None:
                timer.cancel()
            reader.close()

    def summary(self) -> LiveSummary:
        """Facts so far."""
        stream, scorer = self._stream, self._scorer
        return LiveSummary(
            windows=self._windows,
            dropped=self._dropped + (scorer.dropped if scorer else 0),
            frames=stream.frames,
            skipped=stream.skipped,
            seconds=time.monotonic() - self._began,
            reconnects=stream.reconnects,
            damaged=stream.damaged,
            known_share=self._known / self._intervals if self._intervals else None,
            delay=self._delays.mean,
            longest_delay=self._delays.longest,
            end="stopped" if self._stopped else stream.end,
        )

    def _begin_part(self, part: Part) -> None:
        self._scorer = self._model.window_scorer(
            part.info, hop=self._hop, offset=part.offset
        )
        self.window_seconds = self._scorer.span / part.info.fps

    def _end_part(self) -> Iterator[Window]:
        """Score what a part has left, where it was long enough for a window."""
        scorer, self._scorer = self._scorer, None
        if scorer is None:
            return
        self._dropped += scorer.dropped
        available = min(buffer.count for buffer in scorer.buffers)
        if available >= scorer.span or (available and not self._windows):
            found = scorer.finish()
            self._windows += len(found)
            yield from found

    def _send(self, block: Block) -> None:
        assert self._scorer is not None
        self._scorer.send(block)
        valid = block.arrays.get("mv_valid")
        if valid is not None:
            self._known += int(valid.sum())
            self._intervals += len(valid)

    def _found(self, when: float) -> Iterator[Window]:
        """Score the windows that are complete."""
        if self._scorer is None:
            return
        if not self._checked and self._intervals >= CHECKED_INTERVALS:
            self._checked = True
            self._model.check_known(self.source, self._known / self._intervals)
        found = self._scorer.windows(latest=self._latest)
        if found:
            self._delays.add(time.monotonic() - when)
        self._windows += len(found)
        yield from found


class Delays:
    """Mean and maximum of delays."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self.longest: float | None = None

    def add(self, seconds: float) -> None:
        self._sum += seconds
        self._count += 1
        self.longest = max(self.longest or 0.0, seconds)

    @property
    def mean(self) -> float | None:
        return self._sum / self._count if self._count else None


class GivenSource:
    """A video that a caller hands over, as a stream of one part."""

    reconnects = skipped = 0

    def __init__(self, given: Iterable[Given], *, fps: float) -> None:
        self._given, self._fps = given, fps
        self._stopped = threading.Event()
        self.frames = self.damaged = 0
        self.end = ""

    def stop(self) -> None:
        self._stopped.set()

    def blocks(
        self, settings: ExtractSettings, solver: Solver | DeferredFlow | None = None
    ) -> Iterator[Part | Block]:
        """The part, and its blocks."""
        video = given_video(self._given, settings, fps=self._fps)
        extraction = Extraction(video, settings, solver, most=FRAMES_PER_BLOCK)
        yield Part(extraction.info, 0.0)
        for block in extraction:
            self.frames += len(block.seconds)
            self.damaged = block.damaged
            yield block
            if self._stopped.is_set():
                self.end = "stopped"
                return
        self.end = "the stream ended"


def _size(item: Part | Block) -> int:
    return item.nbytes if isinstance(item, Block) else 0
