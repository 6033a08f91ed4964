"""Batches for a training, in an order that starts anywhere; and looks at held-out videos."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import nn
from torch.utils.data import DataLoader

from ..data.dataset import Clips
from ..data.order import Order, batches_per_epoch
from ..engine.loop import AnyBatch, Batch, JointBatch
from ..protocols import Scorer, single_threaded
from .course import Course, Data
from .machine import Machine


class Feed(Protocol):
    """Where batches come from."""

    per_epoch: int
    """Batches."""
    clips: int
    """In a batch, over all processes."""

    def begin(self, epoch: int, first: int) -> None:
        """The next batch is number `first` of this epoch."""

    def __iter__(self) -> Iterator[AnyBatch]:
        """The rest of the epoch."""


class ClipFeed:
    """Random clips of one data set's training part."""

    def __init__(
        self, clips: Clips, *, batch_size: int, seed: int, machine: Machine
    ) -> None:
        processes = machine.processes
        self.order = Order(
            len(clips),
            min(batch_size, len(clips)),
            seed=seed,
            rank=processes.rank,
            world_size=processes.world_size,
        )
        self.clips = self.order.batch_size
        self.per_epoch = batches_per_epoch(len(clips), self.clips)
        self.loader = DataLoader(
            clips,
            batch_sampler=self.order,
            num_workers=machine.workers,
            persistent_workers=machine.workers > 0,
            pin_memory=machine.device.type == "cuda",
            worker_init_fn=single_threaded,
            generator=torch.Generator(),  # else iterating would draw from dropout's
        )

    def begin(self, epoch: int, first: int) -> None:
        self.order.begin(epoch, first)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.loader)


class JointFeed:
    """A batch of each of several data sets. The first says how long an epoch is.

    The others go through their own epochs meanwhile, however long these are.
    """

    def __init__(self, feeds: Mapping[str, ClipFeed]) -> None:
        self.feeds = dict(feeds)
        first = next(iter(self.feeds.values()))
        self.per_epoch = first.per_epoch
        self.clips = sum(feed.clips for feed in self.feeds.values())
        self.step = 0

    def begin(self, epoch: int, first: int) -> None:
        self.step = epoch * self.per_epoch + first

    def __iter__(self) -> Iterator[JointBatch]:
        left = self.per_epoch - self.step % self.per_epoch
        sources = [_from(feed, self.step) for feed in self.feeds.values()]
        for _, *batches in zip(range(left), *sources, strict=False):
            yield dict(zip(self.feeds, batches, strict=True))


def _from(feed: ClipFeed, step: int) -> Iterator[Batch]:
    """A feed's batches from a step on, over all its epochs."""
    epoch, first = divmod(step, feed.per_epoch)
    while True:
        feed.begin(epoch, first)
        yield from feed
        epoch, first = epoch + 1, 0


class Look(NamedTuple):
    """What the held-out part says of a network."""

    loss: float
    top1: float | None = None
    """None where nothing is recognised, as by a network of motion."""


class Looking(Protocol):
    """Looks at the held-out part."""

    def __call__(self, model: nn.Module) -> Look: ...


def clip_feed(course: Course, data: Data, *, seed: int, machine: Machine) -> ClipFeed:
    """The training part, as a course wants it."""
    return ClipFeed(
        data.clips["train"], batch_size=course.batch_size, seed=seed, machine=machine
    )


def held_out_look(
    course: Course, data: Data, *, sees: str, machine: Machine
) -> Looking | None:
    """How often a classifier is right on the held-out part; None where it is empty."""
    if not data.parts.held_out:
        return None
    scorer = Scorer(
        data.clips["held_out"],
        sees=sees,
        protocol=course.protocol,
        device=machine.device,
        precision=machine.precision,
        workers=min(machine.workers, 2),
        part="held_out",
    )

    def look(model: nn.Module) -> Look:
        scores = scorer(model)
        return Look(scores.loss, float(scores.hits().mean()))

    return look
