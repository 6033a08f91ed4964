"""Pipeline from opened videos to rows, with flow computed in batches on a GPU.

One thread reads ahead, some encode, and the one that requests blocks drives the
solver in between.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from pipeline.extract.blocks import no_flow
from pipeline.extract.video import Block, VideoInfo
from pipeline.flow.batches import (
    IN_FLIGHT,
    BatchSolver,
    Coding,
    FlowBatch,
    Ticket,
    consecutive,
)
from pipeline.store.encoding import Levels

from .isolate import OpenVideo
from .prefetch import Event, Prefetcher
from .stages import CodedBlock, CodedVideo, Encode, Size, Values

AHEAD_BYTES = 256 << 20
"""Memory for decoded blocks that wait for their flow or turn: 500 frames of 340x256."""
BATCHES_AHEAD = 4
"""Batches that must fit in there: two under way, one filling, one being stored."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A block that waits for its flow, then for its rows."""

    event: Event
    block: Block
    size: Size
    missing: int
    """Pairs without flow."""
    planes: list[np.ndarray] = field(default_factory=list)
    clipped: int = 0
    rows: Future[CodedBlock] | None = None


class _Piece(NamedTuple):
    """Consecutive pairs of a block that go into one batch."""

    of: _Waiting
    first: int
    pairs: int


class _Flight(NamedTuple):
    ticket: Ticket
    pieces: list[_Piece]
    launched: float


