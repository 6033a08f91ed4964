"""The loops that are compared: a bare one, that of a training, and the reading of clips."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from ..data.dataset import Clips
from ..data.order import Order
from ..data.packed import collated, unpacked
from ..data.workers import single_threaded
from ..engine.loop import Batch, TimedBatches, autocast, fit, on_device
from ..engine.optim import build_optimizer
from ..experiments.teach import TeachRecipe
from ..runs.machine import Machine
from ..steps.labels import Supervised
from .windows import Windows


def bare_loop(
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


def training_loop(
    step: Supervised,
    settings: TeachRecipe,
    machine: Machine,
    batches: Iterator[Batch],
    *,
    ahead: int = 0,
) -> Windows:
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
    return Windows(steps, ahead=ahead, waiting=waiting)


def endless(
    clips: Clips, size: int, *, workers: int, pinned: bool = False
) -> Iterator[Batch]:
    """Batches as a training reads them, epoch after epoch."""
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


def repeated(batch: Batch) -> Iterator[Batch]:
    """One batch again and again."""
    while True:
        yield batch
