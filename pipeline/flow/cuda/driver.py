"""One NVIDIA GPU, by the driver's own interface: no CUDA toolkit, no torch.

Source: CUDA Driver API, through NVIDIA's cuda-bindings.
"""

import ctypes
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from pipeline.flow.errors import FlowError, OutOfMemory

from .device import Queue
from .kernel import Kernel, Launch

OLDEST = (7, 5)
"""Compute capability needed: what CUDA 13 and torch still compile for."""

STATIC_SHARED_BYTES = 48 << 10
"""Shared memory that a kernel may have without asking for more."""


class Address(NamedTuple):
    """Memory on the device."""

    pointer: int
    size: int


def _driver() -> Any:
    """The bindings, initialised.

    Raises:
        FlowError: no package, no driver, no GPU.
    """
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise FlowError(
            f"flow back end cuda: {error}; pip install numba-cuda 'cuda-toolkit[cccl,nvvm]'"
        )
    try:
        (status,) = driver.cuInit(0)
    except Exception as error:  # its own kinds: no libcuda on this machine
        raise FlowError(
            "flow back end cuda: no NVIDIA driver (libcuda) on this machine"
        ) from error
    if status == driver.CUresult.CUDA_ERROR_NO_DEVICE:
        raise FlowError(
            "flow back end cuda: no GPU, or CUDA_VISIBLE_DEVICES shows none"
        )
    _expect(driver, "cuInit", status)
    return driver


def _expect(driver: Any, function: str, status: Any) -> None:
    if status == driver.CUresult.CUDA_SUCCESS:
        return
    message = f"flow back end cuda: {function}: {getattr(status, 'name', status)}"
    if status == driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise OutOfMemory(message)
    raise FlowError(message)


