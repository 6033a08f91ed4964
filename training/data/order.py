"""(seed, epoch, position) -> which clip comes next, as a pure function.

There is no state to save: a run that stopped after batch 37 of epoch 4 goes on with
batch 38 of epoch 4. A position says all about a clip: which video it is of and, by its
own random generator, which start, crop, flip and brightness. So the clips of a run do
not depend on workers, on the number of processes, or on what was drawn before.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """Where in a training a clip stands."""

    epoch: int
    position: int
    """Place in the epoch."""
    video: int
    """Its place in the list of videos."""


def epoch_order(num_videos: int, *, seed: int, epoch: int) -> np.ndarray:
    """(num_videos,) int64, every video once; another order for every seed and epoch."""
    return np.random.default_rng([seed, epoch]).permutation(num_videos)


def draw_generator(place: Place, *, seed: int) -> np.random.Generator:
    """The random numbers of one clip, apart from those of the order."""
    return np.random.default_rng([seed, place.epoch, place.position, 1])


def batches_per_epoch(num_videos: int, batch_size: int) -> int:
    """Whole batches only; a set smaller than a batch is one batch."""
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
    ) -> None:
        if batch_size % world_size:
            raise ValueError(
                f"expected a batch size that {world_size} processes can share equally, got {batch_size}"
            )
        self.num_videos, self.batch_size, self.seed = num_videos, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.first_batch = 0

    def begin(self, epoch: int, first_batch: int = 0) -> None:
        """What the next iteration yields: this epoch, from this batch on."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        return batches_per_epoch(self.num_videos, self.batch_size) - self.first_batch

    def __iter__(self) -> Iterator[list[Place]]:
        order = epoch_order(self.num_videos, seed=self.seed, epoch=self.epoch).tolist()
        for batch in range(self.first_batch, self.first_batch + len(self)):
            first = batch * self.batch_size
            last = min(first + self.batch_size, self.num_videos)
            ours = range(first + self.rank, last, self.world_size)
            yield [Place(self.epoch, p, order[p]) for p in ours]
