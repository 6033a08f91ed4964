"""Batches of flow and what was clipped in them: handed out to the blocks they came from.

The solver here computes nothing: the levels of a pair are the number of its first frame,
and so many values of it count as clipped. Sums can then be told by hand.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline.extract.video import Block, VideoInfo
from pipeline.flow.batches import Coding, FlowBatch, Queue, Ticket
from pipeline.shard.pipelined import Batched, _cut, _Piece
from pipeline.shard.stages import CodedBlock
from pipeline.store.encoding import Levels

INFO = VideoInfo(8, 8, 25.0, "h264")


class Numbered:
    """Levels and clipped values of a pair: the number that its first frame shows."""

    backend, device, profile = "cuda", "a stand-in", "default"

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue = Queue()
        self.batches: list[list[int]] = []

    def most(self, height: int, width: int) -> int:
        return self._most

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        first = frames[pairs[:, 0], 0, 0].astype(np.int64)
        assert (frames[pairs[:, 1], 0, 0] == first + 1).all(), "not neighbours"
        self.batches.append(first.tolist())
        planes = np.repeat(first.astype(np.uint8), 2 * 64).reshape(-1, 2, 8, 8)
        return self._queue.put(len(pairs), FlowBatch(planes=planes, clipped=first))

    def collect(self, ticket: Ticket) -> FlowBatch:
        batch = self._queue.take(ticket)
        assert isinstance(batch, FlowBatch)
        return batch


class Video:
    """Blocks of so many pairs; its frames show numbers that go on from `first`."""

    info = INFO

    def __init__(self, first: int, pairs: Sequence[int]) -> None:
        self._first, self._pairs = first, pairs

    def __iter__(self) -> Iterator[Block]:
        first = self._first
        for pairs in self._pairs:
            shown = np.arange(first, first + pairs + 1, dtype=np.uint8)
            grey = np.repeat(shown, 64).reshape(-1, 8, 8)
            times = np.zeros(pairs)
            yield Block(times, times.astype(np.uint8), {}, grey=grey)
            first += pairs


Shares = dict[str, list[tuple[list[int], int]]]
"""Video -> for each of its blocks the levels of its pairs, and its clipped values."""


def solved(
    videos: dict[str, tuple[int, Sequence[int]]], *, most: int
) -> tuple[Shares, Batched, Numbered]:
    """Put videos (first number, pairs of each block) through batches of `most` pairs."""

    @contextmanager
    def opened(path: Path) -> Iterator[Video]:
        yield Video(*videos[path.name])

    def encode(block: Block, flow: Levels, size: tuple[int, int]) -> CodedBlock:
        levels = flow.planes[:, 0, 0, 0].tolist()
        rows = {"flow": (levels, flow.clipped)}
        return CodedBlock(block.seconds, block.picture_types, rows)  # type: ignore[arg-type]

    solver = Numbered(most)
    paths = [Path(name) for name in videos]
    found = {}
    with Batched(
        opened, paths, solver=solver, coding=Coding("linear", 20.0), encode=encode
    ) as stage:
        for path in paths:
            with stage.open(path) as video:
                found[path.name] = [block.rows["flow"] for block in video.blocks]
    return found, stage, solver


def test_a_block_in_several_batches_has_the_sum_of_what_they_clipped():
    """Pairs 10 to 16 in batches of 3: 10 + ... + 16 = 91 values were clipped."""
    found, _, solver = solved({"a": (10, [7])}, most=3)
    assert solver.batches == [[10, 11, 12], [13, 14, 15], [16]]
    assert found == {"a": [(list(range(10, 17)), 91)]}


def test_blocks_in_one_batch_have_their_own_share_of_what_it_clipped():
    """Pairs 10 and 11, 12 to 14, and 15: 21, 39 and 15."""
    found, _, solver = solved({"a": (10, [2, 3, 1])}, most=100)
    assert solver.batches == [[10, 11, 12, 13, 14, 15]]
    assert found == {"a": [([10, 11], 21), ([12, 13, 14], 39), ([15], 15)]}


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 11, 100])
def test_shares_do_not_depend_on_the_size_of_batches(most):
    """Also where a batch has the end of one video and the beginning of the next."""
    videos = {"a": (0, [4, 4, 2]), "b": (100, [4, 3]), "c": (200, [1])}
    found, stage, solver = solved(videos, most=most)
    assert found == {
        "a": [([0, 1, 2, 3], 6), ([4, 5, 6, 7], 22), ([8, 9], 17)],
        "b": [([100, 101, 102, 103], 406), ([104, 105, 106], 315)],
        "c": [([200], 200)],
    }
    assert max(map(len, solver.batches)) <= most
    assert stage.pairs == sum(map(len, solver.batches)) == 18


def test_a_batch_is_cut_from_the_front_and_the_rest_stays():
    """Of pieces of 4, 5 and 2 pairs: 3, then 3, then 5."""
    one, two, three = object(), object(), object()
    group = deque(
        [_Piece(one, 0, 4), _Piece(two, 10, 5), _Piece(three, 0, 2)]  # type: ignore[arg-type]
    )
    assert _cut(group, 3) == [(one, 0, 3)]
    assert _cut(group, 3) == [(one, 3, 1), (two, 10, 2)]
    assert _cut(group, 5) == [(two, 12, 3), (three, 0, 2)]
    assert not group


def test_times_in_which_the_solver_had_work_are_joined_where_they_overlap():
    """Two batches are under way at a time, so each begins before the one before ends."""
    _, stage, _ = solved({"a": (0, [8, 8])}, most=2)
    assert len(stage.busy) >= 1
    assert all(began <= ended for began, ended in stage.busy)
    gaps = zip(stage.busy, stage.busy[1:], strict=False)
    assert all(ended < began for (_, ended), (began, _) in gaps)
