"""One training in several processes, as torchrun and Ray Train start them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import FirstFailed, MachineError

T = TypeVar("T")


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
        dist.destroy_process_group()


def data_parallel(
    step: nn.Module, processes: Processes, device: torch.device
) -> nn.Module:
    """A step whose gradients are the mean over all processes."""
    if processes.world_size == 1:
        return step
    devices = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(step, device_ids=devices)


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
        dist.broadcast_object_list(told, 0)
    if not told[0]:
        raise FirstFailed("the first process failed, and says why")
    return told[1]  # type: ignore[return-value]


def wait(processes: Processes) -> None:
    """Barrier: wait until all processes arrive."""
    if processes.world_size > 1:
        dist.barrier()


def _left_alone(error: RuntimeError) -> bool:
    """Whether an exchange failed because another process has ended."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
