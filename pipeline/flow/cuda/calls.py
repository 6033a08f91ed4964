"""Calls of the CUDA driver through NVIDIA's cuda-bindings, and its errors in plain words."""

from typing import Any

from motion_shards.extras import CUDA
from pipeline.flow.errors import DeviceError, FlowError, LostDevice, OutOfMemory

BACKEND = "flow back end cuda"

OLDEST_DRIVER = (12, 4)
"""CUDA version whose driver has `cuFuncLoad`."""

DRIVERS = {12: "550", 13: "580"}
"""Oldest driver release for each version of CUDA, as `nvidia-smi` shows it."""

LOST = (
    "CUDA_ERROR_DEINITIALIZED",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_TENSOR_MEMORY_LEAK",
    "CUDA_ERROR_MPS_RPC_FAILURE",
    "CUDA_ERROR_MPS_CLIENT_TERMINATED",
    "CUDA_ERROR_EXTERNAL_DEVICE",
    "CUDA_ERROR_UNKNOWN",
)
"""Errors that a context does not survive (CUDA Driver API, `CUresult`)."""

WORDS = {
    "CUDA_ERROR_NO_DEVICE": "no GPU, or CUDA_VISIBLE_DEVICES shows none",
    "CUDA_ERROR_DEVICE_UNAVAILABLE": (
        "another process has the GPU for itself (compute mode EXCLUSIVE_PROCESS): wait "
        "for it, or `nvidia-smi -c DEFAULT`"
    ),
    "CUDA_ERROR_SYSTEM_NOT_READY": (
        "the GPUs are not ready yet; is nvidia-fabricmanager running?"
    ),
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": (
        "the driver of the kernel and its library are of different versions: reboot"
    ),
    "CUDA_ERROR_ECC_UNCORRECTABLE": (
        "uncorrectable error in the GPU's memory (ECC); see `nvidia-smi -q -d ECC`"
    ),
    "CUDA_ERROR_MPS_CONNECTION_FAILED": "the MPS daemon of this machine does not answer",
    "CUDA_ERROR_MPS_SERVER_NOT_READY": "the MPS server is not ready: try again",
    "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED": "MPS has no room for another process",
    "CUDA_ERROR_MPS_CLIENT_TERMINATED": "MPS ended this process's work on the GPU",
}
"""Meaning of errors that the user can do something about."""


def driver() -> Any:
    """The bindings, initialised.

    Raises:
        FlowError: no package.
        DeviceError: no driver, a driver that is too old, no GPU.
    """
    try:
        from cuda.bindings import __version__, driver
    except ImportError as error:
        raise FlowError(CUDA.needed_by(BACKEND)) from error
    try:
        status, version = driver.cuDriverGetVersion()
    except Exception as error:  # its own kinds: no libcuda on this machine
        raise DeviceError(
            f"{BACKEND}: no NVIDIA driver (libcuda) on this machine"
        ) from error
    expect(driver, "cuDriverGetVersion", status)
    needed = max((int(__version__.partition(".")[0]), 0), OLDEST_DRIVER)
    found = version // 1000, version % 1000 // 10
    if found < needed:
        release = DRIVERS.get(needed[0])
        raise DeviceError(
            f"{BACKEND}: expected an NVIDIA driver for CUDA {_dotted(needed)} or later"
            f"{f' (release {release})' if release else ''}, got one for CUDA "
            f"{_dotted(found)}"
        )
    (status,) = driver.cuInit(0)
    expect(driver, "cuInit", status)
    return driver


def call(driver: Any, function: str, *arguments: Any) -> Any:
    """Call a function of the driver; its results besides its status.

    Raises:
        DeviceError: the function failed, or the driver does not have it.
    """
    try:
        status, *results = getattr(driver, function)(*arguments)
    except RuntimeError as error:  # the bindings' word for a function that is not there
        raise DeviceError(f"{BACKEND}: {error}: update the NVIDIA driver") from error
    expect(driver, function, status)
    return results[0] if len(results) == 1 else results


def expect(driver: Any, function: str, status: Any) -> None:
    """Raise the error of a status other than success."""
    if status == driver.CUresult.CUDA_SUCCESS:
        return
    name = getattr(status, "name", str(status))
    said = WORDS.get(name)
    message = f"{BACKEND}: {said}" if said else f"{BACKEND}: {function}: {name}"
    if status == driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise OutOfMemory(message)
    raise (LostDevice if name in LOST else DeviceError)(message)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
