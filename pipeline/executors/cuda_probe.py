"""The GPUs that the NVIDIA driver counts, as a program: `cuInit` may hang in the process
that calls it. Standard library only; prints one line of JSON. No memory is taken on a GPU.
"""

import ctypes
import json
import sys

DRIVER = "libcuda.so.1"
COMPUTE_MODE = 20
MPS_ENABLED = 133
"""CUdevice_attribute of the CUDA Driver API."""


def main() -> None:
    """Print the first error of the driver, and memory and modes of each GPU."""
    if sys.platform == "linux":
        pr_set_pdeathsig, sigkill = 1, 9  # it ends with its parent
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigkill)
    cuda = ctypes.CDLL(DRIVER)
    count = ctypes.c_int(0)
    failed = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = [_gpu(cuda, number) for number in range(0 if failed else count.value)]
    json.dump({"failed": failed, "gpus": gpus}, sys.stdout)


def _gpu(cuda: ctypes.CDLL, number: int) -> dict[str, int]:
    device, total = ctypes.c_int(0), ctypes.c_size_t(0)
    cuda.cuDeviceGet(ctypes.byref(device), number)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
    return {
        "memory_bytes": total.value,
        "compute_mode": _attribute(cuda, COMPUTE_MODE, device),
        "mps": _attribute(cuda, MPS_ENABLED, device),
    }


def _attribute(cuda: ctypes.CDLL, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int(0)
    cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device)
    return value.value


if __name__ == "__main__":
    main()
