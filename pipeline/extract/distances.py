"""Distance in frames from a frame to the ones that its vectors refer to.

A vector over d frames is divided by d: motion is taken to be even between a frame and its
reference. Distances count stored frames, in the order of output, and are known when both
have come out.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

LONGEST = 32
"""Frames between a frame and its reference, at most; beyond, the distance is unknown."""


@dataclass(slots=True, eq=False)
class VectorStatus:
    """Status of the vectors of one frame, by the stream."""

    distances: list[int | None] = field(default_factory=lambda: [None, None])
    """Frames from the reference to this frame: of vectors that FFmpeg marks as from the
    past (reference list 0) and from the future (list 1). Positive where the reference is
    earlier, negative where it is later; None: unknown."""
    cropped: tuple[int, int] = (0, 0)
    """Rows and columns cut off at the top and left of what they refer to."""
    settled: bool = True
    """Whether no later frame changes the distances."""

    @property
    def known(self) -> bool:
        """Some of its vectors have a known distance."""
        return self.distances != [None, None]


class _Waiting(NamedTuple):
    status: VectorStatus
    shown: int
    """Number of its frame in the order of output."""
    references: tuple[int | None, int | None]


class Output:
    """The last frames that came out, and vectors that wait for their reference to."""

    def __init__(self) -> None:
        self._coded: deque[int | None] = deque(maxlen=LONGEST + 2)
        self._order: deque[int | None] = deque(maxlen=LONGEST + 2)
        """Numbers of the frames, in the order of output: by coding and by display."""
        self._count = 0
        self._waiting: list[_Waiting] = []

    def add(
        self,
        status: VectorStatus,
        *,
        coded: int | None = None,
        order: int | None = None,
        references: tuple[int | None, int | None] = (None, None),
    ) -> None:
        """Note the next frame; fills in the distances of those that are known with it.

        Args:
            status: of its vectors.
            coded: its number in the order of coding; None: nobody may refer to it.
            order: its position in the order of display, by the stream.
            references: numbers, in the order of coding, of the frames that the two kinds
                of vectors refer to.
        """
        before = self._coded[-1] if self._coded else None
        self._coded.append(coded)
        self._order.append(order)
        self._count += 1
        if before is not None and references == (before, None):  # most often
            status.distances[0] = 1
        elif references != (None, None):
            status.settled = False
            self._waiting.append(_Waiting(status, self._count - 1, references))
        if self._waiting:
            self._waiting = [w for w in self._waiting if not self._settle(w)]

    def _settle(self, waiting: _Waiting) -> bool:
        status, references = waiting.status, waiting.references
        here = len(self._coded) - self._count + waiting.shown
        missing = False
        for number, reference in enumerate(references):
            if reference is None or status.distances[number] is not None:
                continue
            if reference in self._coded:
                there = self._coded.index(reference)
                status.distances[number] = self._distance(here, there)
            elif self._order[here] is not None:
                missing = True
        late = self._count - waiting.shown > LONGEST
        status.settled = late or not missing
        return status.settled

    def _distance(self, here: int, there: int) -> int | None:
        """Frames from `there` to `here`, if the stream says that all lie equally far apart.

        To the frame before nothing is divided, so it does not matter.
        """
        if here - there == 1:
            return 1
        # The interval that the vectors are for starts one frame before.
        first, last = min(here - 1, there), max(here, there)
        orders = [self._order[i] for i in range(max(first, 0), last + 1)]
        if first < 0 or None in orders:
            return None
        steps = {b - a for a, b in pairwise(orders) if a is not None and b is not None}
        even = len(steps) == 1 and min(steps) > 0
        return here - there if even else None
