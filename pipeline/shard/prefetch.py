"""Prefetching of videos on a thread of its own, within a limit of bytes.

Decoding then continues while the consumer of the blocks computes, codes or waits.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from pipeline.extract.errors import VideoError
from pipeline.extract.video import Block, VideoInfo

from .isolate import OpenVideo

CLOSING_SECONDS = 10.0
"""Seconds to wait for a prefetcher that is to stop; one that hangs in a decoder is left."""


class Event(NamedTuple):
    """One thing that happened to a video. In order: its info, its blocks, its end."""

    number: int
    """Position of the video, from 0."""
    what: VideoInfo | Block | BaseException | None
    """The error with which it ended; None: it ended well."""
    cost: int = 0
    """Bytes, to be given back by `Prefetcher.free`."""


class Prefetcher:
    """Reads videos one after the other. A context manager; the thread ends with it.

    A bad video ends with its VideoError, and the next one is read; any other error is
    the last event of all.

    Args:
        open_video: called on the thread.
        paths: in the order in which their events are to come.
        limit: bytes that may be read and not yet freed. One block always may, so the
            peak is this and the block that waits for room.
        flow_bytes: what the flow of a pixel will take; it is counted in advance.
    """

    def __init__(
        self,
        open_video: OpenVideo,
        paths: Sequence[Path],
        *,
        limit: int,
        flow_bytes: int,
    ) -> None:
        self.limit = limit
        self._open_video, self._paths, self._flow_bytes = open_video, paths, flow_bytes
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._unwanted = -1
        self._held = self.most_held = 0
        self.cpu_seconds = 0.0
        """CPU seconds of the thread."""
        self._wanted: int | None = None
        self._poked = self._closed = self._ended = False
        self._thread = threading.Thread(
            target=self._read, name="prefetcher", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(CLOSING_SECONDS)

    def take(self) -> list[Event]:
        """Take the events that have been read so far; may be empty."""
        with self._changed:
            self._poked = False
            events = list(self._events)
            self._events.clear()
        return events

    def wait(self, *, for_room: bool) -> None:
        """Wait until there is something to take, or `poke` was called.

        Args:
            for_room: return, too, where the prefetcher has stopped: it waits for room, or
                has read everything.
        """
        with self._changed:
            while not (self._events or self._poked or (for_room and self._stuck())):
                self._changed.wait()

    @property
    def stuck(self) -> bool:
        """Whether no event will come until `free` is called, or ever."""
        with self._changed:
            return not self._events and self._stuck()

    def poke(self) -> None:
        """End a `wait`, this one or the next: something else has happened."""
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def free(self, cost: int) -> None:
        """Give the bytes of an event back."""
        with self._changed:
            self._held -= cost
            self._changed.notify_all()

    def skip(self, number: int) -> None:
        """Discard the rest of this video and of those before it."""
        self._unwanted = max(self._unwanted, number)

    def _stuck(self) -> bool:
        return self._ended or (self._wanted is not None and not self._room())

    def _room(self) -> bool:
        """Whether there is room for the block that waits; there always is for one alone."""
        wanted = self._wanted or 0
        return not self._held or self._held + wanted <= self.limit

    def _read(self) -> None:
        try:
            for number, path in enumerate(self._paths):
                if self._closed:
                    return
                try:
                    self._read_one(number, path)
                except VideoError as error:
                    self._put(Event(number, error))
                except BaseException as error:  # noqa: BLE001 - taker raises it
                    self._put(Event(number, error))
                    return
        finally:
            self._ended = True
            self.poke()

    def _read_one(self, number: int, path: Path) -> None:
        if number <= self._unwanted:
            return
        with self._open_video(path) as opened:
            self._put(Event(number, opened.info))
            for block in opened:
                assert block.grey is not None
                cost = block.nbytes + block.grey.size * self._flow_bytes
                self._put(Event(number, block, cost))
                if self._closed or number <= self._unwanted:
                    return
        self._put(Event(number, None))

    def _put(self, event: Event) -> None:
        self.cpu_seconds = time.thread_time()
        with self._changed:
            self._wanted = event.cost
            self._changed.notify_all()
            while not self._room():
                if self._closed:
                    return
                self._changed.wait()
            self._wanted = None
            self._held += event.cost
            self.most_held = max(self.most_held, self._held)
            self._events.append(event)
            self._changed.notify_all()
