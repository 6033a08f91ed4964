"""Everything that changes while a network trains, and the checkpoint that holds it."""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import RunError
from . import checkpoint
from .average import Average
from .checkpoint import Saved, StateDict
from .optim import Schedule, load_optimizer
from .processes import ALONE, Processes


class Best(NamedTuple):
    """The weights with the highest validation score so far."""

    epoch: int = -1
    """Number of the epoch, from 0; -1 before the first validation."""
    value: float = -math.inf
    """Top-1 accuracy, or the negative loss where nothing is classified."""
    weights: StateDict | None = None


@dataclass(kw_only=True)
class TrainState:
    """Everything that changes while a network trains: what a checkpoint holds.

    Resuming from `to_checkpoint` gives the same weights, to the bit, as not stopping.
    """

    step: nn.Module
    """The step with all trainable parameters."""
    model: nn.Module
    """The part of it that is validated and stored in model.pt."""
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    processes: Processes = ALONE
    """All that share each batch."""
    steps_done: int = 0
    """Number of steps, over all epochs."""
    epochs_done: int = 0
    """Epochs whose end is recorded."""
    epoch_sums: dict[str, float] = field(default_factory=dict)
    """Name -> sum of the steps' values in this epoch."""
    line_sums: dict[str, float] = field(default_factory=dict)
    """Name -> the same since the last line of steps in metrics.jsonl."""
    seconds: float = 0.0
    """Seconds spent on this epoch."""
    waited: float = 0.0
    """The part of it that was spent waiting for batches."""
    best: Best = field(default_factory=Best)
    average: Average | None = None
    """Moving average of all that the step trains."""

    def add(self, values: dict[str, float]) -> None:
        """Add the loss and its parts of one step to the sums."""
        for name, value in values.items():
            self.epoch_sums[name] = self.epoch_sums.get(name, 0.0) + value
            self.line_sums[name] = self.line_sums.get(name, 0.0) + value

    def keep_if_best(self, epoch: int, value: float) -> None:
        """Copy the model's weights if no earlier epoch had a value as high."""
        if value > self.best.value:
            self.best = Best(epoch, value, copy.deepcopy(self.model.state_dict()))

    def end_epoch(self, epoch: int) -> None:
        """Reset the sums and clocks after the end of an epoch was recorded."""
        self.epochs_done = epoch + 1
        self.epoch_sums, self.seconds, self.waited = {}, 0.0, 0.0

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model has the averaged weights, where there are such."""
        with self.average.in_use() if self.average else nullcontext():
            yield

    def to_checkpoint(self, random: Sequence[StateDict]) -> Saved:
        """Tensors, numbers, strings, and containers of them.

        Args:
            random: the random generators of all processes, by rank.
        """
        average = {"average": self.average.state_dict()} if self.average else {}
        return average | {
            "version": checkpoint.VERSION,
            "world_size": self.processes.world_size,
            "steps_done": self.steps_done,
            "epochs_done": self.epochs_done,
            "model": self.model.state_dict(),
            "others": self._others(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": list(random),
            "epoch_sums": self.epoch_sums,
            "line_sums": self.line_sums,
            "seconds": self.seconds,
            "waited": self.waited,
            "best": self.best._asdict(),
        }

    def load_checkpoint(self, path: Path, *, steps_per_epoch: int, epochs: int) -> None:
        """Continue where the checkpoint at `path` was written.

        Raises:
            CheckpointError: the file is damaged, or of another run.
            RunError: the run was started with another number of processes.
        """
        saved = checkpoint.load(path)
        self._require_world_size(saved.get("world_size"), path.parent)
        with checkpoint.of_this_run(path):
            self.model.load_state_dict(saved["model"])
            self.step.load_state_dict(saved["others"], strict=False)
            load_optimizer(self.optimizer, saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
            self.scaler.load_state_dict(saved["scaler"])
            if self.average:
                self.average.load_state_dict(saved["average"])
            checkpoint.restore_random_state(saved["random"][self.processes.rank])
            self.steps_done, self.epochs_done = (
                saved["steps_done"],
                saved["epochs_done"],
            )
            self.epoch_sums, self.line_sums = saved["epoch_sums"], saved["line_sums"]
            self.seconds, self.waited = saved["seconds"], saved["waited"]
            self.best = Best(**saved["best"])
            ended, total = self.epochs_done * steps_per_epoch, epochs * steps_per_epoch
            most = min(ended + steps_per_epoch, total)
            if not 0 <= ended <= self.steps_done <= most:
                raise ValueError(f"step {self.steps_done} of {total}")

    def _others(self) -> StateDict:
        """The step's state without the model's: adapters, weights of losses, other heads."""
        own = {id(value) for value in self.model.state_dict(keep_vars=True).values()}
        values = self.step.state_dict(keep_vars=True)
        names = {name for name, value in values.items() if id(value) not in own}
        return {n: v for n, v in self.step.state_dict().items() if n in names}

    def _require_world_size(self, saved: Any, folder: Path) -> None:
        """Check that a run continues with as many processes as it was started with.

        Each takes its share of a batch, and batch norm sees one share at a time: with
        another number the result would be that of neither.
        """
        now = self.processes.world_size
        if saved != now:
            raise RunError(
                f"{folder}: this run was begun with {saved} process"
                f"{'es' * (saved != 1)}, now there {'is' if now == 1 else 'are'} {now}:"
                f" go on with {saved}"
                f"{f' (torchrun --nproc-per-node {saved})' * (saved != 1)}, or remove the"
                " folder or choose another --out to begin again"
            )
