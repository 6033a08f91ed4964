"""One video in a child process, with a time limit: for videos that crash or hang decoders.

The child keeps running from video to video and is started again only when it dies, so a
shard of many good videos and one bad one pays for two starts.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from motion_shards.processes import follow_parent
from motion_shards.silence import SilentProcess
from pipeline.extract.errors import DecodeError, Unavailable, VideoError
from pipeline.extract.video import Block, VideoInfo

from .killed import cause_of_death, memory_kills

POLL_SECONDS = 0.5


class Opened(Protocol):
    """An opened video: facts about it, and an iterator of its blocks."""

    info: VideoInfo

    def __iter__(self) -> Iterator[Block]: ...


OpenVideo = Callable[[Path], AbstractContextManager[Opened]]


class ChildError(RuntimeError):
    """A bug in the child; the message is its traceback."""


class IsolatedVideos:
    """Opens videos in a child process. A context manager; the child ends with it.

    Args:
        open_video: opens a video in the child. Must be picklable.
        hang_seconds: time limit for the next block of a video, in seconds, unless the child
            just waits for a busy machine's processors (`SilentProcess`).
    """

    def __init__(self, open_video: OpenVideo, *, hang_seconds: float) -> None:
        self._open_video, self._hang_seconds = open_video, hang_seconds
        self._process: Any = None
        self._pipe: Connection | None = None
        self._memory_kills: int | None = None
        self._busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @contextmanager
    def open(self, path: Path) -> Iterator[Opened]:
        """Open a video; a crash or a hang becomes a DecodeError.

        Raises:
            VideoError: what the child said of this video, or that it died of it; Unavailable
                where the system killed it.
            OSError: what the environment did to the child.
            ChildError: a bug.
        """
        if self._process is None:
            self._start()
        assert self._pipe is not None
        self._pipe.send(path)
        self._busy = True
        try:
            _, info = self._receive()
            yield _Remote(self._blocks, info)
        finally:
            if self._busy:  # left in the middle: its blocks would come as the next ones
                self._end()

    def _blocks(self) -> Iterator[Block]:
        while True:
            kind, value = self._receive()
            if kind == "end":
                self._busy = False
                return
            yield value

    def _receive(self) -> tuple[str, Any]:
        assert self._pipe is not None
        try:
            if self._hangs():
                self._end()
                raise DecodeError(
                    f"the decoder hung: no new frame for {self._hang_seconds:g} s"
                )
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            code = self._end()
            died = cause_of_death(code, self._memory_kills)
            if code == -signal.SIGKILL:  # nothing in a video does that
                raise Unavailable(f"its decoder is gone: {died}") from None
            raise DecodeError(f"the decoder crashed: {died}") from None
        if kind == "video":
            self._busy = False
            raise value
        if kind == "environment":
            raise value
        if kind == "bug":
            raise ChildError(value)
        return kind, value

    def _hangs(self) -> bool:
        """Wait for the child's next word; whether it hangs instead."""
        assert self._pipe is not None
        silence, seconds = SilentProcess(self._process.pid), self._hang_seconds
        while not self._pipe.poll(min(POLL_SECONDS, seconds)):
            if silence.hangs(seconds):
                return True
        return False

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._open_video), daemon=True
        )
        self._memory_kills = memory_kills()
        self._process.start()
        theirs.close()

    def _end(self) -> int:
        """End the child; its exit code, 0 if it would not end by itself."""
        self._busy = False
        if self._process is None or self._pipe is None:
            return 0
        self._pipe.close()
        self._process.join(1)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        self._process.close()
        self._process = self._pipe = None
        return code or 0


class _Remote:
    """The parent's side of a video that a child decodes."""

    def __init__(self, blocks: Callable[[], Iterator[Block]], info: VideoInfo) -> None:
        self._blocks = blocks
        self.info = info

    def __iter__(self) -> Iterator[Block]:
        return self._blocks()


def _serve(pipe: Connection, open_video: OpenVideo) -> None:
    """The child: receives paths, sends what became of them, until the pipe closes."""
    follow_parent()
    try:
        while True:
            path = pipe.recv()
            try:
                with open_video(path) as video:
                    pipe.send(("opened", video.info))
                    for block in video:
                        pipe.send(("block", block))
                pipe.send(("end", None))
            except VideoError as error:
                pipe.send(("video", error))
            except (BrokenPipeError, ConnectionResetError):
                return
            except OSError as error:
                pipe.send(("environment", error))
            except BaseException:
                pipe.send(("bug", traceback.format_exc()))
                raise
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
