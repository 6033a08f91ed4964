"""Flow that costs nothing: to measure what a machine does beside a GPU."""

import cv2
import numpy as np

from pipeline.flow.batches import Coding, FlowBatch, Queue, Ticket, checked_pairs

PIXELS = 5_500_000
"""Number of pixels of all pairs of a batch, as with a large GPU."""


class InstantSolver:
    """`BatchSolver` whose levels are the differences of the frames.

    They are no flow, but take about as long to encode.
    """

    backend = "none"
    device = "none: flow at no cost"

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self._queue = Queue()

    def most(self, height: int, width: int) -> int:
        """See `BatchSolver.most`."""
        return max(1, PIXELS // (height * width))

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        """See `BatchSolver.launch`; with a coding only."""
        self._queue.expect_room()
        assert coding is not None
        pairs = checked_pairs(frames, pairs)
        planes = np.empty((len(pairs), 2, *frames.shape[1:]), np.uint8)
        for (u, v), (first, second) in zip(planes, pairs, strict=True):
            cv2.addWeighted(frames[second], 0.25, frames[first], -0.25, 128, dst=u)
            v[:] = u
        clipped = np.zeros(len(pairs), np.int64)
        return self._queue.put(len(pairs), FlowBatch(planes=planes, clipped=clipped))

    def collect(self, ticket: Ticket) -> FlowBatch:
        """See `BatchSolver.collect`."""
        batch = self._queue.take(ticket)
        assert isinstance(batch, FlowBatch)
        return batch
