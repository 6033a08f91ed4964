"""The GPUs of this machine: which there are, and how many workers each has room for."""

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from motion_shards.extras import CUDA
from motion_shards.hardware import DRIVER_FOLDER

from . import cuda_probe
from .cuda_probe import DRIVER
from .limited import Ended, run_limited

VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE: there is none, or none is visible."""
NO_COMPILER = CUDA.needed_by("flow back end cuda")
"""The trouble of a machine without the extra."""
PROBE_SECONDS = 60.0
"""Limit for the driver to count GPUs; some take ten seconds to wake up."""
WORKER_BYTES = 10**9
"""Memory of a GPU that a worker needs: half of it takes CUDA, half holds some 30 pairs."""
PROHIBITED, EXCLUSIVE_PROCESS = 2, 3
"""Compute modes."""


class Gpus(NamedTuple):
    """GPUs that were found."""

    names: tuple[str, ...]
    """Names of single GPUs for CUDA_VISIBLE_DEVICES."""
    trouble: str = ""
    """Reason for which existing hardware cannot be used, all or some of it."""
    room: int | None = None
    """Number of workers that each GPU has room for; None where that is not known."""
    why: str = ""
    """Reason for `room`."""


class _Gpu(NamedTuple):
    """One GPU as the driver describes it."""

    name: str
    memory_bytes: int
    compute_mode: int
    mps: bool


def find_gpus(*, seconds: float = PROBE_SECONDS) -> Gpus:
    """Ask the driver, which heeds CUDA_VISIBLE_DEVICES. No memory is taken on a GPU.

    Where there is a driver, a process of its own asks: a device may hang.

    Args:
        seconds: limit for the answer.
    """
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        if DRIVER_FOLDER.is_dir() and any(DRIVER_FOLDER.iterdir()):
            return Gpus((), f"there is a GPU, but no {DRIVER}")
        return Gpus(())
    visible = _listed(os.environ.get(VARIABLE))
    # a process sees one slice of a GPU, however many are listed
    slices = [name for name in visible if name.startswith("MIG-")]
    command = [sys.executable, "-I", "-S", str(Path(cuda_probe.__file__))]
    ended = run_limited(
        dict.fromkeys(slices or [""], command),
        seconds=seconds,
        environments={name: {**os.environ, VARIABLE: name} for name in slices},
    )
    found: list[_Gpu] = []
    troubles: list[str] = []
    for name, answer in ended.items():
        if trouble := _trouble(answer, seconds):
            troubles.append(f"{name}: {trouble}" if name else trouble)
        else:
            found += _gpus(answer, [name] if name else visible)
    if closed := [gpu.name for gpu in found if gpu.compute_mode == PROHIBITED]:
        said = f"compute mode of {', '.join(map(shown, closed))} is PROHIBITED"
        troubles.append(f"{said}: `nvidia-smi -c DEFAULT`")
    usable = [gpu for gpu in found if gpu.compute_mode != PROHIBITED]
    names = tuple(gpu.name for gpu in usable)
    return Gpus(names, "; ".join(troubles), *_room(usable))


def _trouble(answer: Ended, seconds: float) -> str:
    """The reason for which the driver has not counted the GPUs; empty if it has."""
    if answer.exit_code is None:
        said = f"the NVIDIA driver does not answer in {seconds:g} s"
        return f"{said}; a GPU that hangs often needs a reboot"
    if answer.exit_code:
        return f"the NVIDIA driver crashes (exit code {answer.exit_code})"
    failed = json.loads(answer.output)["failed"]
    if failed and failed != NO_DEVICE:
        return f"the NVIDIA driver says error {failed}; see `nvidia-smi`"
    return ""


def _gpus(answer: Ended, visible: Sequence[str]) -> list[_Gpu]:
    told = json.loads(answer.output)["gpus"]
    names = visible or [str(number) for number in range(len(told))]
    return [_Gpu(name, **gpu) for name, gpu in zip(names, told, strict=False)]


def _listed(visible: str | None) -> list[str]:
    """Names in CUDA_VISIBLE_DEVICES. The driver counts those before the first wrong one."""
    return [name.strip() for name in (visible or "").split(",") if name.strip()]


def _room(gpus: Sequence[_Gpu]) -> tuple[int | None, str]:
    """Number of workers that each of the GPUs has room for, and the reason."""
    if not gpus:
        return None, ""
    if any(gpu.compute_mode == EXCLUSIVE_PROCESS and not gpu.mps for gpu in gpus):
        return 1, "compute mode EXCLUSIVE_PROCESS, no MPS"
    least = min(gpu.memory_bytes for gpu in gpus)
    said = f"{least / 2**30:.0f} GB of memory"
    return max(least // WORKER_BYTES, 1), said


def shown(name: str) -> str:
    """A name for CUDA_VISIBLE_DEVICES as messages have it; those of UUIDs say what they are.

    >>> shown("3"), shown("GPU-3f"), shown("MIG-7a")
    ('GPU 3', 'GPU-3f', 'MIG-7a')
    """
    return f"GPU {name}" if name.isdigit() else name


def use_gpu(name: str) -> None:
    """Make only one GPU visible to this process. Call it before anything uses CUDA."""
    os.environ[VARIABLE] = name
