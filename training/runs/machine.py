"""Device, precision and processes of a run: all that should not decide its result."""

import os
import platform
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import Module

from motion_shards.cores import processor_name, usable_cores, worker_cores

from ..data.packing import Inputs, inputs_on
from ..engine.loop import Precision
from ..engine.processes import ALONE, Processes
from ..errors import MachineError
from ..run_files.run_config import StartedOn
from .software import command_line, source_commit, versions
from .tensorboard_log import require_tensorboard

CPU = torch.device("cpu")

MemoryFormat = Literal["auto", "contiguous", "channels_last"]
CHANNELS_LAST = {nn.Conv2d: torch.channels_last, nn.Conv3d: torch.channels_last_3d}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Device, worker processes and precision of a run."""

    device: torch.device = CPU
    precision: Precision = "float32"
    workers: int = 0
    """Processes that read clips; 0 reads between the steps."""
    memory_bytes: int = 1 << 30
    """Training clips are remembered up to here, over all workers; as much again by those
    that read the held-out part."""
    checkpoint_seconds: float = 180.0
    inputs: Inputs = "host"
    """Place where clips are scaled and normalised; motion differs by rounding, frames do
    not."""
    memory_format: MemoryFormat = "auto"
    """Order in memory of clips and weights; auto is chosen by a trial on a GPU."""
    compile: bool = False
    """Compile the networks with torch.compile; values change by rounding."""
    processes: Processes = ALONE
    loggers: tuple[str, ...] = ()
    """Loggers of metrics besides metrics.jsonl and metrics.csv: "tensorboard"."""

    @property
    def worker_bytes(self) -> int:
        """Memory that one process may use to keep decoded clips."""
        return self.memory_bytes // max(self.workers, 1)

    def facts(self) -> StartedOn:
        """The machine, for recipe.json."""
        device = self.device.type
        if device == "cuda":
            device = torch.cuda.get_device_name(self.device)
        return StartedOn(
            device=device,
            machine=platform.machine(),
            threads=torch.get_num_threads(),
            workers=self.workers,
            compiled=self.compile,
            torch=str(torch.__version__),
            processor=processor_name(),
            cores=usable_cores(),
            versions=versions(),
            commit=source_commit(),
            command=command_line(),
        )


def place_on_device(module: Module, device: torch.device) -> Module:
    """A network where it will run, its weights in the order that is fastest there.

    On a CPU 3D convolutions are 1.2 to 1.6 times as fast with channels last
    (tests/bench_training.py). Values and names stay.
    """
    module.to(device)
    if device.type == "cpu":
        for weight in module.parameters():
            if weight.dim() == 5:
                weight.data = weight.data.to(memory_format=torch.channels_last_3d)
    return module


def set_memory_format(module: Module, memory_format: MemoryFormat) -> None:
    """The weights of convolutions, and clips on their way to 3D ones, in an order of memory.

    Values and names stay; only speed differs.

    Args:
        module: takes clips (B, C, T, H, W).
        memory_format: auto leaves all as it is.
    """
    if memory_format == "auto":
        return
    orders = {
        kind: order if memory_format == "channels_last" else torch.contiguous_format
        for kind, order in CHANNELS_LAST.items()
    }
    kinds = set()
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d)):
            kind = nn.Conv3d if isinstance(part, nn.Conv3d) else nn.Conv2d
            kinds.add(kind)
            part.weight.data = part.weight.data.contiguous(memory_format=orders[kind])
    if nn.Conv3d not in kinds:
        return

    def ordered(module: Module, inputs: tuple[Any, ...]) -> Any:
        return tuple(
            it.contiguous(memory_format=orders[nn.Conv3d])
            if isinstance(it, torch.Tensor) and it.dim() == 5
            else it
            for it in inputs
        )

    module.register_forward_pre_hook(ordered)


def gpu_of(processes: Processes, gpus: int) -> int:
    """Index of a process's GPU among those that it sees.

    Some launchers show each process its own GPU alone, which is then number 0.

    Raises:
        MachineError: there are fewer GPUs than processes on this machine.
    """
    rank = processes.local_rank
    if gpus == 1:
        return 0
    if rank >= gpus:
        raise MachineError(
            f"process {processes.rank} of {processes.world_size}: expected a GPU for each"
            f" process of this machine, got {gpus} for process {rank + 1} here"
        )
    return rank


MAX_WORKERS = 32
"""Processes that read clips for one GPU, unless more are asked for: each keeps two batches
ahead in shared memory."""


def gpu_workers(cores: int, trainings: int = 1) -> int:
    """Processes that read clips for each GPU: all cores but two, which the training itself
    needs; at least 1.

    Args:
        trainings: processes of the training on this machine, one for each GPU.
    """
    return min(max((cores - 2) // max(trainings, 1), 1), MAX_WORKERS)


def select_machine(
    *,
    device: str = "auto",
    precision: str = "auto",
    workers: int | None = None,
    memory_gb: float = 1.0,
    checkpoint_minutes: float = 3.0,
    inputs: str = "auto",
    memory_format: MemoryFormat = "auto",
    deterministic: bool = False,
    compiled: bool = False,
    loggers: tuple[str, ...] = (),
    processes: Processes = ALONE,
) -> Machine:
    """The device and processes of this machine, by the options given.

    Args:
        device: auto, cpu or cuda; auto is a GPU where there is one.
        precision: auto, float32, bfloat16 or float16; auto is bfloat16 on a GPU.
        workers: None is 0 on a CPU, whose cores the network needs itself, and with a GPU
            see `gpu_workers`.
        inputs: auto, host or device: where clips are scaled and normalised; auto is the
            device if it is a GPU.
        memory_format: of clips and weights; auto is chosen by a trial on a GPU.
        deterministic: only deterministic algorithms on a GPU; slower.
        compiled: compile the networks with torch.compile; faster after a minute or two.
        loggers: "tensorboard", or none.

    Raises:
        MachineError: there is no GPU or no TensorBoard, but it was asked for.
    """
    if "tensorboard" in loggers:
        require_tensorboard()
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise MachineError(
            "expected a GPU for --device cuda, but torch finds none here"
        )
    if device == "auto":
        device = "cuda" if there else "cpu"
    where = torch.device("cpu")
    if device == "cuda":
        where = torch.device("cuda", gpu_of(processes, torch.cuda.device_count()))
        torch.cuda.set_device(where)
    if precision == "auto":
        precision = "bfloat16" if device == "cuda" else "float32"
    if precision not in ("float32", "bfloat16", "float16"):
        raise MachineError(
            f"expected the precision float32, bfloat16 or float16, got {precision}"
        )
    if precision == "float16" and device == "cpu":
        raise MachineError("expected float32 or bfloat16 on a CPU, got float16")
    if inputs not in ("auto", "host", "device"):
        raise MachineError(f"expected inputs auto, host or device, got {inputs}")
    if inputs == "auto":
        inputs = inputs_on(where)
    if workers is None:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        workers = gpu_workers(worker_cores(), here) if device == "cuda" else 0
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return Machine(
        device=where,
        precision=precision,  # type: ignore[arg-type]
        workers=workers,
        memory_bytes=int(memory_gb * (1 << 30)),
        checkpoint_seconds=checkpoint_minutes * 60,
        inputs=inputs,  # type: ignore[arg-type]
        memory_format=memory_format,
        compile=compiled,
        loggers=loggers,
        processes=processes,
    )
