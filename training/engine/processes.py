"""One training in several processes, as torchrun and Ray Train start them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import FirstFailed, MachineError

T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""Longest work of the first process (an evaluation, the waiting for a teacher) for which the
others wait. Exchanges of a training step keep the shorter limit of torch, after which a
process that hangs is noticed."""
_patient: list[Any] = []
"""The group of processes, on CPUs, in which they wait for the first."""


class Processes(NamedTuple):
    """Rank of this process and number of processes."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Among those of this machine: its GPU."""

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes, prints and evaluates."""
        return self.rank == 0


ALONE = Processes()


def from_environment() -> Processes:
    """Read RANK, WORLD_SIZE and LOCAL_RANK; a single process without them."""
    return Processes(
        int(os.environ.get("RANK", "0")),
        int(os.environ.get("WORLD_SIZE", "1")),
        int(os.environ.get("LOCAL_RANK", "0")),
    )


@contextmanager
def joined(processes: Processes, device: torch.device) -> Iterator[None]:
    """A process group for the duration of the block; nothing for a single process."""
    if processes.world_size == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    _patient.append(dist.new_group(backend="gloo", timeout=PATIENCE))
    try:
        yield
    except RuntimeError as error:
        if not _left_alone(error):
            raise
        raise MachineError(
            f"process {processes.rank} of {processes.world_size}: another process of"
            f" this run has ended: {str(error).splitlines()[0]}"
        ) from error
    finally:
        _patient.clear()
        dist.destroy_process_group()


def data_parallel(
    step: nn.Module,
    processes: Processes,
    device: torch.device,
    *,
    some_unused: bool = False,
) -> nn.Module:
    """A step whose gradients are the mean over all processes.

    Args:
        some_unused: the loss may not depend on some of its parameters, which then have
            no gradient, as in one process.
    """
    if processes.world_size == 1:
        return step
    devices = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(
        step, device_ids=devices, find_unused_parameters=some_unused
    )


def any_process(value: bool, processes: Processes) -> bool:
    """Logical or over all processes, the same on each."""
    if processes.world_size == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    votes = torch.tensor([int(value)], device=device)
    dist.all_reduce(votes, dist.ReduceOp.MAX)
    return bool(votes.item())


def broadcast_first(values: list[float], processes: Processes) -> list[float]:
    """Broadcast values of the first process, so that all processes agree."""
    if processes.world_size == 1:
        return values
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    sent = torch.tensor(values, dtype=torch.float64, device=device)
    dist.broadcast(sent, 0)
    return sent.tolist()


def run_on_first(work: Callable[[], T], processes: Processes) -> T:
    """Run some work on the first process and give its result to all.

    Args:
        work: returns text, numbers or None.

    Raises:
        FirstFailed: in the other processes, if it failed in the first.
    """
    if processes.world_size == 1:
        return work()
    told: list[object] = [False, None]
    try:
        if processes.first:
            told = [True, work()]
    finally:
        dist.broadcast_object_list(told, 0, group=_patient_group())
    if not told[0]:
        raise FirstFailed("the first process failed, and says why")
    return told[1]  # type: ignore[return-value]


def wait(processes: Processes) -> None:
    """Barrier: wait until all processes arrive."""
    if processes.world_size > 1:
        dist.barrier(group=_patient_group())


def gathered(value: T, processes: Processes) -> list[T]:
    """The values of all processes by rank, on each of them.

    Args:
        value: tensors on the CPU, numbers, text, or containers of them.
    """
    if processes.world_size == 1:
        return [value]
    found: list[Any] = [None] * processes.world_size
    dist.all_gather_object(found, value, group=_patient_group())
    return found


def _patient_group() -> Any:
    """None, the default group, where a launcher made the groups."""
    return _patient[0] if _patient else None


def _left_alone(error: RuntimeError) -> bool:
    """Whether an exchange failed because another process has ended."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
