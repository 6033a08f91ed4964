"""Where compiled kernels are kept, so that a machine compiles once and not each process."""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numba.core.config

try:
    import fcntl
except ImportError:  # Windows: processes may then compile the same thing twice
    fcntl = None  # type: ignore[assignment]

config: Any = numba.core.config  # its names are made when it is imported

OPTIONS: dict[str, Any] = {
    "fastmath": True,  # sums in another order on another machine: see `CpuSolver`
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
}


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels, made if it is not there.

    It is below NUMBA_CACHE_DIR where that is set, else below the user's cache folder
    (XDG_CACHE_HOME, ~/.cache). Its name is made of what compiled code depends on:
    versions, processor and the kernels' source. Where it cannot be written, a temporary
    folder takes its place, and a line on standard error says so.
    """
    base = (
        config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    )
    wanted = Path(base) / "motion-shards" / f"kernels-{_fingerprint()}"
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=wanted).close()
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix="motion-shards-kernels-"))
        print(
            f"compiled kernels: {wanted} cannot be written ({error.strerror}), "
            f"kept in {folder} for this process",
            file=sys.stderr,
        )
        return folder
    return wanted


def _fingerprint() -> str:
    """16 hex digits over all that a compiled kernel depends on.

    The source of every module here is part of it: numba looks only at the file of the
    function itself, not at those of the functions it calls.
    """
    digest = hashlib.sha256()
    for part in (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
    ):
        digest.update(part.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def compiled(signature: str | None = None, *, cache: bool = True) -> Callable:
    """Decorator: compile by numba at the first `compile_kernels`, kept in `cache_folder`."""

    def decorate(function: Callable) -> Callable:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder())  # numba reads it here and not later
        try:
            kernel = numba.njit(cache=cache, **OPTIONS)(function)
        finally:
            config.CACHE_DIR = before
        kernel.wanted = signature  # type: ignore[attr-defined]
        return kernel

    return decorate


def compile_kernels(*kernels: Any) -> None:
    """Compile or load what `compiled` has marked, one process at a time.

    Several workers that start at once on a new machine would all compile the same; so the
    first does, and the others wait and then load.
    """
    with _alone(cache_folder()):
        for kernel in kernels:
            if not kernel.signatures:
                kernel.compile(kernel.wanted)
                kernel.disable_compile()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Where files cannot be locked (some NFS), go on without:
    numba replaces its files in one step, and each kernel has one signature only, so
    processes that write at once write the same."""
    with open(folder / "lock", "w") as lock:
        if fcntl:
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
