"""Several data sets in one training: a batch has clips of each.

As with one (`order`), everything follows from epoch and batch number, so a run goes on
anywhere. An epoch lasts until every video of the data set with the most batches was
seen; the others begin again, in another order, wherever they end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import Dataset

from pipeline.store import side_by_side

from .dataset import Clips
from .order import ClipPosition, Order
from .packed import collated


class JoinedPosition(NamedTuple):
    """Position of a clip in a joint training."""

    dataset: str
    position: ClipPosition
    """In the training of this data set alone."""


class JoinedClip(NamedTuple):
    """A clip with the name of its data set."""

    dataset: str
    clip: dict[str, Tensor]


class JoinedClips(Dataset):
    """Training clips of several data sets, by name. Labels stay those of their own set."""

    def __init__(self, parts: Mapping[str, Clips]) -> None:
        self.parts = dict(parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def __getitem__(self, at: JoinedPosition) -> JoinedClip:
        return JoinedClip(at.dataset, self.parts[at.dataset][at.position])

    def __getitems__(self, batch: Sequence[JoinedPosition]) -> list[JoinedClip]:
        """The clips of a batch, of stores at addresses read side by side."""
        store = next(iter(self.parts.values())).frames.store
        return side_by_side(store, self.__getitem__, batch)


class JoinedOrder:
    """The joint counterpart of `Order`: a batch has `batch_size` clips of every data set."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self.orders = dict(orders)
        self.epoch = self.first_batch = 0

    def begin(self, epoch: int, first_batch: int = 0) -> None:
        """Set the start of the next iteration: an epoch and a batch in it."""
        self.epoch, self.first_batch = epoch, first_batch

    @property
    def batch_size(self) -> int:
        """Clips of a batch, over all data sets and processes."""
        return sum(order.batch_size for order in self.orders.values())

    @property
    def per_epoch(self) -> int:
        """Batches of a whole epoch."""
        return max(order.per_epoch for order in self.orders.values())

    def __len__(self) -> int:
        return self.per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[JoinedPosition]]:
        known: dict[tuple[str, int], list[int]] = {}
        for batch in range(self.first_batch, self.per_epoch):
            positions = []
            for name, order in self.orders.items():
                since_start = self.epoch * self.per_epoch + batch
                epoch, own = divmod(since_start, order.per_epoch)
                if (name, epoch) not in known:
                    known[name, epoch] = order.of_epoch(epoch)
                ours = order.positions(own, epoch, known[name, epoch])
                positions += [JoinedPosition(name, position) for position in ours]
            yield positions


def order_of(
    clips: Clips | JoinedClips,
    batch_size: int,
    *,
    seed: int,
    rank: int = 0,
    world_size: int = 1,
    by_class: bool = False,
) -> Order | JoinedOrder:
    """The order for clips of one data set or several.

    Args:
        batch_size: clips of each data set in a batch; fewer where it has fewer.
        by_class: as many clips of every class; of a video with several, its first counts.
    """
    if isinstance(clips, JoinedClips):
        orders = {}
        for name, part in clips.parts.items():
            found = order_of(
                part,
                batch_size,
                seed=seed,
                rank=rank,
                world_size=world_size,
                by_class=by_class,
            )
            assert isinstance(found, Order)
            orders[name] = found
        return JoinedOrder(orders)
    size = min(batch_size, len(clips))
    return Order(
        len(clips),
        size,
        seed=seed,
        rank=rank,
        world_size=world_size,
        classes=[video.labels[0] for video in clips.videos] if by_class else None,
    )


def grouped(clips: list[Any]) -> dict[str, Any]:
    """Clips as a batch; those of several data sets as data set -> batch."""
    if not isinstance(clips[0], JoinedClip):
        return collated(clips)
    names = dict.fromkeys(clip.dataset for clip in clips)
    return {
        name: collated([c.clip for c in clips if c.dataset == name]) for name in names
    }
