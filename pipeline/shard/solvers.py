"""Per-process cache of flow solvers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import cv2

from pipeline.errors import DeviceGone, NoDevice
from pipeline.extract.blocks import DeferredFlow, Solver
from pipeline.extract.settings import ExtractSettings
from pipeline.extract.video import open_extraction
from pipeline.flow.batches import BatchSolver
from pipeline.flow.errors import DeviceError, LostDevice
from pipeline.flow.protocol import FlowSolver
from pipeline.flow.solver import flow_solver, gpu_solver

from .isolate import Opened
from .task import SolverMaker


@lru_cache(maxsize=4)
def frame_solver(backend: str, profile: str) -> FlowSolver:
    """A solver of the frames of a block on a core, as soon as they are there."""
    return flow_solver(backend, profile=profile)


@lru_cache(maxsize=1)
def _batch_solver(make: SolverMaker | None, profile: str, per_gpu: int) -> BatchSolver:
    try:
        return make(profile) if make else cuda_solver(profile, per_gpu=per_gpu)
    except LostDevice as error:
        raise DeviceGone(str(error)) from error
    except Exception as error:  # drivers and their libraries raise anything
        raise NoDevice(f"{error or type(error).__name__}") from error


def batch_solver(
    profile: str, *, per_gpu: int = 1, make: SolverMaker | None = None
) -> BatchSolver:
    """The batch solver on the GPU of this process; made once.

    Args:
        per_gpu: processes that share the memory of the GPU equally.
        make: another one than ours.

    Raises:
        NoDevice: the GPU cannot be used.
    """
    return _batch_solver(make, profile, per_gpu)


def forget_batch_solver(
    kind: type[BaseException] | None, error: BaseException | None, trace: object
) -> None:
    """After an error the state of the solver's pending work is unknown.

    Raises:
        NoDevice: the error is one of the GPU or its driver.
    """
    if kind is None:
        return
    _batch_solver.cache_clear()
    if isinstance(error, DeviceError):
        gone = DeviceGone if isinstance(error, LostDevice) else NoDevice
        raise gone(str(error)) from error


def cuda_solver(profile: str, *, per_gpu: int = 1) -> BatchSolver:
    """The batch solver of the first GPU that this process sees.

    Args:
        per_gpu: as in `batch_solver`.

    Raises:
        FlowError: there is none, or it cannot be used.
    """
    return gpu_solver(profile=profile, workers=per_gpu)


@contextmanager
def open_with_flow(
    path: Path, *, settings: ExtractSettings, backend: str, frames: int | None = None
) -> Iterator[Opened]:
    """Our decoder, with the flow solver of this process. One core is all it uses.

    For a GPU (`cuda`) its blocks have the frames that flow is computed from.

    Args:
        frames: stop behind the first ones; None: all.
    """
    cv2.setNumThreads(1)  # shards run side by side
    solver: Solver | DeferredFlow | None = None
    if "flow" in settings.modalities:
        solver = (
            DeferredFlow()
            if backend == "cuda"
            else frame_solver(backend, settings.flow_profile)
        )
    with open_extraction(
        path, settings, solver, frames=frames, coded=True
    ) as extraction:
        yield extraction
