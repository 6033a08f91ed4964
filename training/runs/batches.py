"""The batches of a training, and the time that it waits for them."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader

from ..data.dataset import Clips
from ..data.joined import JoinedClips, JoinedOrder, grouped
from ..data.order import Order
from ..data.packing import packing
from ..data.workers import single_threaded
from ..engine.state import TrainState
from .expected_hours import large_frames_notice
from .machine import Machine


def loader_of(
    clips: Clips | JoinedClips, order: Order | JoinedOrder, machine: Machine
) -> DataLoader:
    """Batches in this order; `order.begin` takes effect at the next iteration."""
    return DataLoader(
        packing(clips) if machine.inputs == "device" else clips,
        batch_sampler=order,  # type: ignore[arg-type]
        collate_fn=grouped,
        num_workers=machine.workers,
        persistent_workers=machine.workers > 0,
        pin_memory=machine.device.type == "cuda",
        worker_init_fn=single_threaded,
        generator=torch.Generator(),  # else iterating would draw from dropout's
    )


def first_batch(clips: Clips | JoinedClips, order: Order | JoinedOrder) -> Any:
    """The first batch of a training, read by this process."""
    order.begin(0)
    first: Any = next(iter(order))
    return grouped([clips[place] for place in first])


def report_waiting(
    state: TrainState,
    clips: Clips | JoinedClips,
    say: Callable[[str], None],
    title: str,
) -> None:
    """Report stores that are larger than the network's input, if reading them takes long.

    Not of motion vectors, which are fewer in a smaller store.
    """
    parts = clips.parts.values() if isinstance(clips, JoinedClips) else [clips]
    waited = state.waited / max(state.seconds, 1e-9)
    for part in parts:
        if not isinstance(part, Clips):  # clips of a user's own
            continue
        if "mv" in part.modalities:
            continue  # vectors are of 8 px as stored: those of smaller frames are coarser
        told = large_frames_notice(part.frames.store, part.config, waited=waited)
        if told:
            say(f"{title}: {told}")
