"""Clips per second in training, compared with a bare loop over the same network.

The bare loop is what one would write in ten lines: one batch, always the same and
already where the network is, forward, backward, step. What training has beyond it is
reading clips, moving them, and keeping account.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from motion_shards.plain_text import printable
from pipeline.store import Store, only_store

from .data.dataset import Clips, frames_of
from .data.order import Order
from .data.splits import resolve_split, split_parts
from .engine.loop import Batch, TimedBatches, autocast, fit, on_device
from .engine.optim import build_optimizer
from .experiments.teach import TeachRecipe
from .models.backbones import build_backbone
from .recipes import default_name, get_recipe, to_teach
from .runs.machine import Machine, place_on_device, select_machine
from .scoring.protocols import single_threaded
from .steps.labels import Supervised

ROUNDS = 3


class _Measured:
    """Something endless, and how fast it goes."""

    def __init__(
        self,
        steps: Iterator[Any],
        *,
        ahead: int = 0,
        waiting: TimedBatches | None = None,
    ) -> None:
        """
        Args:
            ahead: number of batches that may lie ready after a pause and do not count.
        """
        self.steps, self.ahead, self.waiting = steps, ahead, waiting
        self.best = self.waited_at_best = 0.0

    def go_on(self, seconds: float) -> None:
        """Another round: the best one counts."""
        for _ in range(2 + self.ahead):
            next(self.steps)
        _settle()
        waited = self.waiting.seconds if self.waiting else 0.0
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds or not count:
            next(self.steps)
            count += 1
            if count % 16 == 0:  # a GPU's work is only ordered, not done
                _settle()
        _settle()
        taken = time.perf_counter() - started
        if count / taken > self.best:
            self.best = count / taken
            waited = (self.waiting.seconds if self.waiting else 0.0) - waited
            self.waited_at_best = waited / taken


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSpeed:
    """Speeds with one number of loading processes, in clips per second."""

    workers: int
    loader_alone: float
    training: float
    share_of_waiting: float
    """Share of the training's time that is spent waiting for clips."""
    share_of_bare: float
    """Speed as a share of that of the bare loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The speed of one recipe on one store, in clips per second."""

    store: str
    recipe: str
    modality: str
    batch_size: int
    device: str
    precision: str
    threads: int
    bare: float
    """The bare loop, one batch in memory."""
    loop: float
    """Our loop over the same."""
    rows: tuple[WorkersSpeed, ...]


def run(
    store: Path | None,
    *,
    modality: str,
    recipe: str | None = None,
    workers: Sequence[int] = (0, 1),
    seconds: float = 10.0,
    device: str = "auto",
    precision: str = "auto",
    memory_gb: float = 0.0,
) -> Benchmark:
    """Measure one recipe on one store.

    Args:
        workers: numbers of loading processes to try.
        seconds: how long each figure is measured, in three rounds, of which the best
            counts: what else the machine does can only slow things down.
        precision: auto is what a training has there.
        memory_gb: 0 reads every clip from the store, as large data sets must.

    Returns:
        Clips per second of the bare loop, of our loop over data in memory, and for each
        number of workers.
    """
    opened = Store(store or only_store())
    machine = select_machine(device=device, precision=precision, workers=0)
    size_name = "paper" if machine.device.type == "cuda" else "small"
    name = recipe or default_name(size_name, teach=modality)
    settings = to_teach(get_recipe(name), modality).settings
    found = split_parts(
        opened, split=resolve_split(opened, None), modalities=[modality]
    )
    frames = frames_of(opened, settings.clip, memory_bytes=int(memory_gb * (1 << 30)))
    clips = Clips(frames, found.train, [modality], settings.clip)
    size = min(settings.batch_size, len(clips))
    model = build_backbone(settings.model, len(opened.classes))
    step = Supervised(model, sees=modality)
    place_on_device(step, machine.device)
    pinned = machine.device.type == "cuda"
    batch = next(_endless(clips, size, workers=0))
    bare = _Measured(_bare(step, settings, machine, batch))
    there = _repeat(on_device(batch, machine.device))
    loop = _training(step, settings, machine, there)
    rows = [
        (
            count,
            _Measured(_endless(clips, size, workers=count), ahead=2 * count),
            _training(
                step,
                settings,
                machine,
                _endless(clips, size, workers=count, pinned=pinned),
                ahead=2 * count,
            ),
        )
        for count in workers
    ]
    for _ in range(ROUNDS):  # in turn, so that a neighbour's noise meets all of them
        for measured in (bare, loop, *(one for _, *both in rows for one in both)):
            measured.go_on(seconds / ROUNDS)
    return Benchmark(
        store=opened.folder.name,
        recipe=name,
        modality=modality,
        batch_size=size,
        device=machine.facts().device,
        precision=machine.precision,
        threads=torch.get_num_threads(),
        bare=round(bare.best * size, 2),
        loop=round(loop.best * size, 2),
        rows=tuple(
            WorkersSpeed(
                workers=count,
                loader_alone=round(loading.best * size, 2),
                training=round(training.best * size, 2),
                share_of_waiting=round(training.waited_at_best, 3),
                share_of_bare=round(training.best / bare.best, 3),
            )
            for count, loading, training in rows
        ),
    )


def text(found: Benchmark) -> str:
    """A table for people."""
    what = (
        f"{found.store}, {found.recipe}, {found.modality}, batches of"
        f" {found.batch_size}, {found.device} {found.precision},"
        f" {found.threads} threads;"
        " clips per second"
    )
    lines = [
        what,
        f"bare loop, one batch in memory: {found.bare:.1f}",
        f"our loop over the same: {found.loop:.1f}",
        f"{'workers':>8} {'loader alone':>13} {'training':>9} {'waiting':>8} {'of bare':>8}",
    ]
    lines += [
        f"{row.workers:>8} {row.loader_alone:>13.1f} {row.training:>9.1f}"
        f" {row.share_of_waiting:>8.1%} {row.share_of_bare:>8.1%}"
        for row in found.rows
    ]
    return "\n".join(map(printable, lines))


def _bare(
    step: Supervised, settings: TeachRecipe, machine: Machine, batch: Batch
) -> Iterator[None]:
    """The ten lines one would write without us."""
    model = step.model.train()
    optimizer = build_optimizer(step, settings.optim)
    batch = on_device(batch, machine.device)
    clip = settings.optim.gradient_clip
    while True:
        optimizer.zero_grad(set_to_none=True)
        with autocast(machine.device, machine.precision):
            loss = F.cross_entropy(model(batch[step.sees]), batch["label"])
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        yield


def _training(
    step: Supervised,
    settings: TeachRecipe,
    machine: Machine,
    batches: Iterator[Batch],
    *,
    ahead: int = 0,
) -> _Measured:
    """The loop of a training, and how long it waits for clips."""
    waiting = TimedBatches(batches)
    steps = fit(
        step,
        waiting,
        build_optimizer(step, settings.optim),
        device=machine.device,
        precision=machine.precision,
        gradient_clip=settings.optim.gradient_clip,
        accumulate=settings.optim.accumulate,
    )
    return _Measured(steps, ahead=ahead, waiting=waiting)


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _endless(
    clips: Clips, size: int, *, workers: int, pinned: bool = False
) -> Iterator[Batch]:
    order = Order(len(clips), size, seed=0)
    loader = DataLoader(
        clips,
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pinned,
        worker_init_fn=single_threaded,
    )
    epoch = 0
    while True:
        order.begin(epoch)
        yield from loader
        epoch += 1


def _repeat(batch: Batch) -> Iterator[Batch]:
    while True:
        yield batch
