"""One NVIDIA GPU, by the driver's own interface: no CUDA toolkit, no torch.

Source: CUDA Driver API, through NVIDIA's cuda-bindings.
"""

import ctypes
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np

from pipeline.flow.errors import DeviceError, FlowError

from . import calls
from .device import Queue
from .handles import Handles
from .kernel import Kernel, Launch

OLDEST = (7, 5)
"""Compute capability needed: what CUDA 13 and torch still compile for."""

STATIC_SHARED_BYTES = 48 << 10
"""Shared memory that a kernel may have without asking for more."""

PROCESS_BYTES = 500 << 20
"""Memory of the device that each process takes besides: context, code, recordings."""


class Address(NamedTuple):
    """Memory on the device."""

    pointer: int
    size: int


class Gpu:
    """`Device` for one GPU of this process.

    It shares the GPU's primary context with torch and others in the process. Waiting
    sleeps: the processor is free for those who decode and store.
    """

    def __init__(self, number: int = 0) -> None:
        """Take GPU `number` of those that CUDA_VISIBLE_DEVICES shows.

        Raises:
            DeviceError: there is none that can be used; the message says why.
        """
        self._cuda = calls.driver()
        count = self._call("cuDeviceGetCount")
        if not 0 <= number < count:
            raise DeviceError(
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
            raise DeviceError(
                f"flow back end cuda: {self.name} has compute capability {found}, "
                f"expected {needed} or later"
            )
        self.shared_bytes = self._attribute(
            attributes.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        )
        self.multiprocessors = self._attribute(
            attributes.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
        )
        self._handles = Handles(partial(calls.call, self._cuda))
        self._give_back = finalize(self, self._handles.release_all)
        self._context: Any = None
        self._streams: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}
        self._host: dict[int, int] = {}
        self.enter()

    def enter(self) -> None:
        if self._context is None:
            context = self._call("cuDevicePrimaryCtxRetain", self._device)
            self._handles.hold("context", self._device)
            self._context = context
        self._handles.enter(self._context)
        flag = self._cuda.CUstream_flags.CU_STREAM_NON_BLOCKING.value
        for name in ("in", "work", "out"):
            if name not in self._streams:
                stream = self._call("cuStreamCreate", flag)
                self._streams[name] = self._handles.hold("stream", stream)

    def close(self) -> None:
        self._handles.release_all()
        self._context = None
        for each in (self._streams, self._functions, self._host):
            each.clear()

    def total_bytes(self) -> int:
        """Memory of the device."""
        return int(self._call("cuDeviceTotalMem", self._device))

    def share_bytes(self, workers: int) -> int:
        return max(self.total_bytes() // workers - PROCESS_BYTES, 0)

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
        wanted = [it for it in kernels if it.name not in self._functions]
        if not wanted:
            return
        from .cached import cached_code  # imports numba

        code = cached_code(wanted, self.capability)
        for kernel in wanted:
            module = self._call("cuModuleLoadData", code[kernel.name])
            self._handles.hold("module", module)
            function = self._call("cuModuleGetFunction", module, kernel.name.encode())
            if kernel.shared_bytes > STATIC_SHARED_BYTES:
                self._call(
                    "cuFuncSetAttribute", function, attribute, kernel.shared_bytes
                )
            self._call("cuFuncLoad", function)  # not later, while launches are recorded
            self._functions[kernel.name] = function

    def array(self, elements: int, dtype: type) -> Address:
        size = max(1, elements) * np.dtype(dtype).itemsize
        pointer = self._handles.hold("memory", self._call("cuMemAlloc", size))
        return Address(int(pointer), size)

    def host_array(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        pointer = int(self._call("cuMemHostAlloc", size, 0))
        self._handles.hold("pinned", pointer)
        raw = (ctypes.c_ubyte * size).from_address(pointer)
        values = np.ndarray(shape, dtype, buffer=memoryview(raw))
        self._host[values.ctypes.data] = pointer
        return values

    def free(self, arrays: Iterable[Any]) -> None:
        for array in arrays:
            if isinstance(array, Address):
                self._handles.release("memory", array.pointer)
            else:
                self._handles.release("pinned", self._host.pop(array.ctypes.data))

    def part(self, array: Address, offset: int, elements: int, dtype: type) -> Address:
        size = max(1, elements) * np.dtype(dtype).itemsize
        assert 0 <= offset and offset + size <= array.size
        return Address(array.pointer + offset, size)

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
        except BaseException:
            with suppress(FlowError):  # which says only that there was an error
                graph = self._call("cuStreamEndCapture", stream)
                self._call("cuGraphDestroy", graph)
            raise
        graph = self._call("cuStreamEndCapture", stream)
        try:
            return self._handles.hold(
                "exec", self._call("cuGraphInstantiate", graph, 0)
            )
        finally:
            self._call("cuGraphDestroy", graph)

    def replay(self, recording: Any) -> None:
        self._call("cuGraphLaunch", recording, self._streams["work"])

    def forget(self, recording: Any) -> None:
        self._handles.release("exec", recording)

    def mark(self, queue: Queue) -> Any:
        flags = self._cuda.CUevent_flags
        event = self._call(
            "cuEventCreate",
            flags.CU_EVENT_BLOCKING_SYNC.value | flags.CU_EVENT_DISABLE_TIMING.value,
        )
        self._handles.hold("event", event)
        self._call("cuEventRecord", event, self._streams[queue])
        return event

    def follow(self, mark: Any, queue: Queue) -> None:
        self._call("cuStreamWaitEvent", self._streams[queue], mark, 0)

    def wait(self, mark: Any) -> None:
        self._call("cuEventSynchronize", mark)
        self.drop(mark)

    def drop(self, mark: Any) -> None:
        self._handles.release("event", mark)

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
        return calls.call(self._cuda, function, *arguments)
