"""Functions in processes whose NVIDIA driver is `stub_driver/libcuda.c`.

A server imports what they need once and forks for each function, so that one costs
milliseconds and nothing of the stub is left in the process of the tests.
"""

import ctypes
import multiprocessing
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Self

SOURCE = Path(__file__).parent / "stub_driver" / "libcuda.c"
SECONDS = 60.0


class Counts(NamedTuple):
    """Number of things that the stub has given and not taken back."""

    contexts: int
    streams: int
    modules: int
    allocations: int
    pinned: int
    events: int
    graphs: int
    execs: int
    bytes: int
    wrong: int
    """Calls that a driver would not have taken."""


NOTHING = Counts(*[0] * len(Counts._fields))


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """The stub as a shared library in a folder, under the name of the real one."""
    library = folder / "libcuda.so.1"
    command = [compiler() or "cc", "-O1", "-shared", "-fPIC", "-fvisibility=hidden"]
    command += ["-Wl,-soname,libcuda.so.1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def counts() -> Counts:
    """Of this process, which has the stub."""
    stub = ctypes.CDLL("libcuda.so.1")
    return Counts(*(stub.stub_count(k) for k in range(len(Counts._fields))))


def most_bytes() -> int:
    """Bytes of the device that this process has had at a time, at most."""
    return ctypes.CDLL("libcuda.so.1").stub_most_bytes()


class StubGpu:
    """A context manager; `run` runs a function in a fresh process with the stub."""

    def __init__(self, library: Path) -> None:
        self.library = library
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._server = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._server.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipe.close()
        self._server.join(10)
        self._server.kill()

    def run(
        self, function: Callable[..., Any], *arguments: Any, **settings: Any
    ) -> Any:
        """The result of a function of a test module; `settings`: STUB_... by name."""
        variables = {f"STUB_{name.upper()}": str(it) for name, it in settings.items()}
        self._pipe.send((function, arguments, variables, str(self.library)))
        if not self._pipe.poll(SECONDS):
            raise AssertionError(f"{function.__name__}: no answer in {SECONDS:g} s")
        done, result = self._pipe.recv()
        assert done, result
        return result


def setting(**settings: object) -> None:
    """Change STUB_... variables under way; None: unset."""
    for name, value in settings.items():
        if value is None:
            os.environ.pop(f"STUB_{name.upper()}", None)
        else:
            os.environ[f"STUB_{name.upper()}"] = str(value)


def _serve(pipe: Connection) -> None:
    from pipeline.flow.cuda import cached, driver, solver

    assert driver and solver
    code = {"": b"of no use to the stub"}
    cached.cached_code = lambda kernels, capability: {  # type: ignore[assignment]
        kernel.name: code[""] for kernel in kernels
    }
    while True:
        try:
            call = pipe.recv()
        except EOFError:
            return
        child = os.fork()
        if not child:
            _answer(pipe, *call)
            os._exit(0)
        os.waitpid(child, 0)


def _answer(
    pipe: Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    variables: Mapping[str, str],
    library: str,
) -> None:
    try:
        os.environ.update(variables)
        os.environ["LD_LIBRARY_PATH"] = str(Path(library).parent)  # of its children
        ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
        pipe.send((True, function(*arguments)))
    except BaseException:  # noqa: BLE001 - the process of the tests raises it
        pipe.send((False, traceback.format_exc()))
