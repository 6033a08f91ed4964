"""Entries of a whole video -> the scores of one network, by its protocol."""

from collections.abc import Iterator
from itertools import count

import numpy as np

from .entries import EntryBuffer
from .stream_scores import BATCH, NOTHING, ClipScores, StreamNetwork


class VideoScorer:
    """Scores of a video that comes block by block; entries are forgotten when used.

    Clips and averages are those of `training.scoring.protocols.Scorer`.
    """

    def __init__(
        self,
        stream: StreamNetwork,
        buffer: EntryBuffer,
        *,
        frames: int | None = None,
        memory_bytes: int,
    ) -> None:
        """
        Args:
            frames: of the video, where they are known: then memory holds one clip.
            memory_bytes: of the entries that wait until the length is known.
        """
        self._stream, self._buffer, self._memory = stream, buffer, memory_bytes
        self._span = stream.clip.span
        self._starts: Iterator[int] | None = None
        self._last: int | None = None
        """Number of clips still to come, where it is known."""
        if stream.protocol.clips is None:
            self._starts = count(0, self._span)
        elif frames is not None:
            self._know(frames if stream.sees == "rgb" else frames - 1)
        self._next = next(self._starts) if self._starts else None
        self._inputs: list[np.ndarray] = []
        self._times: list[int] = []
        self._sums: tuple[np.ndarray, np.ndarray] | None = None
        self._features: list[np.ndarray] = []
        """(n, d) of the snippets in their order."""
        self._count = 0

    def advance(self) -> bool:
        """Score the clips that the entries so far complete.

        Returns:
            Whether the memory holds the entries that have to wait. If not, give `frames`.
        """
        while self._next is not None and self._next + self._span <= self._buffer.count:
            self._take(self._next)
        if self._next is None and self._starts is None:
            return self._buffer.nbytes <= self._memory
        self._buffer.forget(self._buffer.count if self._next is None else self._next)
        return True

    def finish(self) -> ClipScores:
        """Mean scores over the clips of the video, which has ended: (1, K) each."""
        available = self._buffer.count
        protocol = self._stream.protocol
        if protocol.clips is None:
            if not self._count and not self._inputs:
                self._take(0)
        else:
            if self._starts is None:
                self._know(available)
                assert self._starts is not None
                self._next = next(self._starts, None)
            while self._next is not None:
                self._take(self._next)
        self._score()
        if self._features:
            return ClipScores(NOTHING, NOTHING, np.concatenate(self._features)[None])
        assert self._sums is not None
        logits, probabilities = (total / self._count for total in self._sums)
        return ClipScores(logits[None], probabilities[None])

    def _know(self, available: int) -> None:
        starts = self._stream.protocol.starts(available, self._span)
        self._starts = iter(starts.tolist())

    def _take(self, start: int) -> None:
        """Add a clip as often as it counts."""
        times = 0
        first: int | None = start
        while first == start:
            times += 1
            first = next(self._starts, None) if self._starts else None
        self._next = first
        clip = self._stream.inputs(self._buffer, start)
        self._inputs.append(clip)
        self._times.append(times)
        if len(self._inputs) * len(clip) >= BATCH:
            self._score()

    def _score(self) -> None:
        if not self._inputs:
            return
        found, times = self._stream.scores(self._inputs), np.array(self._times)
        if self._stream.features:
            self._features.append(found.features[:, 0].repeat(times, axis=0))
        else:
            sums = (times @ found.logits, times @ found.softmax)
            if self._sums is not None:
                sums = (self._sums[0] + sums[0], self._sums[1] + sums[1])
            self._sums = sums
        self._count += sum(self._times)
        self._inputs, self._times = [], []
