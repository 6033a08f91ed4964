"""A device that runs the kernels' PTX on the processor and watches what they do.

The PTX is what a GPU gets. It is translated to C (`ptx_to_c`) and run by a runtime that
knows who read and wrote each element since when (`checked_kernel.h`). So it finds races,
missing barriers, indices outside an array and reads of memory that nobody has written,
even where the result is right by luck.
"""

import ctypes
import hashlib
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ptx_to_c import translate
from simulated_gpu import Simulator
from stub_gpu import compiler

from pipeline.flow.cuda.compiling import ptx
from pipeline.flow.cuda.device import Queue
from pipeline.flow.cuda.kernel import PARAMETERS, Kernel, Launch

CELL = np.dtype([("last", np.int32, 7), ("known", np.int32)])
"""`Cell` of the header."""
MOST_ARRAYS, MOST_SAID, SAID_BYTES = 16, 16, 160


class _Array(ctypes.Structure):
    _fields_ = [
        ("values", ctypes.c_void_p),
        ("cells", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("element_bytes", ctypes.c_int64),
    ]


class _Launch(ctypes.Structure):
    _fields_ = [
        ("number", ctypes.c_int32),
        ("backward", ctypes.c_int32),
        ("arrays", ctypes.c_int32),
        ("faults", ctypes.c_int32),
        ("array", _Array * MOST_ARRAYS),
        ("said", (ctypes.c_char * SAID_BYTES) * MOST_SAID),
    ]


class Memory:
    """An array on the device, apart from all others, with a cell for each element."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.cells = np.zeros(len(values), CELL)

    @property
    def nbytes(self) -> int:
        return self.values.nbytes


class CheckedGpu(Simulator):
    """`Device` whose kernels are checked.

    Args:
        folder: keeps the compiled kernels from one device to the next.
        capability: of the device that the PTX is for.
        backward: threads and blocks run in the opposite order.
        change: takes the name of a kernel and its PTX, and returns other PTX.
        optimise: by the C compiler; 1 takes longer to compile, and half as long to run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        capability: tuple[int, int] = (9, 0),
        backward: bool = False,
        change: Callable[[str, str], str] = lambda name, text: text,
        optimise: int = 0,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.faults: list[str] = []
        """What was found, each line of PTX once for each kind of fault and launch."""
        self.launched: dict[str, int] = {}
        """Launches by kernel."""
        self.barriers: dict[str, int] = {}
        """Barriers in the code of each kernel that is loaded."""
        self._folder, self._capability = folder, capability
        self._backward, self._change, self._optimise = backward, change, optimise
        self._kernels: dict[str, Any] = {}
        self._number = 0

    def load(self, kernels: Iterable[Kernel]) -> None:
        for kernel in kernels:
            if kernel.name not in self._kernels:
                self._kernels[kernel.name] = self._compiled(kernel)

    def array(self, elements: int, dtype: type) -> Memory:  # type: ignore[override]
        return Memory(super().array(elements, dtype))

    def part(self, array: Memory, offset: int, elements: int, dtype: type) -> Memory:  # type: ignore[override]
        """A copy: the part after it does not hide an index that is out of bounds."""
        part = Memory(super().part(array.values, offset, elements, dtype).copy())
        known = array.cells["known"][offset:]
        part.cells["known"] = known[:: part.values.itemsize][: len(part.cells)]
        return part

    def put(self, array: Memory, values: np.ndarray, queue: Queue) -> None:  # type: ignore[override]
        super().put(array.values, values, queue)
        array.cells["known"][: values.size] = 1

    def get(self, values: np.ndarray, array: Memory, queue: Queue) -> None:  # type: ignore[override]
        if not array.cells["known"][: values.size].all():
            self.faults.append("the host reads what nobody has written")
        super().get(values, array.values, queue)

    def _launch(self, launch: Launch) -> None:
        kernel, grid, arguments = launch
        self._number += 1
        self.launched[kernel.name] = self.launched.get(kernel.name, 0) + 1
        now = _Launch(number=self._number, backward=self._backward)
        words = np.zeros(len(arguments), np.uint64)
        for place, (kind, argument) in enumerate(
            zip(kernel.parameters, arguments, strict=True)
        ):
            dtype = PARAMETERS[kind]
            if not kind.endswith("*"):
                words[place : place + 1].view(dtype)[0] = argument
                continue
            assert argument.values.dtype == dtype, (kernel.name, kind)
            words[place] = argument.values.ctypes.data
            now.array[now.arrays] = _Array(
                argument.values.ctypes.data,
                argument.cells.ctypes.data,
                argument.values.nbytes,
                dtype.itemsize,
            )
            now.arrays += 1
        self._kernels[kernel.name](
            ctypes.byref(now),
            words.ctypes.data_as(ctypes.c_void_p),
            (ctypes.c_uint * 3)(*grid),
            (ctypes.c_uint * 2)(*kernel.block),
            kernel.shared_bytes,
        )
        for number in range(now.faults):
            self.faults.append(now.said[number].value.decode())

    def _compiled(self, kernel: Kernel) -> Any:
        text = self._change(kernel.name, self._ptx(kernel))
        source, self.barriers[kernel.name] = translate(text)
        path = self._folder / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.so"
        if not path.exists():
            path.with_suffix(".c").write_text(source)
            command = [compiler() or "cc", f"-O{self._optimise}", "-march=native"]
            command += ["-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing"]
            command += ["-shared", "-fPIC", f"-I{Path(__file__).parent}"]
            command += ["-o", str(path), str(path.with_suffix(".c")), "-lm"]
            subprocess.run(command, check=True)
        function = ctypes.CDLL(str(path)).run_kernel
        function.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_uint]
        function.restype = None
        return function

    def _ptx(self, kernel: Kernel) -> str:
        """As the compiler wrote it the first time."""
        name = f"{kernel.name}-{kernel.threads}-{kernel.shared_bytes}"
        path = self._folder / f"{name}-{self._capability}.ptx"
        if not path.exists():
            path.write_text(ptx(kernel, self._capability))
        return path.read_text()


def without_barrier(kernel: str, number: int) -> Callable[[str, str], str]:
    """A `change` that removes one barrier of a kernel."""

    def change(name: str, text: str) -> str:
        if name != kernel:
            return text
        lines = text.splitlines()
        barriers = [k for k, line in enumerate(lines) if "bar.sync" in line]
        del lines[barriers[number]]
        return "\n".join(lines)

    return change
