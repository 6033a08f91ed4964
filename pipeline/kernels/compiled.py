"""Cache of compiled kernels: a machine compiles once and not each process."""

import contextlib
import hashlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numba.core.config

from .folders import alone, kept_folder, say

config: Any = numba.core.config  # its names are made when it is imported

OPTIONS: dict[str, Any] = {
    "fastmath": True,  # sums in vectors: their order depends on the machine
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
}


def compiled(signature: str | None = None, *, cache: bool = True) -> Callable:
    """Decorator: a kernel for numba to compile, kept in `cache_folder`.

    Args:
        signature: the only types it is for; `compile_kernels` compiles them.
        cache: False for the parts of kernels, which are kept with them.
    """

    def decorate(function: Callable) -> Callable:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder())  # numba reads it here and not later
        try:
            kernel = numba.njit(cache=cache, **OPTIONS)(function)
        finally:
            config.CACHE_DIR = before
        kernel.only_signature = signature  # type: ignore[attr-defined]
        return kernel

    return decorate


def compile_kernels(*kernels: Any) -> None:
    """Compile what `compiled` has marked, or load it: a few seconds, or a tenth of one.

    Workers that start at once on a new machine would all compile the same. So the first
    does, and the others wait and load.
    """
    folder = cache_folder()
    ready = folder / "ready"
    with contextlib.nullcontext() if ready.exists() else alone(folder):
        for kernel in kernels:
            if kernel.signatures:
                continue
            try:
                kernel.compile(kernel.only_signature)
            except OSError as error:  # compiled, but not saved: a full disk
                say(f"{folder}: cannot be written ({error.strerror}), not cached")
            kernel.disable_compile()
        with contextlib.suppress(OSError):
            ready.touch()


@cache
def cache_folder() -> Path:
    """The folder of the processor's compiled kernels, see `kept_folder`.

    Its name is made of what compiled code depends on: versions, processor and the
    kernels' source.
    """
    return kept_folder(f"kernels-{_fingerprint()}")


def kernel_sources() -> list[Path]:
    """The modules whose text compiled kernels depend on: this one and all that use it."""
    pipeline = Path(__file__).parents[1]
    solver = sorted((pipeline / "flow" / "cpu").glob("*.py"))
    others = (pipeline / "extract" / "cells.py", pipeline / "exchange" / "jpeg_scan.py")
    return [Path(__file__), *solver, *others]


def _fingerprint() -> str:
    """16 hex digits over all that a compiled kernel depends on.

    The source of every module with kernels is part of it: numba looks only at the file
    of the function itself, not at those of the functions it calls.
    """
    digest = hashlib.sha256()
    for part in (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
        config.CPU_NAME,  # NUMBA_CPU_NAME and NUMBA_CPU_FEATURES: another processor
        config.CPU_FEATURES,
    ):
        digest.update(f"{part}\n".encode())
    for path in kernel_sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
