"""Kernels -> machine code for one architecture, without CUDA toolkit and without GPU.

numba-cuda writes PTX, and nvJitLink makes machine code of it. Both are libraries that pip
installs.
"""

import re
import warnings

from numba import cuda, types

from pipeline.flow.errors import FlowError

from .kernel import Kernel

TYPES = {
    "u8*": types.CPointer(types.uint8),
    "i32*": types.CPointer(types.int32),
    "f32*": types.CPointer(types.float32),
    "i32": types.int32,
    "f32": types.float32,
}

Capability = tuple[int, int]
"""Compute capability of a device, such as (9, 0)."""


def ptx(kernel: Kernel, capability: Capability) -> str:
    """PTX of one kernel; its entry point is the kernel's name.

    For a device newer than the compiler it is PTX for the newest one that it knows.
    """
    signature = types.void(*(TYPES[it] for it in kernel.parameters))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba about numba
        text, _ = cuda.compile(
            kernel.function,
            signature,
            device=False,
            abi="numba",
            fastmath=kernel.fast,
            cc=capability,
            launch_bounds=(kernel.threads, 1),
        )
    entry = re.search(r"\.entry\s+([\w$]+)", text)
    assert entry, f"{kernel.name}: no entry point"
    return text.replace(entry[1], kernel.name)


def machine_code(kernel: Kernel, capability: Capability) -> bytes:
    """Input of `cuModuleLoadData`: machine code of one kernel, or PTX where nvJitLink
    does not know so new a device: then the driver compiles it."""
    text = ptx(kernel, capability).encode()
    try:
        return linked(text, capability)[0]
    except FlowError:
        return text + b"\0"


def linked(text: bytes, capability: Capability) -> tuple[bytes, str]:
    """Machine code of PTX, and what the assembler says of its registers and memory.

    Raises:
        FlowError: the library is missing, or does not know the device.
    """
    from cuda.bindings import nvjitlink

    major, minor = capability
    options = [f"-arch=sm_{major}{minor}", "-Xptxas=-v"]
    try:
        handle = nvjitlink.create(len(options), options)
    except Exception as error:  # of several kinds; the library may not be there
        raise FlowError(f"flow back end cuda: nvJitLink: {error}") from error
    try:
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, text, len(text), "kernel")
        nvjitlink.complete(handle)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    except nvjitlink.nvJitLinkError as error:
        raise FlowError(f"flow back end cuda: nvJitLink: {error}") from error
    finally:
        nvjitlink.destroy(handle)
    return bytes(code), log.decode(errors="replace").rstrip("\0")
