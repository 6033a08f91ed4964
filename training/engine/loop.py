"""The training loop: takes batches, makes optimizer steps, yields losses."""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import Diverged

Batch = dict[str, Tensor]
"""Modality -> (B, C, T, H, W), and "label" -> (B,) int64."""

JointBatch = dict[str, Batch]
"""Data set -> a batch of it."""

Precision = Literal["float32", "bfloat16", "float16"]


class StepOutput(NamedTuple):
    """Result of a step: the loss and its parts."""

    loss: Tensor
    """Scalar, to call backward on."""
    parts: dict[str, Tensor]
    """Unweighted scalars by name, for the record."""


class TimedBatches:
    """Passes batches on and counts the seconds that the loop waited for them."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        started = time.perf_counter()
        for batch in self.batches:
            self.seconds += time.perf_counter() - started
            yield batch
            started = time.perf_counter()


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Networks inside compute in half precision, unless it is float32."""
    dtype = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }[precision]
    return torch.autocast(device.type, dtype, enabled=precision != "float32")


def on_device(batch: Any, device: torch.device) -> Any:
    """The batch on the network's device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    return {name: on_device(value, device) for name, value in batch.items()}


def count_clips(batch: Any) -> int:
    """Number of clips of a batch, over all data sets."""
    parts = list(batch.values())
    return (
        len(parts[0]) if isinstance(parts[0], Tensor) else sum(map(count_clips, parts))
    )


def split_batch(batch: Any, count: int) -> list[Any]:
    """Split a batch into `count` equal parts, as far as possible; fewer if it has fewer clips."""
    if isinstance(batch, Tensor):
        return list(batch.tensor_split(min(count, len(batch))))
    parts = {name: split_batch(value, count) for name, value in batch.items()}
    fewest = min(map(len, parts.values()))
    if any(len(part) != fewest for part in parts.values()):  # a small data set
        parts = {name: split_batch(value, fewest) for name, value in batch.items()}
    return [{n: part[i] for n, part in parts.items()} for i in range(fewest)]


def train_mode(step: nn.Module) -> None:
    """Set training mode, except for modules without trainable parameters.

    Otherwise batch norm in a frozen stage would follow the new data.
    """
    step.train()
    for module in step.modules():
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()


def fit(
    step: nn.Module,
    batches: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
    precision: Precision = "float32",
    scaler: torch.amp.GradScaler | None = None,
    gradient_clip: float | None = None,
    accumulate: int = 1,
    read_late: bool | None = None,
) -> Iterator[dict[str, float]]:
    """Take one optimizer step per batch, and yield the loss and its parts.

    The caller decides what to do between batches: record, evaluate, save, stop.

    Args:
        step: batch -> `StepOutput`, whose loss is a mean over clips.
        scaler: needed with float16, whose small gradients would vanish.
        gradient_clip: largest norm of the gradient of all weights.
        accumulate: number of parts in which a batch passes the network, for less memory;
            the gradient is that of the whole batch, except that batch norm and terms
            that relate clips see one part at a time. (Of several data sets: where
            each one's clips can be cut equally.)
        read_late: read the loss after the optimizer's work was queued, as reading waits
            for the device, which would then be idle. None: on a GPU.

    Raises:
        Diverged: the loss is not finite. No step is taken then, unless `read_late`.
    """
    train_mode(step)
    if read_late is None:
        read_late = device.type != "cpu"
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        clips = count_clips(batch)
        parts = split_batch(batch, accumulate) if accumulate > 1 else [batch]
        found: list[tuple[float, StepOutput]] = []
        for part in parts:
            share = count_clips(part) / clips
            last = part is parts[-1]
            with _gathered(step, last):
                with autocast(device, precision):
                    output = step(on_device(part, device))
                scaler.scale(
                    output.loss * share if share < 1 else output.loss
                ).backward()
            found.append((share, StepOutput(output.loss.detach(), output.parts)))
        values = None if read_late else _finite(found, optimizer)
        if gradient_clip is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(weights, gradient_clip)
        scaler.step(optimizer)
        scaler.update()
        yield values or _finite(found, optimizer)


def _finite(
    found: list[tuple[float, StepOutput]], optimizer: torch.optim.Optimizer
) -> dict[str, float]:
    """Loss and parts, or Diverged. Waits for the device."""
    values = _means(found)
    if not math.isfinite(values["loss"]):
        optimizer.zero_grad(set_to_none=True)
        told = ", ".join(f"{name} {value:.6g}" for name, value in values.items())
        raise Diverged(f"the loss is not finite: {told}")
    return values


def _means(found: list[tuple[float, StepOutput]]) -> dict[str, float]:
    """Loss and parts over all parts of a batch. Waits for the device once."""
    names = ["loss", *found[0][1].parts]
    rows = [
        torch.stack(
            [v.detach().double() for v in (output.loss, *output.parts.values())]
        )
        for _, output in found
    ]
    means = rows[0] if len(rows) == 1 else torch.zeros_like(rows[0])
    if len(rows) > 1:
        for (share, _), row in zip(found, rows, strict=True):
            means += share * row
    return dict(zip(names, means.tolist(), strict=True))


def _gathered(step: nn.Module, last: bool) -> AbstractContextManager[object]:
    """Processes exchange gradients with the last part only."""
    if last or not isinstance(step, DistributedDataParallel):
        return nullcontext()
    return step.no_sync()