class Batched:
    """Decodes ahead, solves in batches across videos, encodes on threads.

    A thread reads; threads encode; the thread that requests blocks drives the
    solver meanwhile. A context manager: leaving it stops the threads and takes back what
    the solver still has.

    Args:
        open_video: its blocks must have grey frames, as with `DeferredFlow`.
        paths: in the order in which they will be asked for.
        solver: used on this thread alone.
        coding: that of the flow codec.
        coders: threads that encode.
    """

    def __init__(
        self,
        open_video: OpenVideo,
        paths: Sequence[Path],
        *,
        solver: BatchSolver,
        coding: Coding,
        encode: Encode,
        coders: int = 1,
        limit: int = AHEAD_BYTES,
    ) -> None:
        self._paths, self._solver, self._coding = paths, solver, coding
        self._encode, self._coders = encode, coders
        self._prefetcher = Prefetcher(open_video, paths, limit=limit, flow_bytes=2)
        self._number = -1
        self._size: Size = (0, 0)
        self._events: deque[Event | _Waiting] = deque()
        self._groups: dict[Size, deque[_Piece]] = {}
        self._flights: deque[_Flight] = deque()
        self.busy: list[tuple[float, float]] = []
        """Spans in which the solver had work: from a launch to when its result was taken, and on
        while the next one was under way; by `time.monotonic`."""
        self.pairs = 0
        self._coded_seconds: list[float] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._pool = ThreadPoolExecutor(self._coders, "coder")
            stack.callback(self._pool.shutdown, cancel_futures=True)
            stack.callback(self._take_back)
            stack.enter_context(self._prefetcher)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def most_held(self) -> int:
        """Bytes of decoded blocks at the peak."""
        return self._prefetcher.most_held

    @property
    def reading_seconds(self) -> float:
        """CPU seconds of the thread that reads."""
        return self._prefetcher.cpu_seconds

    @property
    def coding_seconds(self) -> float:
        """CPU seconds of the threads that encode."""
        return sum(self._coded_seconds)

    @contextmanager
    def open(self, path: Path) -> Iterator[CodedVideo]:
        """See `Stage.open`."""
        number = self._paths.index(path, self._number + 1)
        self._leave(number - 1)
        try:
            begun = self._next()
            assert isinstance(begun, Event) and isinstance(begun.what, VideoInfo)
            yield CodedVideo(begun.what, self._blocks())
        finally:
            self._leave(number)

    def _blocks(self) -> Iterator[CodedBlock]:
        while True:
            head = self._next()
            if isinstance(head, Event):
                return
            try:
                assert head.rows is not None
                yield head.rows.result()
            finally:
                self._prefetcher.free(head.event.cost)

    def _next(self) -> Event | _Waiting:
        """The next event of the current video, a block of it with its rows.

        Raises:
            Exception: what the video ended with.
        """
        while True:
            self._receive()
            launched = self._launch(full=True)
            head = self._events[0] if self._events else None
            if isinstance(head, Event) or (head and head.rows and head.rows.done()):
                break
            if launched:
                continue
            if self._flights:  # the solver first: what is encoded can wait
                self._land()
            elif not (self._prefetcher.stuck and self._launch(full=False)):
                self._prefetcher.wait(for_room=any(self._groups.values()))
        self._events.popleft()
        if isinstance(head, Event) and isinstance(head.what, BaseException):
            raise head.what
        return head

    def _receive(self) -> None:
        """Take in what the prefetcher has."""
        for event in self._prefetcher.take():
            if event.number <= self._number:
                self._prefetcher.free(event.cost)
            elif isinstance(event.what, Block):
                self._admit(event, event.what)
            else:
                if isinstance(event.what, VideoInfo):
                    self._size = event.what[:2]
                self._events.append(event)

    def _admit(self, event: Event, block: Block) -> None:
        pairs = len(_grey(block)) - 1
        waiting = _Waiting(event, block, self._size, missing=pairs)
        self._events.append(waiting)
        if pairs:
            group = self._groups.setdefault(self._size, deque())
            group.append(_Piece(waiting, 0, pairs))
        else:
            self._finish(waiting, no_flow(*self._size))

    def _launch(self, *, full: bool) -> bool:
        """Give the solver a batch, if it has room: of the size that waits longest.

        Args:
            full: only one that need not wait for more.
        """
        if len(self._flights) >= IN_FLIGHT:
            return False
        waiting = [group for group in self._groups.values() if group]
        for group in sorted(waiting, key=lambda group: group[0].of.event.number):
            most = self._most(group[0].of)
            if not full or sum(piece.pairs for piece in group) >= most:
                self._start(_cut(group, most))
                return True
        return False

    def _most(self, waiting: _Waiting) -> int:
        """Pairs of a batch: what the solver wants, if memory ahead has room for more."""
        per_pair = waiting.event.cost / (len(_grey(waiting.block)) - 1)
        room = int(self._prefetcher.limit / BATCHES_AHEAD / per_pair)
        return max(min(self._solver.most(*waiting.size), room), 1)

    def _start(self, pieces: list[_Piece]) -> None:
        frames = [
            _grey(piece.of.block)[piece.first : piece.first + piece.pairs + 1]
            for piece in pieces
        ]
        starts = np.cumsum([0, *map(len, frames)])
        pairs = [
            start + consecutive(len(some))
            for start, some in zip(starts[:-1], frames, strict=True)
        ]
        launched = time.monotonic()
        ticket = self._solver.launch(
            frames[0] if len(frames) == 1 else np.concatenate(frames),
            np.concatenate(pairs),
            self._coding,
        )
        self._flights.append(_Flight(ticket, pieces, launched))

    def _land(self) -> None:
        """Wait for the oldest batch and hand its flow out to its blocks."""
        pieces, batch = self._collect()
        assert batch.planes is not None and batch.clipped is not None
        first = 0
        for waiting, _, pairs in pieces:
            waiting.planes.append(batch.planes[first : first + pairs])
            waiting.clipped += int(batch.clipped[first : first + pairs].sum())
            waiting.missing -= pairs
            first += pairs
            if not waiting.missing:
                planes = waiting.planes
                joined = planes[0] if len(planes) == 1 else np.concatenate(planes)
                self._finish(waiting, Levels(joined, waiting.clipped))

    def _collect(self) -> tuple[list[_Piece], FlowBatch]:
        ticket, pieces, began = self._flights.popleft()
        batch = self._solver.collect(ticket)
        ended = time.monotonic()
        if self.busy and began <= self.busy[-1][1]:
            began = self.busy.pop()[0]
        self.busy.append((began, ended))
        self.pairs += ticket.pairs
        return pieces, batch

    def _finish(self, waiting: _Waiting, flow: Values) -> None:
        """Have a block encoded, now that all of it is there."""
        if waiting.event.number > self._number:  # this video was not abandoned
            waiting.rows = self._pool.submit(self._rows, waiting, flow)
            waiting.rows.add_done_callback(lambda rows: self._prefetcher.poke())

    def _rows(self, waiting: _Waiting, flow: Values) -> CodedBlock:
        """The rows of a block; on a thread that encodes."""
        began = time.thread_time()
        rows = self._encode(waiting.block, flow, waiting.size)
        self._coded_seconds.append(time.thread_time() - began)
        return rows

    def _leave(self, number: int) -> None:
        """Forget what is left of a video and of those before it."""
        self._number = max(self._number, number)
        self._prefetcher.skip(self._number)
        while self._events and _number(self._events[0]) <= self._number:
            left = self._events.popleft()
            if isinstance(left, _Waiting):
                self._prefetcher.free(left.event.cost)
        for group in self._groups.values():
            while group and group[0].of.event.number <= self._number:
                group.popleft()

    def _take_back(self) -> None:
        while self._flights:
            self._collect()


def _grey(block: Block) -> np.ndarray:
    assert block.grey is not None
    return block.grey


def _number(event: Event | _Waiting) -> int:
    return (event if isinstance(event, Event) else event.event).number


def _cut(group: deque[_Piece], most: int) -> list[_Piece]:
    """Take up to `most` pairs from the front, the last piece in part if need be."""
    taken = []
    while group and most:
        piece = group.popleft()
        if piece.pairs > most:
            rest = piece._replace(first=piece.first + most, pairs=piece.pairs - most)
            group.appendleft(rest)
            piece = piece._replace(pairs=most)
        taken.append(piece)
        most -= piece.pairs
    return taken
