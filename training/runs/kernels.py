"""Settings of a GPU's convolutions, chosen by a short trial before a training.

Which order of clips and weights in memory is fastest depends on the network, the GPU and the
precision; whether cuDNN should search for its fastest algorithms, too. What is computed stays
the same, apart from rounding.
"""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from statistics import median
from typing import Any, NamedTuple

import torch

from motion_shards.plain_text import counted

from ..engine import checkpoint, processes
from ..engine.loop import autocast, on_device, train_mode
from ..engine.recompute import recompute
from ..steps.step import Step
from .machine import Machine, MemoryFormat, set_memory_format

FEWEST_STEPS = 1000
"""Steps of a training below which nothing is tried: a trial takes as long as some 40."""
FIRST, TIMED = 3, 5
"""Steps of each setting that are not timed, as algorithms are searched then, and that are."""
KIND = "kernels"
"""Kind of the line of metrics.jsonl that has the settings of a run."""
WORTH = 1.03
"""Speed that another setting must have, relative to the usual one."""


class Kernels(NamedTuple):
    """Settings that change the speed of a training, and results by rounding only."""

    memory_format: MemoryFormat = "auto"
    benchmark: bool = False
    """Whether cuDNN tries its algorithms for each new shape (cudnn.benchmark)."""

    def text(self) -> str:
        """The settings in words."""
        search = "with" if self.benchmark else "without"
        order = self.memory_format.replace("_", " ")
        return f"{order} {search} cuDNN's search for algorithms"

    def record(self) -> dict[str, Any]:
        """For a line of metrics.jsonl."""
        return {"memory_format": self.memory_format, "cudnn_benchmark": self.benchmark}


class Trial(NamedTuple):
    """Settings that were chosen, and the seconds of a step with each of those tried."""

    kernels: Kernels
    seconds: Mapping[Kernels, float] = {}
    """Empty where nothing was tried now."""

    def record(self, machine: Machine) -> dict[str, Any]:
        """For a line of metrics.jsonl, of kind `KIND`."""
        times = [
            kernels.record() | {"seconds": None if math.isinf(it) else it}
            for kernels, it in self.seconds.items()
        ]
        device = machine.facts().device
        return {"device": device, "tried": times} | self.kernels.record()

    def text(self) -> str:
        """The finding of the trial, in a line."""
        usual = next(iter(self.seconds))
        tried = f"trial of {counted(len(self.seconds), 'setting')}"
        if self.kernels == usual:
            return f"{usual.text()}: none is {WORTH - 1:.0%} faster ({tried})"
        if math.isinf(self.seconds[usual]):
            return f"{self.kernels.text()}: the usual setting needs too much memory ({tried})"
        times = self.seconds[usual] / self.seconds[self.kernels]
        return f"{self.kernels.text()}: {times:.2f} times as fast as {usual.text()} ({tried})"


def candidates(machine: Machine, steps: int) -> list[Kernels]:
    """Settings that a trial compares, the usual one first; one where nothing is tried.

    Nothing is tried on a CPU, with deterministic algorithms, with compiled networks, which
    would be compiled for each setting, and for a short training.
    """
    given = machine.memory_format
    deterministic = torch.are_deterministic_algorithms_enabled()
    if machine.device.type != "cuda" or deterministic or machine.compile:
        return [Kernels(given)]
    if steps < FEWEST_STEPS:
        return [Kernels(given)]
    orders: list[MemoryFormat] = [given]
    if given == "auto":
        orders = ["contiguous", "channels_last"]
    return [Kernels(order, search) for order, search in product(orders, (False, True))]


def fastest(seconds: Mapping[Kernels, float]) -> Kernels:
    """The setting whose step takes least; the first, unless another is `WORTH` it.

    Args:
        seconds: of a step with each; infinite where memory did not suffice.
    """
    usual = next(iter(seconds))
    best = min(seconds, key=lambda kernels: seconds[kernels])
    return best if seconds[best] * WORTH < seconds[usual] else usual


Timing = Callable[[Kernels], float]
"""Settings -> seconds of a step."""


def chosen(
    settings: Sequence[Kernels],
    time_step: Timing,
    *,
    machine: Machine,
    lines: Callable[[], Iterable[Mapping[str, Any]]] = list,
) -> Trial:
    """The one of some settings, alike in all processes, that a training uses.

    A run that goes on has those that it was begun with, if on such a device.

    Args:
        settings: see `candidates`; of several each is timed.
        lines: of the run's metrics.jsonl; the first process reads them.
    """
    if len(settings) == 1:
        return Trial(settings[0])
    device, group = machine.facts().device, machine.processes
    records = [kernels.record() for kernels in settings]

    def before() -> int | None:
        found = None
        for line in lines():
            if line["kind"] == KIND and line["device"] == device:
                found = {name: line[name] for name in records[0]}
        return records.index(found) if found in records else None

    number = processes.run_on_first(before, group)
    if number is not None:
        return Trial(settings[number])
    times = [time_step(kernels) for kernels in settings]
    times = processes.broadcast_first(times, group)
    seconds = dict(zip(settings, times, strict=True))
    return Trial(fastest(seconds), seconds)


def step_seconds(
    step: Step,
    batch: Any,
    kernels: Kernels,
    machine: Machine,
    *,
    epoch: int = 0,
    recomputed: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Median seconds that a copy of a step takes, forward and back; the step is unchanged.

    Args:
        batch: on any device.
        epoch: that the step begins.
        recomputed: activations are computed again on the way back.
        clock: in seconds.

    Returns:
        Infinity where memory does not suffice.
    """
    device, cuda = machine.device, machine.device.type == "cuda"
    random = checkpoint.random_state()
    try:
        copied = copy.deepcopy(step)
        use_kernels(copied, kernels)
        if recomputed:
            for network in copied.children():
                recompute(network)
        copied.begin_epoch(epoch)
        train_mode(copied)
        batch, taken = on_device(batch, device), []
        with searching(kernels.benchmark):
            for _ in range(FIRST + TIMED):
                copied.zero_grad(set_to_none=True)
                started = _now(clock, device)
                with autocast(device, machine.precision):
                    loss = copied(batch).loss
                loss.backward()
                taken.append(_now(clock, device) - started)
        return median(taken[FIRST:])
    except torch.OutOfMemoryError:
        return math.inf
    finally:
        checkpoint.restore_random_state(random)
        if cuda:
            torch.cuda.empty_cache()


def _now(clock: Callable[[], float], device: torch.device) -> float:
    """The time when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()


def use_kernels(step: Step, kernels: Kernels) -> None:
    """Put the clips and weights of all networks of a step in the order of memory."""
    for network in step.networks():
        set_memory_format(network, kernels.memory_format)


@contextmanager
def searching(benchmark: bool) -> Iterator[None]:
    """Let cuDNN search for algorithms, or not, in this context."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
