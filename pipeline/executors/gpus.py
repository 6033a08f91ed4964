"""The GPUs of this machine: which there are, and whether flow can be computed on them."""

import ctypes
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from motion_shards.extras import CUDA

VARIABLE = "CUDA_VISIBLE_DEVICES"
DRIVER = "libcuda.so.1"
DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
"""A folder per GPU, where the kernel's driver is loaded."""
NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE: there is none, or none is visible."""
NO_COMPILER = CUDA.needed_by("flow back end cuda")
"""The trouble of a machine without the extra."""


class Gpus(NamedTuple):
    """GPUs that were found."""

    names: tuple[str, ...]
    """Names of single GPUs for CUDA_VISIBLE_DEVICES."""
    trouble: str = ""
    """Reason for which existing hardware cannot be used."""


def find_gpus() -> Gpus:
    """Ask the driver, which heeds CUDA_VISIBLE_DEVICES. No memory is taken on a GPU."""
    try:
        cuda = ctypes.CDLL(DRIVER)
    except OSError:
        if DRIVER_FOLDER.is_dir() and any(DRIVER_FOLDER.iterdir()):
            return Gpus((), f"there is a GPU, but no {DRIVER}")
        return Gpus(())
    failed, count = cuda.cuInit(0), ctypes.c_int(0)
    failed = failed or cuda.cuDeviceGetCount(ctypes.byref(count))
    if failed == NO_DEVICE:
        return Gpus(())
    if failed:
        return Gpus((), f"the NVIDIA driver says error {failed}; see `nvidia-smi`")
    return Gpus(_names(count.value, os.environ.get(VARIABLE)))


def _names(count: int, visible: str | None) -> tuple[str, ...]:
    """Names of the GPUs that the driver counted; those of CUDA_VISIBLE_DEVICES if it is set."""
    given = [name.strip() for name in (visible or "").split(",") if name.strip()]
    return tuple(given[:count] if visible else map(str, range(count)))


def use_gpu(name: str) -> None:
    """Make only one GPU visible to this process. Call it before anything uses CUDA."""
    os.environ[VARIABLE] = name


def trouble_with_flow(profile: str) -> str:
    """Reason for which flow cannot be computed on the first GPU; empty if it can.

    Tried in a process of its own, so that this one takes no memory on the GPU.
    """
    if not CUDA.installed:
        return NO_COMPILER
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(_try_flow, profile).result()
        except BrokenProcessPool:
            return "the process that tried it died"


def _try_flow(profile: str) -> str:
    try:
        from pipeline.shard.solvers import cuda_solver

        cuda_solver(profile)
    except Exception as error:  # noqa: BLE001 - drivers raise anything
        return str(error) or type(error).__name__
    return ""
