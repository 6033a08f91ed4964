"""Time of each kernel of a batch, by events between the launches."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pipeline.bench.flow_gpu import CODING
from pipeline.flow.batches import consecutive
from pipeline.flow.cuda.driver import Gpu
from pipeline.flow.cuda.kernel import Launch
from pipeline.flow.cuda.solver import CudaSolver
from pipeline.flow.profiles import profile_named

from .frames import drawn_frames
from .rows import KernelTime, Row
from .settings import Settings

PROFILES = ("default", "fast")
BATCHES = 4
"""Batches of which the last one counts: its launches wait behind those before it, so that
the host's time does not show."""
ALL = "all kernels"


class EventTimedGpu(Gpu):
    """`Gpu` that launches what was recorded one by one, with events around each launch."""

    def __init__(self, number: int = 0) -> None:
        super().__init__(number)
        self.timed: list[tuple[Launch, Any, Any]] = []
        """Launches of the last replay, with the events before and after each."""

    def record(self, launches: Iterable[Launch]) -> list[Launch]:
        return list(launches)

    def forget(self, recording: Any) -> None:
        pass

    def replay(self, recording: list[Launch]) -> None:
        stream = self._streams["work"]
        events = [self._event() for _ in range(len(recording) + 1)]
        self._call("cuEventRecord", events[0], stream)
        for launch, event in zip(recording, events[1:], strict=True):
            self._launch(launch, stream)
            self._call("cuEventRecord", event, stream)
        self.timed = list(zip(recording, events, events[1:], strict=False))

    def milliseconds(self) -> Iterator[tuple[str, float]]:
        """Kernel and time of each launch of the last replay, which must be done."""
        for launch, before, after in self.timed:
            spent = self._call("cuEventElapsedTime", before, after)
            yield launch.kernel.name, float(spent)

    def _event(self) -> Any:
        return self._handles.hold("event", self._call("cuEventCreate", 0))


def kernel_times(settings: Settings) -> Iterator[Row]:
    """Kernels of the usual batch of each profile, the longest first."""
    clip = drawn_frames(settings.height, settings.width)
    for profile in PROFILES:
        gpu = EventTimedGpu()
        with CudaSolver(profile, profile_named(profile), gpu) as solver:
            most = solver.most(settings.height, settings.width)
            frames = clip[np.arange(most + 1) % len(clip)]
            pairs, tickets = consecutive(most + 1), []
            for _ in range(BATCHES):
                tickets.append(solver.launch(frames, pairs, CODING))
                if len(tickets) == 2:
                    solver.collect(tickets.pop(0))
            solver.collect(tickets.pop(0))
            yield from summed(profile, most, gpu.milliseconds())


def summed(
    profile: str, batch: int, times: Iterable[tuple[str, float]]
) -> Iterator[KernelTime]:
    """A row for each kernel, and one for all of them.

    Args:
        times: kernel and milliseconds of each launch.
    """
    spent: dict[str, list[float]] = defaultdict(list)
    for kernel, milliseconds in times:
        spent[kernel].append(milliseconds)
    everything = sum(map(sum, spent.values()))
    rows = sorted(spent.items(), key=lambda it: -sum(it[1]))
    launches = sum(len(each) for each in spent.values())
    for kernel, each in [*rows, (ALL, [everything])]:
        yield KernelTime(
            profile=profile,
            batch=batch,
            kernel=kernel,
            launches=launches if kernel == ALL else len(each),
            milliseconds=sum(each),
            share=sum(each) / everything if everything else 0.0,
        )
