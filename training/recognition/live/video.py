"""One connection to a live source, with the interface of a video file that is open."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.extract.decode import VideoFile
from pipeline.extract.distances import VectorStatus
from pipeline.extract.errors import NotAVideo
from pipeline.extract.opening import ready_stream
from pipeline.extract.references import References

from ...errors import StreamError
from .address import LiveAddress
from .delay import Delay
from .inputs import Input, PipeInput, UdpInput, Watch

STDIN = 0
"""File descriptor."""
EARLY_MARKS = 2
"""Packets by which FFmpeg's demultiplexers mark a loss too early."""
INTERRUPTED = "Immediate exit requested"
"""FFmpeg's message at its time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of time of a live source, in seconds."""

    open: float = 10.0
    """Until the first frame of a connection."""
    read: float = 10.0
    """Between two frames."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    """Before a connection is tried again; doubled each time."""
    gone: float = 300.0
    """Without a frame, until the source counts as gone; 0: no second connection."""
    behind: float | None = None
    """Delay behind the source beyond which frames are skipped up to the next key frame;
    None: none are skipped."""

    def waits(self) -> Iterator[float]:
        """The time before each attempt to connect again."""
        wait = self.first_wait
        while True:
            yield min(wait, self.longest_wait)
            wait = min(wait * 2, self.longest_wait)


class LiveVideo(VideoFile):
    """The frames of one connection. Made by `open_live`.

    Vectors behind a loss are unknown until the next key frame has come.
    """

    def __init__(
        self,
        address: LiveAddress,
        container: InputContainer,
        stream: VideoStream,
        watch: Watch,
        *,
        behind: float | None,
    ) -> None:
        super().__init__(Path(address.shown), container, stream)
        self._address, self._watch, self._behind = address, watch, behind
        self._sound: SoundReferences | None = None
        self.skipped = 0
        """Packets that were not decoded, to catch up with the source."""
        self.end = ""
        """Reason for which no more frames come, once they have ended."""
        self.complete = False
        """Whether the source has said that nothing follows."""

    missing_bytes = 0  # type: ignore[assignment]

    @property
    def _joined(self) -> bool:
        """True: the clock of a source may jump at any time, as between recordings."""
        return True

    def _check(self, error: FFmpegError) -> None:
        """Raise nothing: errors are the stream's fault."""

    def _references(self) -> References:
        self._sound = SoundReferences(super()._references(), self._watch)
        return self._sound

    def _packets(self) -> Iterator[Packet]:
        """Packets up to the end of the connection, and one that flushes the decoder."""
        packets = self._container.demux()  # of all streams: a stall of one is noticed
        delay = Delay(self._behind) if self._behind else None
        while not self.end:
            packet = self._next(packets)
            if packet is None or packet.stream is not self._stream or not packet.size:
                continue
            if delay and delay.skips(packet):
                self.skipped += 1
                assert self._sound is not None
                self._sound.lost()
                continue
            yield packet
        yield Packet()

    def _next(self, packets: Iterator[Packet]) -> Packet | None:
        """The next packet; None where there is none, at the end with `end` set."""
        self._watch.resume()
        try:
            if not self._watch.over():
                return next(packets)
            self.end = self._watch.silence or "stopped"
        except StopIteration:
            self.end = self._watch.silence or "the stream ended"
            self.complete = not self._watch.silence and self._finite
        except FFmpegError as error:
            self.end = self._watch.silence or reason(error, self._watch.seconds)
        except IndexError:  # PyAV, where streams came up on the way
            self.damaged += 1
        finally:
            self._watch.pause()
        return None

    @property
    def _finite(self) -> bool:
        """Whether the end of the connection is the end of the source."""
        container = self._container
        if self._address.protocol == "stdin" or container.format.name == "hls":
            return True
        return container.duration is not None or (
            self._address.protocol == "http" and container.size > 0
        )


class SoundReferences:
    """The rules of a codec, where nothing is known from a loss to the next key frame."""

    def __init__(self, known: References, watch: Watch) -> None:
        self._known, self._watch = known, watch
        self._sound = True
        self._key: int | None = None
        """Time stamp of the first key frame behind a loss."""
        self._waiting = False
        """Whether there was a loss, and no key frame since."""
        self._since = 0
        """Packets since the loss."""

    def packet(self, packet: Packet) -> None:
        self._known.packet(packet)
        self._since += 1
        if packet.is_corrupt:
            self._unsound()
        elif self._waiting and packet.is_keyframe and self._since > EARLY_MARKS:
            self._waiting, self._key = False, packet.pts

    def lost(self) -> None:
        self._known.lost()
        self._unsound()
        self._since = EARLY_MARKS  # this one is not marked too early

    def frame(self, frame: av.VideoFrame) -> VectorStatus:
        self._watch.alive()
        status = self._known.frame(frame)
        if frame.is_corrupt:
            if self._waiting or self._key is None or not _before(frame, self._key):
                self._unsound()
        elif not self._sound and not self._waiting and frame.key_frame:
            self._sound = self._key is None or frame.pts in (None, self._key)
        if self._sound:
            return status
        return VectorStatus(cropped=status.cropped)

    def _unsound(self) -> None:
        self._sound, self._waiting, self._key, self._since = False, True, None, 0


def _before(frame: av.VideoFrame, stamp: int) -> bool:
    return frame.pts is not None and frame.pts < stamp


@contextmanager
def open_live(
    address: LiveAddress,
    patience: Patience,
    stop: threading.Event,
    *,
    vectors: bool,
    pixels: bool,
) -> Iterator[LiveVideo]:
    """Connect to a source.

    Args:
        stop: set to end everything that waits.
        vectors, pixels: as in `pipeline.extract.opening.open_video`.

    Raises:
        StreamError: it does not answer, is silent, or is no video.
    """
    watch = Watch(stop, patience.open)
    with ExitStack() as opened:
        source: Input | str = address.url
        if address.protocol == "stdin":
            source = PipeInput(STDIN, watch)
        elif address.protocol == "udp":
            source = UdpInput(address.url, watch)
            opened.callback(source.close)
        try:
            container = av.open(
                source,
                format=address.form,
                metadata_errors="ignore",
                timeout=(patience.open, patience.read),
                container_options=address.options(
                    open_seconds=patience.open, read_seconds=patience.read
                ),
            )
            assert isinstance(container, InputContainer)
            opened.enter_context(container)
            stream = ready_stream(container, vectors=vectors, pixels=pixels)
        except NotAVideo as error:
            raise StreamError(watch.silence or str(error)) from None
        except FFmpegError as error:
            why = watch.silence or reason(error, patience.open)
            if address.protocol == "camera":
                why = f"{address.url}: {why}"
            raise StreamError(why) from error
        watch.pause()
        watch.alive()
        watch.seconds = patience.read
        behind = patience.behind if address.protocol in ("rtsp", "udp") else None
        video = LiveVideo(address, container, stream, watch, behind=behind)
        yield video


def reason(error: FFmpegError, seconds: float) -> str:
    """An error of FFmpeg, in words."""
    told = error.strerror or str(error)
    if told == INTERRUPTED or isinstance(error, TimeoutError):
        return f"nothing came for {seconds:g} s"
    if told == "Input/output error":
        return "no answer, or the connection broke (input/output error)"
    if told.startswith("Invalid data found"):
        return (
            "no video that FFmpeg can read from its beginning (an MP4 needs its index "
            "there: ffmpeg -movflags +faststart)"
        )
    return told
