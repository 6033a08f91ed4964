"""Many pairs of frames at once: what a GPU back end offers beyond `FlowSolver`.

    ticket = solver.launch(frames, pairs, coding)     # returns at once
    ...                                               # decode or store something else
    batch = solver.collect(ticket)                    # waits

Two tickets may be under way: while one batch is computed the next is prepared and the
one before is stored. A pair's result depends on its two frames only, to the bit: not on
the batch it came in, nor on the number of its pairs.
"""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from .errors import FlowError
from .protocol import check_frames

if TYPE_CHECKING:
    from pipeline.store.jpeg_codecs import JpegFlow

    from .protocol import FlowSolver

IN_FLIGHT = 2
"""Tickets of one solver that may be under way at a time."""


@dataclass(frozen=True, slots=True)
class Coding:
    """Quantization of flow to one byte per value, equal to that of a flow codec of the store.

    companded: level = 128 + round(127 sign(v) sqrt(min(|v| / bound_px, 1)))
    linear:    level = 128 + round(127 max(-1, min(v / bound_px, 1)))
    """

    curve: Literal["companded", "linear"]
    bound_px: float
    """Values beyond +-bound_px are clipped, and counted."""

    @classmethod
    def of(cls, codec: "JpegFlow") -> "Coding":
        """The coding of a store's codec: its levels before JPEG."""
        return cls("companded" if codec.curve == "sqrt" else "linear", codec.bound_px)

    def codec(self) -> "JpegFlow":
        """A codec of the store with these levels; its JPEG quality is the default."""
        from pipeline.store.jpeg_codecs import JpegFlow  # a solver alone needs no h5py

        curve: Literal["sqrt", "linear"] = (
            "sqrt" if self.curve == "companded" else "linear"
        )
        return JpegFlow(curve=curve, bound_px=self.bound_px)


@dataclass(frozen=True, slots=True, eq=False)
class FlowBatch:
    """Flow of B pairs, as it is or coded. The arrays belong to the caller of `collect`."""

    flow: np.ndarray | None = None
    """(B, H, W, 2) float32 in px, (right, down); None if coded."""
    planes: np.ndarray | None = None
    """(B, 2, H, W) uint8 levels, u before v; None if not coded."""
    clipped: np.ndarray | None = None
    """(B,) int64: values beyond the bound, of 2 H W; None if not coded."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """Stands for a batch under way; good for one `collect` of the solver it is from."""

    pairs: int
    """B."""


class BatchSolver(Protocol):
    """Solves many pairs of one size at a time. One solver serves one thread."""

    backend: str
    device: str
    profile: str

    def most(self, height: int, width: int) -> int:
        """Number of pairs of this size in one batch: as many as fit and keep the
        device busy, at least 1. More may be given to `launch`; they are worked on in
        parts. It may be less after memory ran out."""
        ...

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        """Start on a batch and return at once; both arrays may be changed afterwards.

        Args:
            frames: (n, H, W) uint8 grey, as in `FlowSolver.flow`; each is sent once,
                however many pairs it is in.
            pairs: (B, 2) integers: numbers of the first and second frame of each pair.
            coding: code the flow where it is computed; None: give it as it is.

        Raises:
            FlowError: frames or pairs of another type or shape, or `IN_FLIGHT` tickets
                not collected yet, or one pair does not fit the device's memory.
        """
        ...

    def collect(self, ticket: Ticket) -> FlowBatch:
        """Wait for a batch, in the order of the launches.

        Raises:
            FlowError: not the oldest ticket of this solver, or the device failed.
        """
        ...


class Queue:
    """The tickets of a solver under way, oldest first, each with what it stands for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Ticket, object]] = deque()

    def expect_room(self) -> None:
        """Raise FlowError where `IN_FLIGHT` tickets wait."""
        if len(self._waiting) >= IN_FLIGHT:
            raise FlowError(
                f"flow: {IN_FLIGHT} batches are under way, collect one before the next"
            )

    def expect_none(self) -> None:
        """Raise FlowError where any ticket waits."""
        if self._waiting:
            raise FlowError("flow: a batch is under way, collect it first")

    def put(self, pairs: int, work: object) -> Ticket:
        ticket = Ticket(pairs)
        self._waiting.append((ticket, work))
        return ticket

    def take(self, ticket: Ticket) -> object:
        """Take the result of the oldest ticket; FlowError if it is another one."""
        if not self._waiting or self._waiting[0][0] is not ticket:
            raise FlowError("flow: expected the oldest ticket not collected yet")
        return self._waiting.popleft()[1]


class CpuBatches:
    """`BatchSolver` around a `FlowSolver`, pair after pair, done when `launch` returns."""

    def __init__(self, solver: "FlowSolver") -> None:
        self.backend = solver.backend
        self.device = solver.device
        self.profile = solver.profile
        self._solver = solver
        self._queue = Queue()

    def most(self, height: int, width: int) -> int:
        """See `BatchSolver.most`: one core gains nothing from more."""
        return 1

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        """See `BatchSolver.launch`."""
        self._queue.expect_room()
        pairs = checked_pairs(frames, pairs)
        flow = np.empty((len(pairs), *frames.shape[1:], 2), np.float32)
        for k, pair in enumerate(pairs):
            flow[k] = self._solver.flow(frames[pair])[0]
        return self._queue.put(len(pairs), coded(flow, coding))

    def collect(self, ticket: Ticket) -> FlowBatch:
        """See `BatchSolver.collect`."""
        batch = self._queue.take(ticket)
        assert isinstance(batch, FlowBatch)
        return batch


def coded(flow: np.ndarray, coding: Coding | None) -> FlowBatch:
    """(B, H, W, 2) float32 flow as a batch, with the store's codec if coded."""
    if coding is None:
        return FlowBatch(flow=flow)
    codec = coding.codec()
    clipped = np.array([codec.clipped(field) for field in flow], np.int64)
    levels = codec.levels(np.ascontiguousarray(np.moveaxis(flow, 3, 1)))
    return FlowBatch(planes=levels, clipped=clipped)


def checked_pairs(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The pairs as (B, 2) int32, for these frames.

    Raises:
        FlowError: frames or pairs are not what `BatchSolver.launch` takes.
    """
    check_frames(frames)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise FlowError(
            f"flow: expected pairs (B, 2) of integers, got {pairs.shape} {pairs.dtype}"
        )
    if not len(pairs):
        raise FlowError("flow: expected at least one pair, got none")
    if pairs.min() < 0 or pairs.max() >= len(frames):
        raise FlowError(
            f"flow: expected pairs of the {len(frames)} frames, "
            f"got {pairs.min()} to {pairs.max()}"
        )
    return pairs.astype(np.int32)


def consecutive(count: int) -> np.ndarray:
    """(count - 1, 2) int32: each of `count` frames and the next."""
    first = np.arange(max(0, count - 1), dtype=np.int32)
    return np.stack([first, first + 1], axis=1)
