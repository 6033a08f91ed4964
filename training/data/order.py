"""Order of the clips in training: a pure function of seed, epoch and position.

There is no state to save: a run that stopped after batch 37 of epoch 4 resumes with
batch 38 of epoch 4. A position determines a clip: its video and, by a random generator
of the clip, its start, crop, flip and brightness. So the clips of a run do
not depend on workers, on the number of processes, or on what was drawn before.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import RecipeError


class ClipPosition(NamedTuple):
    """Position of a clip in a training."""

    epoch: int
    position: int
    """Index of the clip in the epoch."""
    video: int
    """Index of its video in the list of videos."""


def epoch_order(num_videos: int, *, seed: int, epoch: int) -> np.ndarray:
    """(num_videos,) int64, every video once; another order for every seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(num_videos)


def balanced_order(classes: Sequence[int], *, seed: int, epoch: int) -> np.ndarray:
    """(V,) int64: as many clips of every class as there are videos over all.

    Every class has V // K of the V clips, and some, drawn at random, one more. Every video of
    a class comes once before any comes again.

    Args:
        classes: of each video.
    """
    rng = np.random.default_rng([seed, epoch])
    of_video = np.asarray(classes)
    kinds = np.unique(of_video)
    counts = np.full(len(kinds), len(of_video) // len(kinds))
    counts[rng.permutation(len(kinds))[: len(of_video) % len(kinds)]] += 1
    chosen = []
    for kind, count in zip(kinds, counts.tolist(), strict=True):
        videos = np.flatnonzero(of_video == kind)
        rounds = -(-count // len(videos))
        drawn = [rng.permutation(videos) for _ in range(rounds)]
        chosen.append(np.concatenate([*drawn, videos[:0]])[:count])
    return rng.permutation(np.concatenate(chosen))


def draw_generator(position: ClipPosition, *, seed: int) -> np.random.Generator:
    """The random numbers of one clip, apart from those of the order."""
    return np.random.default_rng([seed, position.epoch, position.position, 1])


def batches_per_epoch(num_videos: int, batch_size: int) -> int:
    """Number of whole batches; a set smaller than a batch is one batch."""
    return max(num_videos // batch_size, 1)


class Order:
    """The batches of one epoch, from any of them on: a batch sampler for a DataLoader.

    A batch is cut among processes, so that together they see the same batches as one.
    """

    def __init__(
        self,
        num_videos: int,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        classes: Sequence[int] | None = None,
    ) -> None:
        """
        Args:
            classes: of each video, for as many clips of every class; None: every video
                once.
        """
        self.classes = classes
        if batch_size % world_size:
            raise RecipeError(
                f"expected a batch size that {world_size} processes can share equally, got {batch_size}"
            )
        self.num_videos, self.batch_size, self.seed = num_videos, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.first_batch = 0

    def begin(self, epoch: int, first_batch: int = 0) -> None:
        """Set the start of the next iteration: an epoch and a batch in it."""
        self.epoch, self.first_batch = epoch, first_batch

    @property
    def per_epoch(self) -> int:
        """Batches of a whole epoch."""
        return batches_per_epoch(self.num_videos, self.batch_size)

    def __len__(self) -> int:
        return self.per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[ClipPosition]]:
        order = self.of_epoch(self.epoch)
        for batch in range(self.first_batch, self.per_epoch):
            yield self.positions(batch, self.epoch, order)

    def of_epoch(self, epoch: int) -> list[int]:
        """The videos of an epoch, by position."""
        if self.classes is not None:
            found = balanced_order(self.classes, seed=self.seed, epoch=epoch)
            return found.tolist()
        return epoch_order(self.num_videos, seed=self.seed, epoch=epoch).tolist()

    def positions(self, batch: int, epoch: int, order: list[int]) -> list[ClipPosition]:
        """This process's share of a batch."""
        first = batch * self.batch_size
        last = min(first + self.batch_size, self.num_videos)
        ours = range(first + self.rank, last, self.world_size)
        return [ClipPosition(epoch, position, order[position]) for position in ours]
