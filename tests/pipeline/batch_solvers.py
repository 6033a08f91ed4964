"""Stand-ins for a GPU: what they solve is real or zero, and they say where they were.

A module of its own, because worker processes import what they are given by name.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from pipeline.extract.blocks import DeferredFlow
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import Extraction, open_extraction
from pipeline.flow.batches import Coding, CpuBatches, FlowBatch, Queue, Ticket
from pipeline.flow.errors import DeviceError, LostDevice
from pipeline.flow.solver import flow_solver

EVERYTHING = ExtractSettings(short_side=32)


class LargeBatches(CpuBatches):
    """The CPU's flow in batches of 23 pairs: no multiple of a block."""

    def __init__(self, profile: str) -> None:
        super().__init__(flow_solver("cpu", profile=profile))
        self.batches: list[int] = []

    def most(self, height: int, width: int) -> int:
        return 23

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        self.batches.append(len(pairs))
        return super().launch(frames, pairs, coding)


class Failing(CpuBatches):
    """A GPU that can be opened and then fails in one of its methods."""

    def __init__(self, profile: str, *, method: str, error: type[DeviceError]) -> None:
        super().__init__(flow_solver("cpu", profile=profile))
        self._method, self._error = method, error

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        self._fail("launch")
        return super().launch(frames, pairs, coding)

    def collect(self, ticket: Ticket) -> FlowBatch:
        self._fail("collect")
        return super().collect(ticket)

    def _fail(self, method: str) -> None:
        if method == self._method:
            raise self._error("an illegal address\n(error 700)")


class ZeroFlow:
    """No motion anywhere, at once. Notes in a folder when it lived, and on which GPU."""

    backend = "cuda"
    device = "a stand-in"

    def __init__(self, profile: str, *, notes: Path) -> None:
        self.profile = profile
        self._queue = Queue()
        self._note = notes / f"solver-{os.getpid()}-{time.monotonic_ns()}"
        self._note.write_text(f"{node()} {gpu()} {time.monotonic()}")

    def most(self, height: int, width: int) -> int:
        return 16

    def launch(
        self, frames: np.ndarray, pairs: np.ndarray, coding: Coding | None = None
    ) -> Ticket:
        self._queue.expect_room()
        planes = np.full((len(pairs), 2, *frames.shape[1:]), 128, np.uint8)
        return self._queue.put(
            len(pairs), FlowBatch(planes=planes, clipped=np.zeros(len(pairs), np.int64))
        )

    def collect(self, ticket: Ticket) -> FlowBatch:
        time.sleep(0.02)
        batch = self._queue.take(ticket)
        assert isinstance(batch, FlowBatch)
        with self._note.open("a") as note:
            note.write(f" {time.monotonic()}")
        return batch


class LostOnce(ZeroFlow):
    """`ZeroFlow` on a GPU that one process loses: for that process nothing works any more."""

    lost = False

    def collect(self, ticket: Ticket) -> FlowBatch:
        mark = self._note.parent / "lost"
        with suppress(FileExistsError):
            mark.touch(exist_ok=False)
            LostOnce.lost = True
        if LostOnce.lost:
            raise LostDevice("an illegal address")
        return super().collect(ticket)


def broken(profile: str) -> CpuBatches:
    """A GPU that is there and cannot be used."""
    raise RuntimeError("the driver is too old")


@contextmanager
def noted(path: Path, *, notes: Path) -> Iterator[Extraction]:
    """The real decoder, all modalities; notes where, and whether on the prefetcher's thread."""
    ahead = threading.current_thread().name == "prefetcher"
    note = notes / f"video-{path.stem}-{'flow' if ahead else 'others'}"
    note.write_text(node())
    with open_extraction(path, EVERYTHING, solver=DeferredFlow()) as extraction:
        yield extraction


def gpu() -> str:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "none")


def node() -> str:
    """Ray's name of this machine, where a task of Ray asks."""
    import sys

    if "ray" not in sys.modules:
        return "here"
    import ray

    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
