"""Blocks of a video -> windows of time with their scores -> segments.

Everything works on streams without end: memory holds the entries of a window or two.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.extract.video import Block

from .answers import Segment, Window, ranked
from .fused import Combination
from .stream_scores import StreamNetwork


class WindowScorer:
    """Scores of overlapping windows of a video that comes block by block.

    A window begins every `hop` entries and has the span of the longest clip; shorter clips
    lie in its middle. The last window of a video ends with it.
    """

    def __init__(
        self,
        streams: Sequence[StreamNetwork],
        combination: Combination,
        *,
        height: int,
        width: int,
        fps: float,
        hop: int | None = None,
        offset: float = 0.0,
    ) -> None:
        """
        Args:
            height, width, fps: of the video's frames as they are extracted.
            hop: entries from one window to the next; None: half a window.
            offset: seconds at which the video begins, as a stream does behind a gap.
        """
        self.streams, self._combination = tuple(streams), combination
        self.buffers = tuple(
            each.buffer(height=height, width=width) for each in streams
        )
        self.span = max(each.clip.span for each in streams)
        self.hop = hop or max(self.span // 2, 1)
        self._fps, self._offset = fps, offset
        self._next = 0
        """First entry of the next window."""
        self._scored = False
        self._seconds: deque[float] = deque()
        self._first = 0
        """Entry of the first of `_seconds`."""
        self.dropped = 0

    def send(self, block: Block) -> None:
        """Append the entries of a block."""
        self._seconds.extend(block.seconds.tolist())
        for buffer in self.buffers:
            buffer.send(block.arrays)

    def windows(self, *, latest: bool = False) -> list[Window]:
        """Score the windows that the entries so far complete.

        Args:
            latest: score the newest of them only, and count the others as dropped.
        """
        starts = []
        while self._next + self.span <= self._available:
            starts.append(self._next)
            self._next += self.hop
        if latest and len(starts) > 1:
            self.dropped += len(starts) - 1
            starts = starts[-1:]
        found = self._scores(starts)
        self._forget(self._next)
        return found

    def finish(self) -> list[Window]:
        """Score the rest of a video, which has ended."""
        found = self.windows()
        available = self._available
        last = max(available - self.span, 0)
        covered = self._next - self.hop + self.span if self._scored else 0
        if available > 0 and covered < available:
            found += self._scores([last])
        return found

    @property
    def _available(self) -> int:
        return min(buffer.count for buffer in self.buffers)

    def _scores(self, starts: Sequence[int]) -> list[Window]:
        if not starts:
            return []
        found = []
        for stream, buffer in zip(self.streams, self.buffers, strict=True):
            inner = (self.span - stream.clip.span) // 2
            clips = [stream.inputs(buffer, start + inner) for start in starts]
            found.append(stream.scores(clips))
        scores = self._combination(found)
        self._scored = True
        return [
            Window(
                start=self._time(start), end=self._time(start + self.span), scores=row
            )
            for start, row in zip(starts, scores, strict=True)
        ]

    def _time(self, entry: int) -> float:
        """Seconds at which an entry begins, or the last one ends."""
        place = entry - self._first
        if place < len(self._seconds):
            return self._seconds[place] + self._offset
        return self._seconds[-1] + 1 / self._fps + self._offset

    def _forget(self, before: int) -> None:
        # The last window of a video reaches back, from wherever it may end.
        keep = max(min(before, self._available) - self.span, 0)
        for buffer in self.buffers:
            buffer.forget(keep)
        while self._first < keep and len(self._seconds) > 1:
            self._seconds.popleft()
            self._first += 1


class Segments:
    """Windows in order -> smoothed -> segments, as soon as they are certain."""

    def __init__(
        self, classes: tuple[str, ...], *, smooth: float, min_score: float = 0.0
    ) -> None:
        """
        Args:
            smooth: seconds; the scores of a window become the mean of those whose middles
                are at most half of it away.
            min_score: least mean probability of a segment.
        """
        self._classes, self._half, self._least = classes, smooth / 2, min_score
        self._windows: deque[Window] = deque()
        self._place = 0
        """The first of `_windows` that is not smoothed yet."""
        self._current: _Growing | None = None

    def send(self, window: Window) -> list[Segment]:
        """Append a window; the segments that have ended meanwhile."""
        self._windows.append(window)
        return self._settled(_middle(window) - self._half)

    def finish(self) -> list[Segment]:
        """The rest of the segments."""
        found = self._settled(float("inf"))
        if self._current is not None:
            found += self._closed(self._current.end)
        self._windows.clear()
        self._place = 0
        return found

    def _settled(self, before: float) -> list[Segment]:
        """Smooth the windows whose neighbours are all there."""
        found: list[Segment] = []
        windows = self._windows
        while self._place < len(windows) and _middle(windows[self._place]) < before:
            window = windows[self._place]
            middle = _middle(window)
            while _middle(windows[0]) < middle - self._half:
                windows.popleft()
                self._place -= 1
            near = [
                each.scores
                for each in windows
                if abs(_middle(each) - middle) <= self._half
            ]
            mean: np.ndarray = np.mean(near, axis=0)
            found += self._joined(window, mean)
            self._place += 1
        return found

    def _joined(self, window: Window, scores: np.ndarray) -> list[Segment]:
        label, score = ranked(scores, self._classes, 1)[0]
        current = self._current
        if (
            current is not None
            and current.label == label
            and window.start <= current.end
        ):
            current.extend(window, score)
            return []
        found = []
        start = window.start
        if current is not None:
            if window.start < current.end:  # windows overlap: half way between
                start = (current.middle + _middle(window)) / 2
                found = self._closed(start)
            else:
                found = self._closed(current.end)
        self._current = _Growing(label, start, window, score)
        return found

    def _closed(self, end: float) -> list[Segment]:
        current, self._current = self._current, None
        assert current is not None
        if current.mean < self._least:
            return []
        return [
            Segment(
                start=current.start, end=end, label=current.label, score=current.mean
            )
        ]


class _Growing:
    """A segment whose end is not known."""

    def __init__(self, label: str, start: float, window: Window, score: float) -> None:
        self.label, self.start = label, start
        self.end, self.middle = window.end, _middle(window)
        self._sum, self._count = score, 1

    def extend(self, window: Window, score: float) -> None:
        self.end, self.middle = window.end, _middle(window)
        self._sum += score
        self._count += 1

    @property
    def mean(self) -> float:
        return self._sum / self._count


def segments_of(
    windows: Sequence[Window],
    classes: tuple[str, ...],
    *,
    smooth: float,
    min_score: float = 0.0,
) -> tuple[Segment, ...]:
    """Segments of a whole video; see `Segments`."""

    def found() -> Iterator[Segment]:
        joiner = Segments(classes, smooth=smooth, min_score=min_score)
        for window in windows:
            yield from joiner.send(window)
        yield from joiner.finish()

    return tuple(found())


def _middle(window: Window) -> float:
    return (window.start + window.end) / 2
