"""Signs of an NVIDIA GPU in this machine, seen without asking its driver."""

import ctypes
from pathlib import Path

DRIVER = "libcuda.so.1"
DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
"""A folder per GPU, where the kernel's driver is loaded."""


def gpu_in_sight() -> bool:
    """Whether there is a GPU, or at least its driver: false on a machine that has none."""
    if DRIVER_FOLDER.is_dir() and any(DRIVER_FOLDER.iterdir()):
        return True
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True
