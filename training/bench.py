"""Clips per second in training: the loader alone, the network alone, and both."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from pipeline.store import Store, only_store

from .data.dataset import Clips, frames_of
from .data.order import Order
from .data.splits import chosen_split, parts
from .engine.loop import Batch, Waiting, fit
from .engine.optim import build_optimizer
from .jobs.machine import Machine, arranged, chosen_machine
from .jobs.teach import TeachRecipe
from .models.backbones import build_backbone
from .protocols import single_threaded
from .recipes import default_name, family
from .steps import Supervised


def run(
    store: Path | None,
    *,
    modality: str,
    recipe: str | None = None,
    workers: Sequence[int] = (0, 1),
    seconds: float = 10.0,
    device: str = "auto",
    memory_gb: float = 0.0,
) -> dict[str, Any]:
    """Measure one recipe on one store.

    Args:
        workers: numbers of loading processes to try.
        seconds: how long each figure is measured, after two batches to warm up.
        memory_gb: 0 reads every clip from the store, as large data sets must.
    """
    opened = Store(store or only_store())
    machine = chosen_machine(device=device, precision="float32", workers=0)
    size_name = "paper" if machine.device.type == "cuda" else "small"
    name = recipe or default_name(size_name, teach=modality)
    settings = family(name).teach(modality)
    found = parts(opened, split=chosen_split(opened, None), modalities=[modality])
    frames = frames_of(opened, settings.clip, memory_bytes=int(memory_gb * (1 << 30)))
    clips = Clips(frames, found.train, [modality], settings.clip)
    size = min(settings.batch_size, len(clips))
    model = build_backbone(settings.model, len(opened.classes))
    step = Supervised(model, sees=modality)
    arranged(step, machine.device)
    told: dict[str, Any] = {
        "store": opened.folder.name,
        "recipe": name,
        "modality": modality,
        "batch_size": size,
        "device": machine.told()["device"],
        "threads": torch.get_num_threads(),
        "rows": [],
    }
    batch = next(_endless(clips, size, workers=0))
    alone, _ = _training(step, settings, machine, _repeat(batch), seconds)
    told["network_alone"] = round(alone * size, 2)
    for count in workers:
        loading = _timed(_endless(clips, size, workers=count), seconds)
        both, waiting = _training(
            step, settings, machine, _endless(clips, size, workers=count), seconds
        )
        told["rows"].append(
            {
                "workers": count,
                "loader_alone": round(loading * size, 2),
                "training": round(both * size, 2),
                "share_of_waiting": round(waiting, 3),
                "share_of_network_alone": round(both / alone, 3),
            }
        )
    return told


def text(told: dict[str, Any]) -> str:
    """A table for people."""
    what = (
        f"{told['store']}, {told['recipe']}, {told['modality']}, batches of"
        f" {told['batch_size']}, {told['device']}, {told['threads']} threads;"
        " clips per second"
    )
    lines = [
        what,
        f"network alone, data in memory: {told['network_alone']:.1f}",
        f"{'workers':>8} {'loader alone':>13} {'training':>9} {'waiting':>8} {'of network':>11}",
    ]
    lines += [
        f"{row['workers']:>8} {row['loader_alone']:>13.1f} {row['training']:>9.1f}"
        f" {row['share_of_waiting']:>8.1%} {row['share_of_network_alone']:>11.1%}"
        for row in told["rows"]
    ]
    return "\n".join(lines)


def _training(
    step: Supervised,
    settings: TeachRecipe,
    machine: Machine,
    batches: Iterator[Batch],
    seconds: float,
) -> tuple[float, float]:
    """Steps per second, and the share of the time that was waiting for data."""
    waiting = Waiting(batches)
    steps = fit(
        step,
        waiting,
        build_optimizer(step, settings.optim),
        device=machine.device,
        gradient_clip=settings.optim.gradient_clip,
    )
    next(steps), next(steps)
    before, started = waiting.seconds, time.perf_counter()
    rate = _timed(steps, seconds)
    return rate, (waiting.seconds - before) / (time.perf_counter() - started)


def _timed(things: Iterator[Any], seconds: float) -> float:
    """How many come per second, after two."""
    next(things), next(things)
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds or not count:
        next(things)
        count += 1
    return count / taken if taken else float("inf")


def _endless(clips: Clips, size: int, *, workers: int) -> Iterator[Batch]:
    order = Order(len(clips), size, seed=0)
    loader = DataLoader(
        clips,
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
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
