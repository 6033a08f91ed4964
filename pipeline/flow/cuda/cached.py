"""Machine code of kernels, cached so that a machine compiles once and not each process."""

import hashlib
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from pipeline.kernels.folders import alone, kept_folder, say
from pipeline.store.replacement import replacing

from .compiling import Capability, machine_code
from .kernel import Kernel

PACKAGES = ("numba", "numba-cuda", "llvmlite", "nvidia-nvvm", "nvidia-nvjitlink")


def cached_code(kernels: Iterable[Kernel], capability: Capability) -> dict[str, bytes]:
    """Machine code by the kernels' names, compiled where it is not there yet.

    Workers that start at once on a new machine would all compile the same. So the first
    does, about 15 s, and the others wait and load.
    """
    major, minor = capability
    folder = kept_folder(f"gpu-kernels-{_fingerprint()}-sm_{major}{minor}")
    code = {}
    for kernel in kernels:
        path = folder / f"{kernel.name}-{kernel.threads}-{kernel.shared_bytes}"
        if not path.exists():
            with alone(folder):
                if not path.exists():
                    fresh = machine_code(kernel, capability)
                    code[kernel.name] = fresh
                    _write(path, fresh)
        if kernel.name not in code:
            code[kernel.name] = path.read_bytes()
    return code


def _write(path: Path, code: bytes) -> None:
    """In one step, so that nobody reads half of it."""
    try:
        with replacing(path, durable=False) as file:
            file.write(code)
    except OSError as error:  # compiled, but not saved: a full disk
        say(f"{path.parent}: cannot be written ({error.strerror}), not cached")


def _fingerprint() -> str:
    """16 hex digits over all that the machine code depends on, but the device."""
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        try:
            digest.update(f"{package} {metadata.version(package)}\n".encode())
        except metadata.PackageNotFoundError:  # numba says what it misses, if it does
            continue
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
