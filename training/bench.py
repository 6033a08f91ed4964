"""Clips per second in training, compared with a bare loop over the same network.

The bare loop is what one would write in ten lines: one batch, always the same and
already where the network is, forward, backward, step. What training has beyond it is
reading clips, moving them, and keeping account.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from motion_shards.plain_text import printable
from pipeline.store import Store, only_store

from .data.dataset import Clips, frames_of
from .data.order import Order
from .data.packed import collated, memory_of, unpacked
from .data.packing import packing_of
from .data.splits import resolve_split, split_parts
from .data.workers import single_threaded
from .engine.loop import Batch, TimedBatches, autocast, fit, on_device
from .engine.optim import build_optimizer
from .experiments.teach import TeachRecipe
from .models.backbones import build_backbone
from .recipes import default_name, to_teach
from .recipes.changes import parse_changes, with_changes
from .recipes.files import recipe_named
from .runs.machine import (
    Machine,
    MemoryFormat,
    place_on_device,
    select_machine,
    set_memory_format,
)
from .steps.labels import Supervised

ROUNDS = 5
"""Windows of each measurement, of which the median counts."""


class Speed(NamedTuple):
    """Clips per second: of the median window, the slowest and the fastest."""

    median: float
    slowest: float
    fastest: float

    @property
    def spread(self) -> tuple[float, float]:
        return (self.slowest, self.fastest)


class _Measured:
    """Something endless, and how fast it goes in each of some windows."""

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
        self.rates, self.shares = list[float](), list[float]()

    def go_on(self, seconds: float) -> None:
        """Measure another window."""
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
        self.rates.append(count / taken)
        waited = (self.waiting.seconds if self.waiting else 0.0) - waited
        self.shares.append(waited / taken)

    def speed(self, clips: int) -> Speed:
        """Clips per second.

        Args:
            clips: of each step.
        """
        rates = (median(self.rates), min(self.rates), max(self.rates))
        return Speed(*(round(rate * clips, 2) for rate in rates))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSpeed:
    """Speeds with one number of loading processes, in clips per second."""

    workers: int
    loader_alone: float
    training: float
    loader_alone_range: tuple[float, float]
    training_range: tuple[float, float]
    """Slowest and fastest window, where the others are medians."""
    share_of_waiting: float
    """Share of the training's time that is spent waiting for clips, in the median window."""
    share_of_bare: float
    """Speed as a share of that of the bare loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """The speed of one recipe on one store, in clips per second: medians of windows."""

    store: str
    recipe: str
    modality: str
    batch_size: int
    device: str
    precision: str
    threads: int
    memory_format: MemoryFormat
    inputs: str
    """Place where clips are normalised: host or device."""
    clip_bytes: int
    """Bytes of a clip that reach the device."""
    bare: float
    """The bare loop, one batch in memory."""
    loop: float
    """Our loop over the same."""
    bare_range: tuple[float, float]
    loop_range: tuple[float, float]
    """The slowest and the fastest window."""
    rows: tuple[WorkersSpeed, ...]


def run(
    store: Path | str | None,
    *,
    modality: str,
    recipe: str | None = None,
    changes: Sequence[str] = (),
    workers: Sequence[int] = (0, 1),
    seconds: float = 10.0,
    device: str = "auto",
    precision: str = "auto",
    memory_gb: float = 0.0,
    memory_format: MemoryFormat = "auto",
    inputs: str = "auto",
) -> Benchmark:
    """Measure one recipe on one store.

    Args:
        recipe: its name or file; of one that distils, the training of its teacher.
        changes: PATH=VALUE of settings: "model.net=s3d".
        workers: numbers of loading processes to try.
        seconds: how long each figure is measured, in five windows, of which the median
            counts; the slowest and the fastest are given, too.
        precision: auto is what a training has there.
        inputs: as in `select_machine`.
        memory_gb: 0 reads every clip from the store, as large data sets must.
        memory_format: of clips and weights; auto is what a training has there.

    Returns:
        Clips per second of the bare loop, of our loop over data in memory, and for each
        number of workers.

    Raises:
        RecipeError: see `with_changes`.
    """
    opened = Store(store or only_store())
    machine = select_machine(
        device=device, precision=precision, workers=0, inputs=inputs
    )
    size_name = "paper" if machine.device.type == "cuda" else "small"
    name = recipe or default_name(size_name, teach=modality)
    made = to_teach(recipe_named(name), modality).on(opened.dataset)
    made = with_changes(made, parse_changes(changes))
    settings = made.settings
    found = split_parts(
        opened, split=resolve_split(opened, None), modalities=[modality]
    )
    frames = frames_of(opened, settings.clip, memory_bytes=int(memory_gb * (1 << 30)))
    clips = Clips(frames, found.train, [modality], settings.clip)
    if machine.inputs == "device":
        clips = packing_of(clips)
    size = min(settings.batch_size, len(clips))
    model = build_backbone(settings.model, len(opened.classes))
    step = Supervised(model, sees=modality)
    place_on_device(step, machine.device)
    set_memory_format(step.model, memory_format)
    pinned = machine.device.type == "cuda"
    sent = next(_endless(clips, size, workers=0))
    batch = unpacked(sent, machine.device)
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
    speeds = [
        (count, loading.speed(size), training.speed(size), median(training.shares))
        for count, loading, training in rows
    ]
    alone, ours = bare.speed(size), loop.speed(size)
    return Benchmark(
        store=opened.folder.name,
        recipe=made.name if made.changes else name,
        modality=modality,
        batch_size=size,
        device=machine.facts().device,
        precision=machine.precision,
        threads=torch.get_num_threads(),
        memory_format=memory_format,
        inputs=machine.inputs,
        clip_bytes=memory_of(sent[modality]) // size,
        bare=alone.median,
        loop=ours.median,
        bare_range=alone.spread,
        loop_range=ours.spread,
        rows=tuple(
            WorkersSpeed(
                workers=count,
                loader_alone=loading.median,
                training=training.median,
                loader_alone_range=loading.spread,
                training_range=training.spread,
                share_of_waiting=round(waited, 3),
                share_of_bare=round(training.median / alone.median, 3),
            )
            for count, loading, training, waited in speeds
        ),
    )


def text(found: Benchmark) -> str:
    """A table for people."""
    what = (
        f"{found.store}, {found.recipe}, {found.modality}, batches of"
        f" {found.batch_size}, {found.device} {found.precision},"
        f" {found.threads} threads, memory format {found.memory_format},"
        f" {found.clip_bytes / 1e6:.3g} MB per clip sent to be normalised on the"
        f" {found.inputs}; clips per second: median of {ROUNDS} windows (slowest"
        " to fastest)"
    )
    lines = [
        what,
        f"bare loop, one batch in memory: {_speed_text(found.bare, found.bare_range)}",
        f"our loop over the same: {_speed_text(found.loop, found.loop_range)}",
        f"{'workers':>8} {'loader alone':>26} {'training':>26} {'waiting':>8} {'of bare':>8}",
    ]
    lines += [
        f"{row.workers:>8}"
        f" {_speed_text(row.loader_alone, row.loader_alone_range):>26}"
        f" {_speed_text(row.training, row.training_range):>26}"
        f" {row.share_of_waiting:>8.1%} {row.share_of_bare:>8.1%}"
        for row in found.rows
    ]
    return "\n".join(map(printable, lines))


def _speed_text(middle: float, spread: tuple[float, float]) -> str:
    """123.4 (120.1 to 130.0)"""
    return f"{middle:.1f} ({spread[0]:.1f} to {spread[1]:.1f})"


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
        (unpacked(batch, machine.device) for batch in waiting),
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
        collate_fn=collated,
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