class Gpu:
    """`Device` for one GPU of this process.

    It shares the GPU's primary context with torch and others in the process. Waiting
    sleeps: the processor is free for those who decode and store.
    """

    def __init__(self, number: int = 0) -> None:
        """Take GPU `number` of those that CUDA_VISIBLE_DEVICES shows.

        Raises:
            FlowError: there is none that can be used; the message says why.
        """
        self._cuda = _driver()
        count = self._call("cuDeviceGetCount")
        if not 0 <= number < count:
            raise FlowError(
                f"flow back end cuda: expected a GPU from 0 to {count - 1}, got {number}"
            )
        device = self._call("cuDeviceGet", number)
        self._device = device
        attributes = self._cuda.CUdevice_attribute
        self.capability: tuple[int, int] = (
            self._attribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            self._attribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
        )
        raw_name = self._call("cuDeviceGetName", 256, device)
        self.name = raw_name.split(b"\0")[0].decode(errors="replace")
        if self.capability < OLDEST:
            found, needed = (".".join(map(str, it)) for it in (self.capability, OLDEST))
            raise FlowError(
                f"flow back end cuda: {self.name} has compute capability {found}, "
                f"expected {needed} or later"
            )
        self.shared_bytes = self._attribute(
            attributes.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        )
        self.multiprocessors = self._attribute(
            attributes.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
        )
        self._context = self._call("cuDevicePrimaryCtxRetain", device)
        self.enter()
        flag = self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING.value
        self._streams = {
            name: self._call("cuStreamCreate", flag) for name in ("in", "work", "out")
        }
        self._functions: dict[str, Any] = {}
        self._modules: list[Any] = []
        self._host: dict[int, int] = {}

    def enter(self) -> None:
        self._call("cuCtxSetCurrent", self._context)

    def free_bytes(self) -> int:
        return self._call("cuMemGetInfo")[0]

    def limits(self) -> tuple[float, float]:
        """(float operations, bytes to and from memory) per second that nothing exceeds."""
        names = self._cuda.CUdevice_attribute
        clock = self._attribute(names.CU_DEVICE_ATTRIBUTE_CLOCK_RATE) * 1e3
        lanes = 64 if self.capability in ((7, 5), (8, 0)) else 128
        memory = self._attribute(names.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) * 1e3
        width = self._attribute(names.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) / 8
        return 2 * lanes * self.multiprocessors * clock, 2 * memory * width

    def load(self, kernels: Iterable[Kernel]) -> None:
        attribute = self._cuda.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        from .cached import cached_code  # imports numba

        wanted = [it for it in kernels if it.name not in self._functions]
        code = cached_code(wanted, self.capability)
        for kernel in wanted:
            module = self._call("cuModuleLoadData", code[kernel.name])
            function = self._call("cuModuleGetFunction", module, kernel.name.encode())
            if kernel.shared_bytes > STATIC_SHARED_BYTES:
                self._call(
                    "cuFuncSetAttribute", function, attribute, kernel.shared_bytes
                )
            self._call("cuFuncLoad", function)  # not later, while launches are recorded
            self._modules.append(module)
            self._functions[kernel.name] = function

    def array(self, elements: int, dtype: type) -> Address:
        size = max(1, elements) * np.dtype(dtype).itemsize
        pointer = self._call("cuMemAlloc", size)
        self._call("cuMemsetD8Async", pointer, 0, size, self._streams["work"])
        self._call("cuStreamSynchronize", self._streams["work"])
        return Address(int(pointer), size)

    def host_array(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        pointer = int(self._call("cuMemHostAlloc", size, 0))
        raw = (ctypes.c_ubyte * size).from_address(pointer)
        values = np.ndarray(shape, dtype, buffer=memoryview(raw))
        self._host[values.ctypes.data] = pointer
        return values

    def free(self, arrays: Iterable[Any]) -> None:
        for array in arrays:
            if isinstance(array, Address):
                self._call("cuMemFree", array.pointer)
            else:
                self._call("cuMemFreeHost", self._host.pop(array.ctypes.data))

    def put(self, array: Address, values: np.ndarray, queue: Queue) -> None:
        assert values.flags.c_contiguous and values.nbytes <= array.size
        self._call(
            "cuMemcpyHtoDAsync",
            array.pointer,
            values.ctypes.data,
            values.nbytes,
            self._streams[queue],
        )

    def get(self, values: np.ndarray, array: Address, queue: Queue) -> None:
        assert values.flags.c_contiguous and values.nbytes <= array.size
        self._call(
            "cuMemcpyDtoHAsync",
            values.ctypes.data,
            array.pointer,
            values.nbytes,
            self._streams[queue],
        )

    def record(self, launches: Iterable[Launch]) -> Any:
        stream = self._streams["work"]
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", stream, mode)
        try:
            for launch in launches:
                self._launch(launch, stream)
        finally:
            graph = self._call("cuStreamEndCapture", stream)
        recording = self._call("cuGraphInstantiate", graph, 0)
        self._call("cuGraphDestroy", graph)
        return recording

    def replay(self, recording: Any) -> None:
        self._call("cuGraphLaunch", recording, self._streams["work"])

    def forget(self, recording: Any) -> None:
        self._call("cuGraphExecDestroy", recording)

    def mark(self, queue: Queue) -> Any:
        flags = self._cuda.CUevent_flags
        event = self._call(
            "cuEventCreate",
            flags.CU_EVENT_BLOCKING_SYNC.value | flags.CU_EVENT_DISABLE_TIMING.value,
        )
        self._call("cuEventRecord", event, self._streams[queue])
        return event

    def follow(self, mark: Any, queue: Queue) -> None:
        self._call("cuStreamWaitEvent", self._streams[queue], mark, 0)

    def wait(self, mark: Any) -> None:
        self._call("cuEventSynchronize", mark)
        self.drop(mark)

    def drop(self, mark: Any) -> None:
        self._call("cuEventDestroy", mark)

    def _launch(self, launch: Launch, stream: Any) -> None:
        kernel, grid, arguments = launch
        values: list[Any] = []
        kinds: list[Any] = []
        for kind, argument in zip(kernel.parameters, arguments, strict=True):
            if kind.endswith("*"):
                values.append(argument.pointer)
                kinds.append(ctypes.c_void_p)
            elif kind == "i32":
                values.append(int(argument))
                kinds.append(ctypes.c_int)
            else:
                values.append(float(argument))
                kinds.append(ctypes.c_float)
        self._call(
            "cuLaunchKernel",
            self._functions[kernel.name],
            *grid,
            *kernel.block,
            1,
            kernel.shared_bytes,
            stream,
            (tuple(values), tuple(kinds)),
            0,
        )

    def _attribute(self, attribute: Any) -> int:
        return int(self._call("cuDeviceGetAttribute", attribute, self._device))

    def _call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the driver; what it gives besides its status."""
        status, *results = getattr(self._cuda, function)(*arguments)
        _expect(self._cuda, function, status)
        return results[0] if len(results) == 1 else results
