"""A video with its classes, scores and motion vectors drawn into the frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from pipeline.extract.mp4 import open_mp4
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import LONGEST_SIDE, Block, open_extraction
from pipeline.store import replacing

from ..answers import Prediction, Ranked, Window, ranked
from .drawing import Overlay
from .targets import blamed, video_of

WAITING_BYTES, WAITING_FRAMES = 64_000_000, 64
"""Limits for the frames that wait for their vectors. Beyond, they are drawn without."""

KEYINT = 250
"""Frames from one without vectors to the next, of the canonical encoding: arrows that vanish
twice a second would flicker."""

VectorSource = Literal["canonical", "original"]


class Drawable(NamedTuple):
    """A frame, and the motion that leads to it."""

    rgb: np.ndarray
    """(H, W, 3) uint8."""
    seconds: float
    vectors: np.ndarray | None
    """(M, N, 2) float32 px since the frame before; None where they are not known."""


def annotate(
    prediction: Prediction,
    path: Path,
    *,
    top: int = 3,
    mv_source: VectorSource = "canonical",
) -> None:
    """Write the video as H.264 in MP4 with its answer drawn into each frame.

    Frames have their size in the file, even and upright, with square pixels, and their
    times; small ones are enlarged by a whole number. Each shows the scores of the window
    whose middle is nearest among those that cover it, and those of the whole video where
    none does. There is no sound.

    Args:
        path: written whole or not at all.
        top: number of bars.
        mv_source: vectors that are drawn, as of `ExtractSettings`.

    Raises:
        RunError: the source is a stream.
        VideoError: it cannot be used.
        WriteError: `path` cannot be written.
    """
    source = video_of(prediction)
    settings = ExtractSettings(
        modalities=("rgb", "mv"),
        short_side=LONGEST_SIDE,
        mv_source=mv_source,
        mv_keyint=KEYINT,
    )
    answers = Answers(prediction, top=top)
    with open_extraction(source, settings) as extraction:
        info = extraction.info
        overlay = Overlay(height=info.height, width=info.width)
        frames = with_vectors(extraction, frame_bytes=info.height * info.width * 3)
        first = next(frames)  # before there is a file: the video may not decode
        try:
            with (
                replacing(path, durable=False) as file,
                open_mp4(
                    file,
                    height=overlay.height,
                    width=overlay.width,
                    fps=info.fps,
                    timed=True,
                ) as mp4,
            ):
                for frame in chain([first], frames):
                    best = answers.at(frame.seconds)
                    drawn = overlay.draw(frame.rgb, best, frame.vectors)
                    mp4.add(drawn, frame.seconds)
        except OSError as error:
            raise blamed(path, error) from error


class Answers:
    """The best classes at a time of a video; times are asked for in order."""

    def __init__(self, prediction: Prediction, *, top: int) -> None:
        self._classes, self._top = prediction.classes, top
        self._whole = prediction.top(top)
        self._ahead = deque(prediction.windows)
        self._around: deque[Window] = deque()
        self._shown: tuple[Window, tuple[Ranked, ...]] | None = None

    def at(self, seconds: float) -> tuple[Ranked, ...]:
        """The best classes, best first."""
        while self._ahead and self._ahead[0].start <= seconds:
            self._around.append(self._ahead.popleft())
        while self._around and self._around[0].end <= seconds:
            self._around.popleft()
        covering = [window for window in self._around if seconds < window.end]
        if not covering:
            return self._whole
        nearest = min(
            covering, key=lambda each: abs(each.start + each.end - 2 * seconds)
        )
        if self._shown is None or self._shown[0] is not nearest:
            best = ranked(nearest.scores, self._classes, self._top)
            self._shown = nearest, best
        return self._shown[1]


def with_vectors(blocks: Iterable[Block], *, frame_bytes: int) -> Iterator[Drawable]:
    """The frames of an extraction of rgb and mv, each with the interval that ends with it.

    Args:
        frame_bytes: size of a frame, for the limit of those that wait.
    """
    most = min(max(WAITING_BYTES // frame_bytes, 1), WAITING_FRAMES)
    frames: deque[tuple[np.ndarray, float]] = deque()
    intervals: deque[np.ndarray | None] = deque([None])  # none leads to the first frame
    late = 0
    """Intervals to come whose frames are gone."""

    def take(vectors: np.ndarray | None) -> Drawable:
        rgb, seconds = frames.popleft()
        return Drawable(rgb, seconds, vectors)

    for block in blocks:
        frames.extend(zip(block.arrays["rgb"], block.seconds.tolist(), strict=True))
        for mv, known in zip(block.arrays["mv"], block.arrays["mv_valid"], strict=True):
            if late:
                late -= 1
            else:
                intervals.append(mv if known else None)
        while frames and intervals:
            yield take(intervals.popleft())
        while len(frames) > most:
            late += 1
            yield take(None)
    while frames:
        yield take(None)
