"""`Recognizer`: a model that takes videos."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.extract.blocks import Solver
from pipeline.extract.errors import VideoError
from pipeline.extract.video import Extraction, VideoInfo, open_extraction

from ..errors import DataError
from .answers import Prediction, VideoSummary, Window
from .extraction_settings import MvSource, settings_of, solver_of
from .given_frames import Given
from .live.address import live_address
from .live.stream import LiveStream
from .live.video import Patience
from .live.windows import BEHIND, BlockSource, GivenSource, LiveWindows
from .model import Model, Runtime, load_model
from .tally import Tally
from .timeline import WindowScorer, segments_of
from .video_scores import VideoScorer

MEMORY_BYTES = 128 << 20
"""Memory of the entries of one network that wait until a video's length is known; longer
videos are counted first."""


class Recognizer:
    """A model that says which action a video shows.

    >>> recognize = Recognizer("runs/ucf101-grid_small-split1-seed0")
    >>> recognize("juggling.mp4").top(3)
    (Ranked(label='JugglingBalls', score=0.91...), ...)

    Frames, flow and vectors are those that `pipeline extract` stores with the settings of
    the model's training, and clips and averages those of `training evaluate`.
    """

    def __init__(
        self,
        model: Path | str,
        *,
        runtime: Runtime = "auto",
        device: str = "auto",
        threads: int | None = None,
        mv_source: MvSource = "contract",
        vectors_drawn: bool = False,
        force: bool = False,
        flow_backend: str = "auto",
    ) -> None:
        """
        Args:
            model: folder of a complete run or of an exported model.
            runtime, device, threads: see `load_model`.
            mv_source: motion vectors of the file itself ("original"), of our own encoding
                of its frames ("canonical"), or as in training ("contract").
            vectors_drawn: whether the caller draws them, so that a model that sees none may
                be given a source.
            force: also answer where too few motion vectors are known.
            flow_backend: of networks that see flow; see `pipeline.flow.solver`.

        Raises:
            RunError: it is no model, or damaged.
            MachineError: a runtime or device that is not there.
            DataError: the settings of the model do not allow that source of vectors, or it
                sees none, or was trained on imported frames.
        """
        self._model = load_model(
            Path(model), runtime=runtime, device=device, threads=threads
        )
        self.settings = settings_of(self._model, mv_source, drawn=vectors_drawn)
        self._force = force
        self._solver = solver_of(self.settings, flow_backend)

    @property
    def model(self) -> Model:
        """The model's networks, contract and settings."""
        return self._model

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the scores."""
        return self._model.classes

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model.contract.name

    @property
    def trained(self) -> str | None:
        """SHA-256 of what the model has learned: models of one name differ in it."""
        return self._model.contract.trained

    @property
    def mv_source(self) -> str | None:
        """Source of the motion vectors that the model sees; None where it sees none."""
        return self.settings.mv_source if "mv" in self.settings.modalities else None

    def __call__(
        self, path: Path | str, *, progress: Callable[[float], None] | None = None
    ) -> Prediction:
        """Recognise a whole video by the protocol of the model's evaluation.

        Args:
            progress: receives the seconds of the video that were seen, now and then.

        Raises:
            VideoError: it cannot be used, or is too short for motion.
            OSError: it cannot be read.
            DataError: too few of its motion vectors are known.
        """
        found = self._whole(path, progress, frames=None)
        if found is None:
            found = self._whole(path, progress, frames=self._count(path))
            assert found is not None  # as the number of frames is known
        scores, video = found
        return Prediction(
            source=str(path),
            model=self.name,
            classes=self.classes,
            trained=self.trained,
            scores=scores,
            video=video,
        )

    def windows(
        self,
        path: Path | str,
        *,
        hop: int | None = None,
        smooth: float | None = None,
        min_score: float = 0.0,
        progress: Callable[[float], None] | None = None,
    ) -> Prediction:
        """Recognise overlapping windows of a video, and join them to segments.

        Args:
            hop: frames from one window to the next; None: half a window.
            smooth: seconds over which the scores of windows are averaged before they are
                joined; None: a window's length.
            min_score: least mean probability of a segment.
            progress: see calling it.

        Returns:
            A prediction whose `scores` are the mean over the windows.

        Raises:
            As calling it.
        """
        windows: list[Window] = []
        with self.extraction(path) as extraction:
            scorer = self.window_scorer(extraction.info, hop=hop)
            tally = Tally(progress)
            for block in extraction:
                tally.send(block)
                scorer.send(block)
                windows += scorer.windows()
            video = tally.summary(extraction, self.mv_source)
            self._check(path, video, enough=bool(windows or _ready(scorer)))
            windows += scorer.finish()
        if smooth is None:
            smooth = scorer.span / video.fps
        return Prediction(
            source=str(path),
            model=self.name,
            classes=self.classes,
            trained=self.trained,
            scores=np.mean([window.scores for window in windows], axis=0),
            video=video,
            windows=tuple(windows),
            segments=segments_of(
                windows, self.classes, smooth=smooth, min_score=min_score
            ),
        )

    @contextmanager
    def extraction(self, path: Path | str) -> Iterator[Extraction]:
        """Open a file for one pass over the modalities that the model sees."""
        with (
            _named(path),
            open_extraction(path, self.settings, self._solver) as extraction,
        ):
            yield extraction

    def stream(
        self,
        source: str | Iterable[Given],
        *,
        hop: int | None = None,
        latest: bool | None = None,
        seconds: float | None = None,
        patience: Patience | None = None,
        fps: float = 25.0,
        say: Callable[[str], None] = lambda line: None,
    ) -> LiveWindows:
        """Recognise windows of a stream without end, as they come.

        >>> with recognize.stream("rtsp://camera/door") as windows:
        ...     for window in windows:
        ...         print(window.start, ranked(window.scores, recognize.classes, 1))

        Args:
            source: "camera:0", an address (rtsp, udp, http, https), "-" for standard
                input; or frames, (H, W, 3) uint8 RGB or of PyAV; or packets of PyAV.
            hop: frames from one window to the next; None: half a window.
            latest: score the newest window only where they come too fast, and count the
                others as dropped; None: for cameras, RTSP and UDP.
            seconds: stop after this time.
            patience: limits of time, and of attempts to connect again.
            fps: frames per second of frames that are handed over without time stamps.
            say: receives a line when the source is connected, when a connection breaks
                off, and when the next one holds.

        Raises:
            StreamError: no address of a live source.
        """
        stream: BlockSource
        if isinstance(source, str):
            address = live_address(source)
            if latest is None:
                latest = address.real_time
            patience = patience or Patience()
            if latest and patience.behind is None:
                patience = replace(patience, behind=BEHIND)
            stream, shown = LiveStream(address, patience, say=say), address.shown
        else:
            stream, shown = GivenSource(source, fps=fps), "frames"
        return LiveWindows(
            self,
            stream,
            shown=shown,
            hop=hop,
            latest=bool(latest),
            seconds=seconds,
        )

    @property
    def solver(self) -> Solver | None:
        """The solver of optical flow, of models that see it."""
        return self._solver

    def window_scorer(
        self, info: VideoInfo, *, hop: int | None = None, offset: float = 0.0
    ) -> WindowScorer:
        """A scorer of windows for the blocks of an extraction; see `WindowScorer`."""
        return WindowScorer(
            self._model.streams,
            self._model.combination,
            height=info.height,
            width=info.width,
            fps=info.fps,
            hop=hop,
            offset=offset,
        )

    def _whole(
        self,
        path: Path | str,
        progress: Callable[[float], None] | None,
        *,
        frames: int | None,
    ) -> tuple[np.ndarray, VideoSummary] | None:
        """Probabilities of a whole video; None where its frames have to be counted first."""
        with self.extraction(path) as extraction:
            info, tally = extraction.info, Tally(progress)
            buffers = [
                stream.buffer(height=info.height, width=info.width)
                for stream in self._model.streams
            ]
            scorers = [
                VideoScorer(stream, buffer, frames=frames, memory_bytes=MEMORY_BYTES)
                for stream, buffer in zip(self._model.streams, buffers, strict=True)
            ]
            for block in extraction:
                tally.send(block)
                for buffer, scorer in zip(buffers, scorers, strict=True):
                    buffer.send(block.arrays)
                    if not scorer.advance():
                        return None
            video = tally.summary(extraction, self.mv_source)
            self._check(path, video, enough=all(buffer.count for buffer in buffers))
            found = [scorer.finish() for scorer in scorers]
        return self._model.combination(found)[0], video

    def _count(self, path: Path | str) -> int:
        """Number of frames of a video, at the contract's rate."""
        rgb = replace(self.settings, modalities=("rgb",), mv_source="canonical")
        quick = replace(self.settings, modalities=("mv",), mv_source="original")
        settings = rgb if self.settings.frames_per_second else quick
        with open_extraction(path, settings) as extraction:
            return sum(len(block.seconds) for block in extraction)

    def _check(self, path: Path | str, video: VideoSummary, *, enough: bool) -> None:
        if not enough:
            raise VideoError(
                f"{path}: expected at least 2 frames, as motion is between frames, got"
                f" {video.frames}"
            )
        if video.known_share is not None:
            self.check_known(path, video.known_share)

    def check_known(self, source: Path | str, share: float) -> None:
        """Check that a share of known motion vectors is enough to answer.

        Raises:
            DataError: it is less than the contract asks for, and `force` is not set.
        """
        least = self._model.contract.min_known_share
        if share < least and not self._force:
            used = self.settings.mv_source
            instead = "--mv-source canonical, or " if used == "original" else ""
            raise DataError(
                f"{source}: expected known motion vectors in at least {100 * least:.4g} %"
                f" of the intervals, got {100 * share:.4g} % ({used} vectors): use"
                f" {instead}--force to answer nevertheless"
            )


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Name the file in errors about a video."""
    try:
        yield
    except VideoError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise type(error)(f"{path}: {error}") from error


def _ready(scorer: WindowScorer) -> bool:
    return all(buffer.count for buffer in scorer.buffers)
