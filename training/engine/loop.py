"""The one loop: batches in, optimizer steps done, measurements out."""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import Diverged

Batch = dict[str, Tensor]
"""Modality -> (B, C, T, H, W), and "label" -> (B,) int64."""

Precision = Literal["float32", "bfloat16", "float16"]


class StepOutput(NamedTuple):
    """What a step owes the loop."""

    loss: Tensor
    """Scalar, to call backward on."""
    parts: dict[str, Tensor]
    """Unweighted scalars by name, for the record."""


class Waiting:
    """Passes batches on and counts the seconds that the loop waited for them."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Batch]:
        started = time.perf_counter()
        for batch in self.batches:
            self.seconds += time.perf_counter() - started
            yield batch
            started = time.perf_counter()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch where the network is."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def fit(
    step: nn.Module,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
    precision: Precision = "float32",
    scaler: torch.amp.GradScaler | None = None,
    gradient_clip: float | None = None,
) -> Iterator[dict[str, float]]:
    """Take one optimizer step per batch, and yield the loss and its parts.

    The caller decides what to do between batches: record, evaluate, save, stop.

    Args:
        step: batch -> `StepOutput`.
        scaler: needed with float16, whose small gradients would vanish.
        gradient_clip: largest norm of the gradient of all weights.

    Raises:
        Diverged: the loss is infinite or not a number. No step is taken then.
    """
    step.train()
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    for batch in batches:
        with torch.autocast(
            device.type, getattr(torch, precision), enabled=precision != "float32"
        ):
            output = step(on_device(batch, device))
        values = {"loss": output.loss.item()}
        values |= {name: part.item() for name, part in output.parts.items()}
        if not math.isfinite(values["loss"]):
            told = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
            raise Diverged(f"the loss is no longer a number: {told}")
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(output.loss).backward()
        if gradient_clip is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(weights, gradient_clip)
        scaler.step(optimizer)
        scaler.update()
        yield values
